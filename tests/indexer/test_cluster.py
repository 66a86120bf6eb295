"""A library of an object store's CIFs, made by a Ray cluster one of whose workers is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.cif import write_cif
from data.errors import LibraryError
from data.offered import Place
from data.sources import open_source
from data.sources.stores import _store_of, fetched, opened, put
from indexer import Library
from indexer.bundle import look_into
from indexer.schema import ENTRIES, ENTRIES_SCHEMA, SOURCES, SOURCES_SCHEMA
from tests.indexer.toy import ToyChannel, records

pytest.importorskip("ray.data", reason="the extra distributed is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto[server] is not installed")

FILES = 150
PATIENCE_S = 900.0


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """The environment that leads to an S3 server with a bucket of CIFs: two of them the same
    crystal, one of them broken.
    """
    from pyarrow.fs import S3FileSystem

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        bucket = S3FileSystem(
            endpoint_override=settings["AWS_ENDPOINT_URL"],
            allow_bucket_creation=True,
            allow_delayed_open=True,
        )
        bucket.create_dir("crystals")
        for number, one in enumerate(records(FILES)):
            _put(bucket, f"crystals/cifs/{number % 7}/{number:04d}.cif", write_cif(one.crystal))
        _put(bucket, "crystals/cifs/again.cif", write_cif(next(records(1)).crystal))
        _put(bucket, "crystals/cifs/broken.cif", "data_broken\n_cell_length_a nothing\n")
        yield settings
    server.stop()


def _put(bucket: object, key: str, text: str) -> None:
    with bucket.open_output_stream(key) as stream:  # type: ignore[attr-defined]
        stream.write(text.encode())


def test_a_cluster_that_loses_a_worker_makes_the_same_library(
    store: dict[str, str], tmp_path: Path
) -> None:
    here = Library.build(open_source("s3://crystals/cifs").offered or (), tmp_path / "here")

    there = tmp_path / "there"
    command = [sys.executable, "-m", "service", "library", "build", "s3://crystals/cifs"]
    command += ["--engine", "ray", "--into", str(there), "--json"]
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **store, **settings}
    ) as process:
        try:
            _kill_a_worker_of(process)
            answer, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0
    document = json.loads(answer)
    assert (document["added"], document["merged"], len(document["problems"])) == (FILES, 1, 1)

    made = Library.open(there)
    assert made.ids == here.ids
    for table, schema in ((ENTRIES, ENTRIES_SCHEMA), (SOURCES, SOURCES_SCHEMA)):
        own, other = (one._reader.table(table, schema.names) for one in (here, made))
        assert repr(own.to_pylist()) == repr(other.to_pylist())  # to which NaN is NaN
    assert made.channels == here.channels
    for channel in here.channels:
        assert np.abs(made.vectors(channel.id) - here.vectors(channel.id)).max() < 1e-3
    assert [one.id for one in made.templates] == [one.id for one in here.templates]
    told, also_told = ([_told(row) for row in one.ledger()] for one in (here, made))
    assert told == also_told
    assert len(told) == FILES + 2
    assert made.verify().ok


@pytest.mark.usefixtures("store")
def test_a_library_is_handed_on_through_a_store(built: Path, tmp_path: Path) -> None:
    there, copy = "s3://crystals/libraries/built.braggle", tmp_path / "copy"
    calls: list[tuple[int, int | None, str]] = []
    with put(there, lambda *how_far: calls.append(how_far)) as file:
        Library.open(built).export(file)
    with opened(there) as read:
        assert look_into(read, there, copy, [ToyChannel()]).entries == len(Library.open(built))
    with fetched(there, lambda *how_far: calls.append(how_far)) as file:
        Library.import_bundle(file, copy, channels=[ToyChannel()])
    assert {stage for _, _, stage in calls} == {"MB sent", "MB fetched"}
    assert all(done == total for done, total, _ in calls)  # less than a block
    assert Library.open(copy).ids == Library.open(built).ids


@pytest.mark.usefixtures("store")
def test_what_a_store_does_not_have_is_said() -> None:
    with pytest.raises(LibraryError, match=r"no \*\.cif there"):
        open_source("s3://crystals/nothing")
    with (
        pytest.raises(LibraryError, match="cannot be used"),
        fetched("s3://crystals/no.braggle"),
    ):
        pass
    with pytest.raises(LibraryError, match="cannot be used"), opened("s3://crystals/no.braggle"):
        pass
    gone = Place("s3://crystals/gone.cif", 1, _store_of("s3://crystals")[0]).read()
    assert gone.problem is not None
    assert "cannot be read" in gone.problem.reason


def _told(row: object) -> dict[str, object]:
    """What the ledger says, but for when."""
    return {name: value for name, value in vars(row).items() if name != "at"}


def _kill_a_worker_of(process: subprocess.Popen[str]) -> None:
    """SIGKILL the first worker that is seen at work on a slice."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        for pid in _descendants(process.pid):
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::Map"):
                os.kill(pid, signal.SIGKILL)
                return
        time.sleep(0.02)
    pytest.fail("no worker was seen at work")


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        parents.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found
