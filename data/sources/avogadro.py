"""The common crystals and zeolites of Debian's package libavogadro-data.

The crystals come from the Crystallography Open Database, the zeolites from the structure
commission of the International Zeolite Association; the package states the public domain.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO

from data.cif import read_cif_text
from data.cif_document import decode
from data.record import Problem, Record, Source

COD = "cod"
ZEOLITES = "iza"
LICENCE = "public domain, as stated by libavogadro-data; cite the reference"
_ZEOLITE_REFERENCE = (
    "Baerlocher & McCusker, Database of Zeolite Structures, structure commission of the "
    "International Zeolite Association"
)
_FOLDER = "usr/share/avogadro2/crystals"


def read_avogadro(archive: IO[bytes]) -> Iterator[Record | Problem]:
    """Every crystal of the package's file tree (an uncompressed tar), by path."""
    with tarfile.open(fileobj=archive, mode="r|") as tar:
        texts = {
            path: decode(file.read())
            for member in tar
            if (path := PurePosixPath(member.name)).suffix == ".cif" and _FOLDER in member.name
            if (file := tar.extractfile(member)) is not None
        }
    for path, text in sorted(texts.items()):
        for item in read_cif_text(text, f"{path.parent.name}/{path.name}"):
            yield item if isinstance(item, Problem) else _named(item, path, text)


def _named(record: Record, path: PurePosixPath, text: str) -> Record:
    if path.parent.name == "zeolites":
        source = Source(ZEOLITES, path.stem, _ZEOLITE_REFERENCE, LICENCE)
        return replace(record, names=(path.stem, f"zeolite framework {path.stem}"), source=source)
    code = re.search(r"_cod_database_code\s+(\d+)", text)
    identifier = code[1] if code else f"{path.parent.name}/{path.stem}"
    names = tuple(dict.fromkeys((*record.names, path.stem)))
    return replace(
        record, names=names, source=Source(COD, identifier, record.source.reference, LICENCE)
    )
