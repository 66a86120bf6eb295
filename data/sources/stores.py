"""CIFs in an object store, and files taken to one and from there: `s3://bucket/folder`.

The store is found as the tools of its maker find it: credentials and region in `AWS_ACCESS_KEY_ID`
and its like or in `~/.aws`, another server in `AWS_ENDPOINT_URL`, or in the address itself
(`s3://bucket/folder?endpoint_override=localhost:9000&scheme=http`).
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from data.errors import LibraryError
from data.offered import Offered, Place
from data.sources.stream import SourceStream

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

SCHEME = "s3://"
READERS = 16
"""Objects that are fetched together: each takes some 20 ms, however small it is."""
BLOCK = 2**20
Progress = Callable[[int, int | None, str], None]
"""Called with how many MB have passed, of how many, and what happens to them."""


def in_store(text: str) -> bool:
    """Whether this is the address of something in an object store."""
    return text.startswith(SCHEME)


def open_store(uri: str) -> SourceStream:
    """Every *.cif under an address, at every depth, in the order of their names; or the one there.

    Raises:
        LibraryError: the store does not answer, or there is no CIF.
    """
    from pyarrow.fs import FileSelector, FileType

    store, path = _store_of(uri)
    try:
        found = store.get_file_info(path)
        infos = [found]
        if found.type != FileType.File:
            infos = store.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
    except OSError as error:
        raise _unreached(uri, error) from None
    places = [
        Place(SCHEME + info.path, info.size, store)
        for info in sorted(infos, key=lambda info: info.path.split("/"))
        if info.type == FileType.File
        and info.base_name.lower().endswith(".cif")
        and not info.base_name.startswith(".")
    ]
    if not places:
        raise LibraryError(f"{uri}: no *.cif there or below; check the address")
    return SourceStream.of_places(uri, iter(places), _read_ahead(places), len(places))


@contextmanager
def opened(uri: str) -> Iterator[IO[bytes]]:
    """An object, of which no more is fetched than is read.

    Raises:
        LibraryError: the store does not answer, or there is no such object.
    """
    store, path = _store_of(uri)
    try:
        file = store.open_input_file(path)
    except OSError as error:
        raise _unreached(uri, error) from None
    with file:
        yield file


@contextmanager
def fetched(uri: str, progress: Progress | None = None) -> Iterator[Path]:
    """A copy of an object, for as long as it is needed.

    Args:
        uri: of the object.
        progress: told how much of it has come.

    Raises:
        LibraryError: the store does not answer, or there is no such object.
    """
    store, path = _store_of(uri)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.rsplit("/", 1)[-1]
        try:
            size = store.get_file_info(path).size or 0
            with store.open_input_stream(path) as stream, copy.open("wb") as file:
                _copy(stream, file, size, progress, "MB fetched")
        except OSError as error:
            raise _unreached(uri, error) from None
        yield copy


@contextmanager
def put(uri: str, progress: Progress | None = None) -> Iterator[Path]:
    """A place for a file that goes to the store once it is whole; there it appears in one step.

    Args:
        uri: that the file gets.
        progress: told how much of it has gone.

    Raises:
        LibraryError: the store does not take it.
    """
    store, path = _store_of(uri)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.rsplit("/", 1)[-1]
        yield file
        try:
            with file.open("rb") as whole, store.open_output_stream(path) as stream:
                _copy(whole, stream, file.stat().st_size, progress, "MB sent")
        except OSError as error:
            raise _unreached(uri, error) from None


def _copy(
    source: IO[bytes], sink: IO[bytes], size: int, progress: Progress | None, stage: str
) -> None:
    done = 0
    while block := source.read(BLOCK):
        sink.write(block)
        done += len(block)
        if progress is not None:
            progress(done // 10**6, size // 10**6, stage)


def _store_of(uri: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    address = uri
    if endpoint and "endpoint_override=" not in uri:
        server = urlsplit(endpoint)
        joined = "&" if "?" in uri else "?"
        address += f"{joined}scheme={server.scheme}&endpoint_override={server.netloc}"
    try:
        store, path = FileSystem.from_uri(address)
    except (OSError, ValueError) as error:
        raise _unreached(uri, error) from None
    return store, path


def _read_ahead(places: Sequence[Place]) -> Iterator[Offered]:
    """The files in order, several of them on their way."""
    waiting: deque[Future[Offered]] = deque()
    rest = iter(places)
    with ThreadPoolExecutor(READERS) as pool:
        try:
            waiting.extend(pool.submit(place.read) for place in islice(rest, 2 * READERS))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(place.read) for place in islice(rest, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _unreached(uri: str, error: Exception) -> LibraryError:
    reason = " ".join(str(error).split())
    return LibraryError(f"{uri}: cannot be used ({reason}); check address, rights and region")
