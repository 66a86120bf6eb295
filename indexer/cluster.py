"""Crystals and their vectors worked out by a Ray cluster, for the one writer that publishes them.

Ray Data hands slices of files to tasks, which read them where they are (a shared folder, an object
store), and hands rows and vectors back in the order of the files, so that the library is the same
as of one machine. A task whose worker or machine dies is done again elsewhere.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

from data.errors import LibraryError, MissingExtraError
from indexer.channel import AnyChannel
from indexer.ingest import Chunk, Item, LineSettings, digest, pieces_of, slices

SLICE = 128
"""Files of a task, which takes about two seconds."""
SLICES_A_CORE = 16
"""Tasks that are handed to Ray Data together; what is left of them at the end keeps few cores."""


@contextmanager
def joined_cluster() -> Iterator[None]:
    """Stay connected to a cluster; to be begun before Lance is loaded, as what Ray starts is forked
    from this process.

    It is the cluster of `ray.init`: the one that $RAY_ADDRESS names, or that runs on this machine,
    or one that is begun here and ends with this process. Braggle must be installed in all of it.

    Raises:
        MissingExtraError: Ray is not installed.
        LibraryError: the cluster does not answer.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError(
            "--engine ray needs Ray; install it with `pip install 'braggle[distributed]'`"
        ) from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise LibraryError(
            f"no Ray cluster ({_line(error)}); start one with `ray start --head`, or see to "
            "$RAY_ADDRESS"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def digest_on_cluster(
    items: Iterable[Item], settings: LineSettings, channels: Sequence[AnyChannel]
) -> Generator[Chunk]:
    """Turn a stream of items into chunks of rows with their vectors, in order.

    Args:
        items: consumed as the cluster needs them.
        settings: of the library.
        channels: that make vectors.

    Raises:
        LibraryError: a slice failed wherever it was tried.
    """
    import ray
    import ray.data
    from ray.exceptions import RayError

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    together = SLICES_A_CORE * max(1, int(resources.get("CPU", 1)))
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    work = partial(_worked_out, settings=settings, channels=tuple(channels))
    waiting = slices(pieces_of(items), SLICE)
    try:
        while some := list(islice(waiting, together)):
            rows = [{"slice": pickle.dumps(one)} for one in some]
            done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(work)
            for row in done.iter_rows():
                yield pickle.loads(row["chunk"])  # noqa: S301 - of our own tasks
    except RayError as error:
        raise LibraryError(
            f"the cluster gave up on a slice of files ({_line(error)}); what was published stays, "
            "and the same command goes on from there"
        ) from None


def _worked_out(
    row: dict[str, Any], *, settings: LineSettings, channels: tuple[AnyChannel, ...]
) -> dict[str, bytes]:
    """One task: a slice of files to rows and vectors, on one core."""
    import numba

    numba.set_num_threads(1)
    pieces = pickle.loads(row["slice"])  # noqa: S301 - of our own driver
    return {"chunk": pickle.dumps(digest(pieces, settings, channels))}


def _line(error: Exception) -> str:
    """The last line of an error, which of Ray's is the one that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
