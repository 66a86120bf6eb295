"""The CoRE MOF databases 2014 and 2019, as the package core-mof ships them.

Computation-ready metal-organic frameworks with their solvent removed: Chung et al.,
*Chem. Mater.* 26 (2014) 6185-6192 and *J. Chem. Eng. Data* 64 (2019) 5985-5998; CC BY 4.0.
"""

from __future__ import annotations

import hashlib
import importlib.util
import lzma
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from data.cif import read_cif_text
from data.cif_document import decode
from data.crystal import Crystal
from data.errors import LibraryError, MissingExtraError
from data.record import Problem, Record, Source

COLLECTION = "core-mof"
LICENCE = "CC BY 4.0"
FILES = 23_845

_REFERENCES = {
    "2014": "Chung et al., Chem. Mater. 26 (2014) 6185-6192",
    "2019-ASR": "Chung et al., J. Chem. Eng. Data 64 (2019) 5985-5998",
    "2019-FSR": "Chung et al., J. Chem. Eng. Data 64 (2019) 5985-5998",
}
DATASETS = tuple(_REFERENCES)

MAX_CIF_BYTES = 16 * 2**20


def installed_archives() -> dict[str, Path]:
    """The archive of each data set in the installed package.

    Raises:
        MissingExtraError: the package is not installed.
        LibraryError: it is, but without its archives.
    """
    package = importlib.util.find_spec("CoRE_MOF")
    if package is None or not package.submodule_search_locations:
        raise MissingExtraError(
            "the source core-mof needs the package core-mof; install it with "
            "pip install 'braggle[mofs]'"
        )
    folder = Path(package.submodule_search_locations[0]) / "data"
    archives = {name: folder / f"{name}.tar.xz" for name in DATASETS}
    for path in archives.values():
        if not path.is_file():
            raise LibraryError(f"core-mof: {path} is missing; reinstall the package core-mof")
    return archives


def read_archive(
    archive: IO[bytes], dataset: str, *, max_atoms: int | None = None
) -> Iterator[Record | Problem]:
    """Every crystal of one archive, read once from its beginning to its end.

    Args:
        archive: a .tar.xz of P1 CIFs.
        dataset: one of `DATASETS`.
        max_atoms: leave larger cells out.
    """
    with tarfile.open(fileobj=archive, mode="r:xz") as tar:
        for member in tar:
            name = member.name.rsplit("/", 1)[-1]
            file = tar.extractfile(member) if name.endswith(".cif") and member.size else None
            if file is None or name.startswith("."):
                continue
            where = f"{COLLECTION} {dataset}/{name}"
            if member.size > MAX_CIF_BYTES:
                yield Problem(where, 0, f"{member.size} bytes are too many for one MOF; left out")
                continue
            text = decode(file.read())
            for item in read_cif_text(text, where):
                if isinstance(item, Problem):
                    yield item
                elif max_atoms is None or len(item.crystal) <= max_atoms:
                    yield _named(item, dataset, name.removesuffix(".cif"))


def read_core_mof(archives: dict[str, Path]) -> Iterator[Record | Problem]:
    """The data sets one after the other, each crystal once."""

    def every() -> Iterator[Record | Problem]:
        for dataset, path in archives.items():
            try:
                with path.open("rb") as archive:
                    yield from read_archive(archive, dataset)
            except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
                yield Problem(path.name, 0, f"damaged ({error}); reinstall the package core-mof")

    return without_repeats(every())


def without_repeats(items: Iterator[Record | Problem]) -> Iterator[Record | Problem]:
    """Leave out crystals that an earlier one repeats atom by atom, to 0.0001 of the cell."""
    seen: set[bytes] = set()
    for item in items:
        if isinstance(item, Record):
            key = fingerprint(item.crystal)
            if key in seen:
                continue
            seen.add(key)
        yield item


def fingerprint(crystal: Crystal) -> bytes:
    """Hash of the cell to 0.001 Å and of the atoms in it to 0.0001, in whatever order."""
    positions = np.rint(crystal.fractional * 10_000).astype(np.int64) % 10_000
    atoms = sorted(zip(crystal.species, positions.tolist(), strict=True))
    cell = np.rint(np.array(crystal.cell) * 1000).astype(np.int64).tolist()
    return hashlib.sha256(repr((cell, atoms)).encode()).digest()


def _named(record: Record, dataset: str, name: str) -> Record:
    refcode = re.sub(r"_(clean|charged|neutral|ion|freeONLY|manual|auto|SL).*$", "", name)
    source = Source(COLLECTION, f"{dataset}/{name}", _REFERENCES[dataset], LICENCE)
    return replace(record, names=(refcode,), source=source)
