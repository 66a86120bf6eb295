"""Make what ships in `data/bundled` from packages of the registries.

Run it as `python -m data.bundling --downloads FOLDER`. Every package is pinned to a version and a
checksum, so the same bytes come out each time.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from data.cif import read_cif_text
from data.errors import BraggleError
from data.record import Problem, Record, Source
from data.sources.aflow import read_aflow
from data.sources.amcsd import read_amcsd
from data.sources.avogadro import COD, read_avogadro
from data.sources.core_mof import DATASETS, read_archive, without_repeats
from data.sources.packed import write_packed

MAX_MOF_ATOMS = 100


class BundlingError(BraggleError):
    """A package cannot be had, or is not the one expected."""


@dataclass(frozen=True)
class Package:
    """A file that a package registry serves.

    Attributes:
        registry: which client fetches it.
        name: of the package there.
        version: of the package.
        file: the name it is saved under.
        sha256: of that file.
    """

    registry: Literal["pip", "apt"]
    name: str
    version: str
    file: str
    sha256: str

    def fetch(self, folder: Path) -> Path:
        """The file in this folder, downloaded unless it is there, its checksum compared.

        Raises:
            BundlingError: it cannot be had, or has another checksum.
        """
        path = folder / self.file
        if not path.exists():
            self._download(folder)
        if not path.exists():
            raise BundlingError(f"{self.name}: the client did not save {self.file} in {folder}")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise BundlingError(
                f"{path}: sha256 is {found}, not {self.sha256}; delete it and run again"
            )
        return path

    def _download(self, folder: Path) -> None:
        if self.registry == "pip":
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--dest", ".", f"{self.name}=={self.version}"]
        else:
            command = ["apt-get", "download", f"{self.name}={self.version}"]
        _run(
            command,
            folder,
            remedy=f"get {self.name} {self.version} elsewhere and put {self.file} into {folder}",
        )


PACKAGES = {
    package.name: package
    for package in (
        Package(
            "pip",
            "xraylarch",
            "0.9.81",
            "xraylarch-0.9.81-py3-none-any.whl",
            "3a7eb4fe22825c7fb4ff58f5c4f1e45ec701a0caf8e0593a7d02e0d3725bd654",
        ),
        Package(
            "pip",
            "core-mof",
            "2019.1",
            "core_mof-2019.1-py3-none-any.whl",
            "852af4c604148585eca6cfd75832c4b4967a1bded76381d4b914dcd2317f6823",
        ),
        Package(
            "pip",
            "pymatgen",
            "2026.10.24",
            "pymatgen-2026.10.24-py3-none-any.whl",
            "bd341f2e0550ec38358de2c95a65cabd9f1efa433df48ed5b615cc2d0115d827",
        ),
        Package(
            "pip",
            "rietx",
            "1.10.0",
            "rietx-1.10.0-py3-none-any.whl",
            "9db7ab5c736197a72485eb8728761dbd02f3be8fe62c2688e0433b0efd7df25d",
        ),
        Package(
            "apt",
            "libavogadro-data",
            "1.97.0-3",
            "libavogadro-data_1.97.0-3_all.deb",
            "3a92f0d4e2bbb9a3b6776998803ae94685ed1560ad6ae873adb0eb9f2c181d6d",
        ),
        Package(
            "apt",
            "objcryst-fox",
            "2022.1-1+b3",
            "objcryst-fox_2022.1-1+b3_amd64.deb",
            "af171e0ebae4af8ca0905628d67e4daca53517abe99db18610a88dd3ffb86bf0",
        ),
    )
}
"""Debian's are those of its release 12 for amd64."""

NAC_CODE = "1000236"
_FOX_SCAN = "./usr/share/doc/objcryst-fox/example/tutorial-pbso4/xray.dat.gz"
_RIETX_EXAMPLES = "rietx/data/examples"


