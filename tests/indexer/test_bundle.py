from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data.errors import LibraryError
from indexer import Library
from indexer.bundle import look_into
from tests.indexer.test_upkeep import offered
from tests.indexer.toy import ToyChannel, records

CHANNELS = [ToyChannel()]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """One with deleted rows, a delta and a ledger."""
    path = tmp_path_factory.mktemp("bundles") / "one"
    made = Library.build(records(24), path, channels=CHANNELS)
    made = made.add([offered("/a/1.cif", 100)], channels=CHANNELS)
    return made.remove(made.ids[2:4])


@pytest.fixture(scope="module")
def bundle(library: Library) -> Path:
    return library.export(library.path.parent)


def test_what_is_imported_is_what_was_exported(
    library: Library, bundle: Path, tmp_path: Path
) -> None:
    assert bundle.name == "one-3.braggle"
    other = Library.import_bundle(bundle, tmp_path / "other", channels=CHANNELS)
    assert other.ids == library.ids
    np.testing.assert_array_equal(other.vectors("toy"), library.vectors("toy"))
    for row in (0, len(library) - 1):
        assert other.entry(row).sources == library.entry(row).sources
        np.testing.assert_array_equal(other.lines[row].hkl, library.lines[row].hkl)
    assert {one.id for one in other.templates} >= {one.id for one in library.templates}
    assert other.ledger() == library.ledger()
    assert [one.verb for one in other.history()] == ["import"]
    assert other.verify().ok
    again = other.add([offered("/a/1.cif", 100)], channels=CHANNELS)
    assert again.change is not None
    assert again.change.skipped == 1


def test_vectors_of_another_make_are_made_anew(
    library: Library, bundle: Path, tmp_path: Path
) -> None:
    newer = ToyChannel("2", power=0.25)
    other = Library.import_bundle(bundle, tmp_path / "other", channels=[newer])
    assert other.holds(newer)
    np.testing.assert_allclose(other.vectors("toy"), newer.embed_lines(library.lines), atol=1e-3)
    assert other.verify().ok


def test_it_says_how_far_it_is(library: Library, tmp_path: Path) -> None:
    calls: list[tuple[int, int | None, str]] = []
    library.export(tmp_path, progress=lambda *how_far: calls.append(how_far))
    tables = ("entries", "sources", "vectors_toy", "ledger")
    rows = sum(library._reader.rows(name) for name in tables)
    assert calls[0] == (0, rows, "rows")
    assert calls[-1] == (rows, rows, "rows")
    calls.clear()
    bundle = library.bundle_place(tmp_path)
    Library.import_bundle(
        bundle, tmp_path / "l", channels=CHANNELS, progress=lambda *how_far: calls.append(how_far)
    )
    assert calls[:5] == [(done, 4, "checksums") for done in range(5)]


def test_who_interrupts_an_export_finds_nothing_of_it(library: Library, tmp_path: Path) -> None:
    whole = library.export(tmp_path / "a.braggle").read_bytes()

    def interrupted(done: int, _total: int | None, _stage: str) -> None:
        if done:
            assert len(list(tmp_path.iterdir())) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.export(tmp_path / "a.braggle", progress=interrupted)
    assert [one.name for one in tmp_path.iterdir()] == ["a.braggle"]
    assert (tmp_path / "a.braggle").read_bytes() == whole


def test_what_would_be_written_and_imported_is_told(
    library: Library, bundle: Path, tmp_path: Path
) -> None:
    assert library.bundle_place(bundle.parent) == bundle
    size = bundle.stat().st_size
    assert library.bundle_bytes() == pytest.approx(size, rel=0.2)
    found = look_into(bundle, "a", tmp_path / "other", CHANNELS)
    assert (found.library, found.version, found.entries) == ("one", 3, len(library))
    assert (found.channels, found.made_anew) == (("toy",), ())
    assert found.bytes == pytest.approx(size, rel=0.1)
    assert not (tmp_path / "other").exists()
    newer = look_into(bundle, "a", tmp_path / "other", [ToyChannel("2", power=0.25)])
    assert newer.made_anew == ("toy",)
    with pytest.raises(LibraryError, match="something is there already"):
        look_into(bundle, "a", library.path, CHANNELS)
    with pytest.raises(LibraryError, match="a: no bundle that can be read"):
        look_into(library.path / "CURRENT", "a", tmp_path / "other", CHANNELS)


def rewritten(bundle: Path, to: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(to, "w") as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return to


def test_an_altered_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        content = bytearray(archive.read("entries.arrows"))
        manifest = json.loads(archive.read("manifest.json"))
    content[len(content) // 2] ^= 1
    bad = rewritten(bundle, tmp_path / "bad.braggle", "entries.arrows", bytes(content))
    with pytest.raises(LibraryError, match="entries is altered; copy or export the bundle again"):
        Library.import_bundle(bad, tmp_path / "other", channels=CHANNELS)
    newer = json.dumps({**manifest, "braggle_bundle": 2}).encode()
    bad = rewritten(bundle, tmp_path / "newer.braggle", "manifest.json", newer)
    with pytest.raises(LibraryError, match="has format 2, this Braggle reads up to 1; upgrade"):
        Library.import_bundle(bad, tmp_path / "other", channels=CHANNELS)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.braggle"
    file.write_bytes(content)
    with pytest.raises(LibraryError, match=r"a\.braggle: no bundle that can be read"):
        Library.import_bundle(file, tmp_path / "other", channels=CHANNELS)
    assert not (tmp_path / "other").exists()


def test_nothing_is_overwritten(library: Library, bundle: Path) -> None:
    with pytest.raises(LibraryError, match="something is there already"):
        Library.import_bundle(bundle, library.path, channels=CHANNELS)
    with pytest.raises(LibraryError, match="the bundle cannot be written"):
        library.export(library.path / "nowhere" / "a.braggle")
