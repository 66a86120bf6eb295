"""CIFs in files, folders and zip archives."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from data.cif import MAX_CIF_BYTES
from data.errors import LibraryError
from data.offered import Offered, Place
from data.record import Problem
from data.sources.stream import SourceStream


def open_cif(path: Path) -> SourceStream:
    """The blocks of one CIF, which is read when its turn comes."""
    return SourceStream.of_files(str(path), map(Offered.file, [path]))


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
    return SourceStream.of_places(
        str(folder), map(Place.file, paths), map(Offered.file, paths), len(paths)
    )


@dataclass(frozen=True)
class ArchiveLimits:
    """How much of an archive is unpacked: members, bytes of one of them, and bytes of all."""

    members: int = 500_000
    member_bytes: int = MAX_CIF_BYTES
    bytes: int = 16 * 2**30


def open_zip(path: Path) -> SourceStream:
    """Every *.cif in the archive, in its order; see `zip_stream`."""
    return zip_stream(path, str(path), ArchiveLimits())


def zip_stream(file: Path | BinaryIO, name: str, limits: ArchiveLimits) -> SourceStream:
    """Every *.cif in an archive, in its order. Nothing is written to the disk.

    Members that are too large, encrypted or damaged are problems; what an archive claims of a
    member's size is not believed.

    Raises:
        LibraryError: the file is no zip archive, holds no CIF, or holds too many members.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise LibraryError(f"{name}: not a readable zip archive ({error}); make it anew") from None
    if len(members) > limits.members:
        raise LibraryError(
            f"{name}: {len(members)} members are more than {limits.members}; split the archive"
        )
    wanted = [m for m in members if m.filename.lower().endswith(".cif") and not _hidden(m)]
    if not wanted:
        raise LibraryError(f"{name}: no *.cif in this archive; check the file")
    return SourceStream.of_files(name, _members(file, name, wanted, limits), len(wanted))


def _hidden(member: zipfile.ZipInfo) -> bool:
    return member.filename.rsplit("/", 1)[-1].startswith(".") or "__MACOSX" in member.filename


def _members(
    file: Path | BinaryIO, archive_name: str, members: list[zipfile.ZipInfo], limits: ArchiveLimits
) -> Iterator[Offered]:
    name = PurePath(archive_name).name
    place = os.path.abspath(file) if isinstance(file, Path) else f"upload:{_digest(file)}/{name}"  # noqa: PTH100 - a link is a place of its own
    budget = limits.bytes

    def refused(member: zipfile.ZipInfo, reason: str) -> Offered:
        problem = Problem(f"{name}/{member.filename}", 0, reason)
        return Offered.unreadable(problem, path=place, member=member.filename)

    with zipfile.ZipFile(file) as archive:
        for member in members:
            try:
                with archive.open(member) as opened:
                    content = opened.read(min(limits.member_bytes, budget) + 1)
            except (
                zipfile.BadZipFile,
                zlib.error,
                EOFError,
                OSError,
                RuntimeError,
                NotImplementedError,
            ) as error:
                yield refused(member, f"cannot be unpacked ({error}); make the archive anew")
                continue
            if len(content) > budget:
                yield refused(
                    member, f"the archive unpacks to over {_size(limits.bytes)}; split it"
                )
                return
            budget -= len(content)
            if len(content) > limits.member_bytes:
                limit = _size(limits.member_bytes)
                yield refused(member, f"unpacks to over {limit}, too large for a CIF")
                continue
            yield Offered.of(
                content, f"{name}/{member.filename}", path=place, member=member.filename
            )


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    return hashlib.sha256(file.read()).hexdigest()[:20]


def _size(size: int) -> str:
    return f"{size // 2**30} GiB" if size >= 2**30 else f"{size / 2**20:.3g} MiB"