def bundle(downloads: Path, out: Path) -> tuple[Counter[str], list[Problem]]:
    """Write `crystals.parquet` and the measured patterns.

    Args:
        downloads: where packages are, or are downloaded to.
        out: `data/bundled`, or a folder like it.

    Returns:
        Crystals written by collection, and what could not be read.

    Raises:
        BundlingError: a package cannot be had.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    files = {name: package.fetch(downloads) for name, package in PACKAGES.items()}
    patterns = out / "patterns"
    patterns.mkdir(parents=True, exist_ok=True)
    examples = zipfile.ZipFile(files["rietx"])
    for name, original in (("fluorapatite.gsa", "FAP.XRA"), ("nac.fxye", "11BM_NAC.fxye")):
        (patterns / name).write_bytes(examples.read(f"{_RIETX_EXAMPLES}/{original}"))
    (patterns / "pbso4.dat").write_bytes(_fox_scan(files["objcryst-fox"]))
    counts: Counter[str] = Counter()
    problems: list[Problem] = []
    write_packed(_good(_crystals(files), counts, problems), out / "crystals.parquet")
    return counts, problems


def _crystals(files: dict[str, Path]) -> Iterator[Record | Problem]:
    """Every crystal that ships, collection by collection."""
    larch = zipfile.ZipFile(files["xraylarch"])
    yield from read_amcsd(larch.read("larch/xrd/amcsd_cif1.db"))
    yield from read_avogadro(_debian_tree(files["libavogadro-data"]))
    yield from _nac(zipfile.ZipFile(files["rietx"]))
    pymatgen = zipfile.ZipFile(files["pymatgen"])
    yield from read_aflow(pymatgen.read("pymatgen/analysis/prototypes/aflow_prototypes.json.gz"))
    yield from without_repeats(_mofs(zipfile.ZipFile(files["core-mof"])))


def _mofs(wheel: zipfile.ZipFile) -> Iterator[Record | Problem]:
    for dataset in DATASETS:
        with wheel.open(f"CoRE_MOF/data/{dataset}.tar.xz") as archive:
            yield from read_archive(archive, dataset, max_atoms=MAX_MOF_ATOMS)


def _nac(wheel: zipfile.ZipFile) -> Iterator[Record | Problem]:
    text = wheel.read(f"{_RIETX_EXAMPLES}/cod_{NAC_CODE}.cif").decode()
    for item in read_cif_text(text, f"cod_{NAC_CODE}.cif"):
        if isinstance(item, Record):
            source = Source(COD, NAC_CODE, item.source.reference, "public domain, as stated by COD")
            yield replace(item, names=("NAC", *item.names), source=source)
        else:
            yield item


def _good(
    items: Iterable[Record | Problem], counts: Counter[str], problems: list[Problem]
) -> Iterator[Record]:
    """The records, each code of a collection once; what is left out is told."""
    seen: set[tuple[str, str]] = set()
    for item in items:
        if isinstance(item, Problem):
            problems.append(item)
            continue
        key = (item.source.collection, item.source.identifier)
        if key in seen:
            problems.append(Problem(" ".join(key), 0, "a second entry of this code; left out"))
            continue
        seen.add(key)
        counts[item.source.collection] += 1
        yield item


def _debian_tree(path: Path) -> io.BytesIO:
    """The files of a Debian package as an uncompressed tar."""
    command = ["dpkg-deb", "--fsys-tarfile", path.name]
    return io.BytesIO(_run(command, path.parent, remedy="install the package dpkg"))


def _fox_scan(path: Path) -> bytes:
    with tarfile.open(fileobj=_debian_tree(path)) as tar:
        member = tar.extractfile(_FOX_SCAN)
        if member is None:
            raise BundlingError(f"{path}: {_FOX_SCAN} is no file in it; delete it and run again")
        return gzip.decompress(member.read())


def _run(command: list[str], folder: Path, *, remedy: str) -> bytes:
    words = " ".join(command)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603 - fixed words
    except OSError as error:
        raise BundlingError(f"cannot run {words!r} ({error.strerror}); {remedy}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise BundlingError(f"{words!r} failed ({lines[-1]}); {remedy}")
    return done.stdout


def main() -> int:
    """The command line: exit status 0, or 1 with one line of what is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--downloads", type=Path, required=True, help="folder of the packages")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "bundled")
    options = parser.parse_args()
    try:
        counts, problems = bundle(options.downloads, options.out)
    except BraggleError as error:
        print(error, file=sys.stderr)
        return 1
    for problem in problems:
        print(problem, file=sys.stderr)
    for collection, count in counts.items():
        print(f"{collection:10} {count:6}")
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{'all':10} {counts.total():6}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
