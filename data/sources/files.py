"""CIFs in files, folders and zip archives."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from data.cif import read_cif, read_cif_text
from data.cif_document import decode
from data.errors import LibraryError
from data.record import Problem, Record
from data.sources.stream import SourceStream

MAX_ZIP_MEMBERS = 500_000
MAX_MEMBER_BYTES = 64 * 2**20
MAX_ZIP_BYTES = 16 * 2**30


def open_cif(path: Path) -> SourceStream:
    """The blocks of one CIF."""
    return SourceStream(str(path), iter(read_cif(path)))


def open_folder(folder: Path) -> SourceStream:
    """Every *.cif in the folder and the folders in it, in the order of their paths.

    Linked folders are not followed, so a link to a parent does no harm.

    Raises:
        LibraryError: there is none.
    """
    paths = sorted(
        Path(parent) / name
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".cif") and not name.startswith(".")
    )
    if not paths:
        raise LibraryError(f"{folder}: no *.cif in this folder or below; check the path")

    def items() -> Iterator[Record | Problem]:
        for path in paths:
            yield from read_cif(path)

    return SourceStream(str(folder), items(), len(paths))


def open_zip(path: Path) -> SourceStream:
    """Every *.cif in the archive, in its order. Nothing is written to the disk.

    Members that are too large, encrypted or damaged are problems; what an archive claims of a
    member's size is not believed.

    Raises:
        LibraryError: the file is no zip archive, holds no CIF, or holds too many members.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise LibraryError(f"{path}: not a readable zip archive ({error}); make it anew") from None
    if len(members) > MAX_ZIP_MEMBERS:
        raise LibraryError(
            f"{path}: {len(members)} members are more than {MAX_ZIP_MEMBERS}; split the archive"
        )
    wanted = [m for m in members if m.filename.lower().endswith(".cif") and not _hidden(m)]
    if not wanted:
        raise LibraryError(f"{path}: no *.cif in this archive; check the file")
    return SourceStream(str(path), _members(path, wanted), len(wanted))


def _hidden(member: zipfile.ZipInfo) -> bool:
    return member.filename.rsplit("/", 1)[-1].startswith(".") or "__MACOSX" in member.filename


def _members(path: Path, members: list[zipfile.ZipInfo]) -> Iterator[Record | Problem]:
    budget = MAX_ZIP_BYTES
    with zipfile.ZipFile(path) as archive:
        for member in members:
            where = f"{path.name}/{member.filename}"
            try:
                with archive.open(member) as file:
                    content = file.read(min(MAX_MEMBER_BYTES, budget) + 1)
            except (
                zipfile.BadZipFile,
                zlib.error,
                EOFError,
                OSError,
                RuntimeError,
                NotImplementedError,
            ) as error:
                yield Problem(where, 0, f"cannot be unpacked ({error}); make the archive anew")
                continue
            if len(content) > budget:
                limit = MAX_ZIP_BYTES // 2**30
                yield Problem(where, 0, f"the archive unpacks to over {limit} GiB; split it")
                return
            budget -= len(content)
            if len(content) > MAX_MEMBER_BYTES:
                limit = MAX_MEMBER_BYTES // 2**20
                yield Problem(where, 0, f"unpacks to over {limit} MiB, too large for a CIF")
                continue
            yield from read_cif_text(decode(content), where)
