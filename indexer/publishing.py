"""Publishing: one writer at a time, and one small file that says which version readers read.

A library's truth lies in Lance tables that keep their old versions. `CURRENT` names the version
of each table that was published last; it is replaced in one step, so that a reader sees either
the old library or the new one, and whatever an interrupted writer left behind is never read.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data.errors import LibraryError
from indexer.channel import Channel
from indexer.profiles import Profile, profile_of

FORMAT = 3
"""1 had neither history nor ledger, 2 no checksums of manifests; both are read, and the next change
brings them up to date."""
CURRENT = "CURRENT"
VERSIONS = "versions"
LOCK = "LOCK"
WRITER = "WRITER"
TABLES = "tables"
CACHE = "cache"
CLOCK_NS = 2_000_000_000
"""Times of files may be so coarse."""
NOTHING_LOST = (
    "what was published last stays; make room, or check the folder's rights, and run the command "
    "again"
)
OWN_NAMES = frozenset({CURRENT, LOCK, WRITER, TABLES, CACHE, VERSIONS})


@dataclass(frozen=True)
class TableVersion:
    """A Lance version of one table.

    Attributes:
        version: its number.
        rows: that it has.
        sha256: of its manifest, which says what files it is made of; empty where nobody noted it.
    """

    version: int
    rows: int
    sha256: str = ""


@dataclass(frozen=True)
class ChannelStamp:
    """What made a set of stored vectors; see `indexer.channel.Channel`."""

    id: str
    version: str
    sha256: str
    dimension: int

    @classmethod
    def of(cls, channel: Channel) -> ChannelStamp:
        """The stamp of a channel as it is now."""
        return cls(channel.id, channel.version, channel.sha256, channel.dimension)


@dataclass(frozen=True)
class Deed:
    """What led to a version.

    Attributes:
        verb: "build", "add", "remove", "maintain", "rollback" or "import"; empty where nobody
            noted it.
        counts: of what it did: {"added": 3}.
        braggle: version of the Braggle that did it.
        finished: False for a part of a build or an addition that goes on.
    """

    verb: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    braggle: str = ""
    finished: bool = True

    @classmethod
    def of(cls, verb: str, counts: Mapping[str, int], *, finished: bool = True) -> Deed:
        """A deed of this Braggle."""
        return cls(verb, dict(counts), version("braggle"), finished)


@dataclass(frozen=True)
class TemplatesState:
    """How far the templates go with the entries.

    Attributes:
        rows: so many entries, from the first, were looked at; None stands for all.
        stale: changes since templates were collected that a collection would tell: entries that
            have gone, and those that came into a crowded interval and founded nothing.
    """

    rows: int | None = None
    stale: int = 0


@dataclass(frozen=True)
class Published:
    """What `CURRENT` says.

    Attributes:
        version: of the library, counted from 1.
        published_at: UTC time, ISO 8601.
        tables: Lance version and rows of each table, by name.
        files: sha256 of each file of the tables, by path in the library. Lance never changes a
            data file, and does not notice when something else did.
        channels: what made the vectors.
        d_min_angstrom: how far the stored lines go.
        floor: lines whose strength·d² is below this part of the largest are not stored.
        deed: what led to it.
        templates: how far they go with the entries.
        recall: of each channel's index, the part of the 100 nearest of a sample that it finds.
    """

    version: int
    published_at: str
    tables: Mapping[str, TableVersion]
    files: Mapping[str, str]
    channels: tuple[ChannelStamp, ...]
    d_min_angstrom: float
    floor: float
    deed: Deed = Deed()
    templates: TemplatesState = TemplatesState()
    recall: Mapping[str, float] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """How many entries the library has."""
        return self.tables["entries"].rows

    @property
    def profile(self) -> Profile:
        """What it is of."""
        return profile_of(channel.id for channel in self.channels)

    @property
    def is_unfinished_build(self) -> bool:
        """Whether this is a part of a first build that was cut off, or still goes on."""
        return self.deed.verb == "build" and not self.deed.finished

    def to_json(self) -> str:
        """As written to `CURRENT`, with a hash of itself."""
        body = {"format": FORMAT, **asdict(self)}
        return json.dumps({**body, "sha256": digest_of(body)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path) -> Published:
        """Read back what `to_json` wrote.

        Raises:
            LibraryError: not our text, altered, or of a format this Braggle does not know.
        """
        damaged = LibraryError(
            f"{path}: the file does not hold what was written to it; {_remedy(path)}"
        )
        try:
            body = json.loads(text)
            format_number = int(body["format"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise damaged from None
        if format_number > FORMAT:
            raise LibraryError(
                f"{path.parent}: the library has format {format_number}, this Braggle reads up to "
                f"{FORMAT}; upgrade Braggle, or build the library again"
            )
        if body.pop("sha256", None) != digest_of(body):
            raise damaged
        del body["format"]
        tables = {name: TableVersion(**table) for name, table in body.pop("tables").items()}
        channels = tuple(ChannelStamp(**channel) for channel in body.pop("channels"))
        deed = Deed(**body.pop("deed", {}))
        templates = TemplatesState(**body.pop("templates", {}))
        return cls(tables=tables, channels=channels, deed=deed, templates=templates, **body)


def read_current(path: Path) -> Published:
    """What is published in the library folder `path`.

    Raises:
        LibraryError: no folder, no library, one whose first build never ended, or a damaged one.
    """
    if not path.exists():
        raise LibraryError(
            f"{path}: there is no library here; make one with `braggle library build bundled`"
        )
    if not path.is_dir():
        raise LibraryError(f"{path}: a library is a folder, this is a file; name the folder")
    try:
        text = (path / CURRENT).read_text(encoding="utf-8")
    except FileNotFoundError:
        unfinished = (path / TABLES).is_dir()
        reason = "its first build has not ended" if unfinished else "it has no CURRENT file"
        raise LibraryError(
            f"{path}: the folder is no library, {reason}; make one with `braggle library build`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"{path / CURRENT}: cannot be read ({error}); check the file") from None
    return Published.from_json(text, path / CURRENT)


def is_library(path: Path) -> bool:
    """Whether something is published here."""
    return (path / CURRENT).is_file()


def may_build_in(path: Path) -> bool:
    """Whether a new library may be made here: nothing there, or leftovers of a build only."""
    if not path.exists():
        return True
    if not path.is_dir():
        return False
    cut_off = {file.name for file in leftovers(path)}
    return {child.name for child in path.iterdir()} <= OWN_NAMES | cut_off


def publish(path: Path, published: Published) -> None:
    """Make `published` what readers see from now on, in one step; its document is kept."""
    settle(path)
    keep_version(path, published)
    write_atomically(path / CURRENT, published.to_json().encode())


def publish_anew(path: Path, published: Published) -> None:
    """Say something else of the version that is published, whose entries stay as they are."""
    settle(path)
    write_atomically(path / CURRENT, published.to_json().encode())
    keep_base(path, published)


def settle(path: Path) -> None:
    """Have the disk hold what tables were given since something was published last.

    Lance leaves that to the system: after a power cut, `CURRENT` could name what is not there.
    """
    current = path / CURRENT
    since_ns = current.stat().st_mtime_ns - CLOCK_NS if current.exists() else 0
    for folder, _, names in os.walk(path / TABLES):
        for one in (*(Path(folder, name) for name in names), Path(folder)):
            if one.stat().st_mtime_ns >= since_ns:
                _sync(one)


def keep_version(path: Path, published: Published) -> None:
    """Put the document of a version among those that are kept."""
    file = version_file(path, published.version)
    file.parent.mkdir(exist_ok=True)
    write_atomically(file, published.to_json().encode())


def keep_base(path: Path, published: Published) -> None:
    """Keep what is published now as it is now.

    Its document may be missing (an early Braggle kept none), damaged, or of a time before files
    were noted that gave nothing. Readers hold locks on it, so that it stays the same file;
    whoever asks for this version meanwhile reads `CURRENT`.
    """
    file, text = version_file(path, published.version), published.to_json()
    if not file.exists():
        keep_version(path, published)
    elif file.read_bytes() != text.encode():
        file.write_text(text, encoding="utf-8")


def version_file(path: Path, number: int) -> Path:
    """Where the document of a version is kept."""
    return path / VERSIONS / f"{number:06d}.json"


def leftovers(path: Path) -> list[Path]:
    """Files that somebody was writing when he was cut off, or still is."""
    folders = {path: f".{CURRENT}", path / VERSIONS: ".", path / CACHE: "."}
    return [file for one, start in folders.items() for file in one.glob(f"{start}*.tmp")]


def sha256_of(file: Path) -> str:
    """Of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a folder on disk, whatever comes and goes meanwhile."""
    total = 0
    for file in path.rglob("*"):
        with suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a crash leaves the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Have the disk hold a file, or what names a folder has."""
    if os.name != "posix" and path.is_dir():
        return
    opened = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Hold the library folder's write lock, and say what the system refuses as one clear line.

    The lock itself belongs to the operating system and ends with its process, however that ends.

    Raises:
        LibraryError: another process writes, and the message names it; or the disk is full, or
            the folder cannot be written to.
    """
    lock = FileLock(path / LOCK, timeout=0, fallback_to_soft=False, preserve_lock_file=True)
    try:
        lock.acquire()
    except Timeout:
        raise LibraryError(
            f"{path}: {_holder(path)} is writing to this library; wait until it has ended"
        ) from None
    except OSError as error:
        raise LibraryError(f"{path}: cannot be written to ({error}); check its rights") from None
    try:
        # Beside the lock, because on Windows a locked file cannot be read. Only a courtesy.
        with suppress(OSError):
            (path / WRITER).write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    except OSError as error:
        raise LibraryError(f"{path}: cannot be changed ({error}); {NOTHING_LOST}") from error
    finally:
        lock.release()


def _holder(path: Path) -> str:
    try:
        return (path / WRITER).read_text() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"


def _remedy(path: Path) -> str:
    """What to do about a document that is damaged."""
    if path.parent.name == VERSIONS:
        return "`braggle library maintain` leaves that version out"
    kept = sorted((path.parent / VERSIONS).glob("[0-9]*.json"))
    copy = f"copy {kept[-1]} over it" if kept else "restore it from a copy"
    return f"{copy}, or build the library again"


def digest_of(body: Mapping[str, Any]) -> str:
    """sha256 of a document, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
