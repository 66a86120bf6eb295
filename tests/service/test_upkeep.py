"""The verbs that keep a library, as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from indexer import Library
from indexer.publishing import one_writer
from service.checks import library_findings
from service.settings import Settings
from tests.service.conftest import Braggle


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    """A library of six crystals that may be changed."""
    return Path(shutil.copytree(built, tmp_path / "mine"))


def said(braggle: Braggle, library: Path, *words: object) -> dict[str, Any]:
    """The JSON document of a verb."""
    result = braggle("library", *words, "-l", library, "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def text_of(output: str) -> str:
    """What is said, however the lines are broken."""
    return " ".join(output.split())


def test_a_file_is_skipped_superseded_and_listed(
    braggle: Braggle, library: Path, cifs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    file = folder / "1.cif"
    text = (cifs / "rutile.cif").read_text("utf-8")
    # Oxygen a little further out: a crystal of its own.
    file.write_text(text.replace("4.5", "4.6"))
    dry = said(braggle, library, "add", folder, "--dry-run")
    assert (dry["added"], dry["dry_run"], dry["library"]["entries"]) == (1, True, 6)
    assert said(braggle, library, "add", folder)["added"] == 1
    again = braggle("library", "add", folder, "-l", library)
    assert "1 files skipped that have not changed" in text_of(again.stdout)
    file.write_text(text.replace("4.5", "4.7"))
    corrected = braggle("library", "add", folder, "-l", library)
    assert "1 superseded by what their files hold now, 1 entries removed" in text_of(
        corrected.stdout
    )
    (folder / "2.cif").write_text("nothing")
    assert braggle("library", "add", folder, "-l", library).exit_code == 0
    before = Library.open(library, version=1).ledger_length
    rows = said(braggle, library, "ledger")["files"][before:]
    assert [row["status"] for row in rows] == ["added", "superseded", "added", "failed"]
    assert {Path(row["path"]).name for row in rows} == {"1.cif", "2.cif"}
    failed = text_of(braggle("library", "ledger", "--failed", "-l", library).stdout)
    assert "2.cif" in failed
    assert "1.cif" not in failed
    verbs = [one["verb"] for one in said(braggle, library, "history")["versions"]]
    assert verbs == ["build", "add", "add"]  # what cannot be read makes no version


def test_entries_are_removed_and_come_back(braggle: Braggle, library: Path) -> None:
    first, second, *_ = Library.open(library).ids
    dry = said(braggle, library, "remove", first, "--dry-run")
    assert (dry["removed"], dry["library"]["entries"]) == ([first], 6)
    result = braggle(
        "library", "remove", "-", "0" * 20, "-l", library, stdin=f"{first}\n{second}\n"
    )
    assert "4 entries; 2 removed" in text_of(result.stdout)
    assert f"no entry has the id {'0' * 20}" in text_of(result.stderr)
    nothing = braggle("library", "remove", first, "-l", library)
    assert nothing.exit_code == 1
    assert "none of these entries is there; nothing was removed" in text_of(nothing.stderr)

    would = braggle("library", "rollback", 1, "--dry-run", "-l", library)
    assert "version 3 would be what version 1 is, 6 entries" in text_of(would.stdout)
    back = braggle("library", "rollback", 1, "-l", library)
    assert "to undo it: braggle library rollback 2" in text_of(back.stdout)
    assert said(braggle, library, "rollback", 2)["library"]["entries"] == 4
    listed = text_of(braggle("library", "history", "-l", library).stdout)
    assert "4 *" in listed
    assert "remove: 2 removed" in listed
    assert "rollback: to 1" in listed
    unknown = braggle("library", "rollback", 9, "-l", library)
    assert unknown.exit_code == 1
    assert "version 9 is not kept; there are: 1, 2, 3, 4" in text_of(unknown.stderr)


def test_upkeep_says_what_it_does(braggle: Braggle, library: Path) -> None:
    braggle("library", "remove", *Library.open(library).ids[:2], "-l", library)
    words = ("maintain", "--keep-last", 1, "--keep-days", 0)
    dry = said(braggle, library, *words, "--dry-run")
    assert (dry["before"], dry["after"], dry["dry_run"]) == (2, 3, True)
    done = said(braggle, library, *words)
    assert done["remade"] == dry["remade"]
    assert done["forgotten"] == [1, 2]
    again = braggle("library", *words, "-l", library)
    assert "version 3; nothing to do" in text_of(again.stdout)
    with one_writer(library):
        locked = braggle("library", *words, "-l", library)
    assert locked.exit_code == 1
    assert "is writing to this library" in locked.stderr


def test_a_library_goes_through_one_file(braggle: Braggle, library: Path, tmp_path: Path) -> None:
    bundle = said(braggle, library, "export", tmp_path)
    assert bundle["file"] == str(tmp_path / "mine-1.braggle")
    made = braggle("library", "import", bundle["file"], "--into", tmp_path / "other")
    assert "6 entries from" in text_of(made.stdout)
    assert Library.open(tmp_path / "other").ids == Library.open(library).ids
    twice = braggle("library", "import", bundle["file"], "--into", tmp_path / "other")
    assert twice.exit_code == 1
    assert "something is there already" in twice.stderr


def test_a_bundle_is_told_before_it_is_written_or_read(
    braggle: Braggle, library: Path, tmp_path: Path
) -> None:
    dry = said(braggle, library, "export", tmp_path, "--dry-run")
    file = tmp_path / "mine-1.braggle"
    assert (dry["file"], dry["dry_run"], file.exists()) == (str(file), True, False)
    done = said(braggle, library, "export", tmp_path)
    assert not done["dry_run"]
    assert dry["bytes"] == pytest.approx(done["bytes"], rel=0.1)
    again = braggle("library", "export", file, "--dry-run", "-l", library)
    assert "it would be: 6 entries of version 1, about" in text_of(again.stdout)
    assert "in place of what is there" in text_of(again.stdout)
    nowhere = braggle("library", "export", tmp_path / "no" / "a", "--dry-run", "-l", library)
    assert nowhere.exit_code == 1
    assert "there is no folder" in text_of(nowhere.stderr)
    words = ("library", "import", file, "--dry-run", "--into", tmp_path / "other")
    held = json.loads(braggle(*words, "--json").stdout)
    assert held["library"]["path"] == str(tmp_path / "other")
    assert (held["bundle"]["library"], held["bundle"]["entries"]) == ("mine", 6)
    assert "it would be: 6 entries of version 1 of mine" in text_of(braggle(*words).stdout)
    assert not (tmp_path / "other").exists()
    taken = braggle("library", "import", file, "--dry-run", "--into", library)
    assert taken.exit_code == 1
    assert "something is there already" in taken.stderr


def test_no_library_lies_in_a_store(
    braggle: Braggle, cifs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = "s3://bucket/lib"
    for words in (
        ("build", cifs, "--into", there),
        ("import", tmp_path / "a.braggle", "--into", there),
        ("info", "-l", there),
    ):
        result = braggle("library", *words)
        assert result.exit_code == 1
        assert "s3://bucket/lib: a library lies in a local folder" in text_of(result.stderr)
        assert "braggle library export s3://bucket/name.braggle" in text_of(result.stderr)
    monkeypatch.setenv("BRAGGLE_LIBRARY", there)
    assert "a library lies in a local folder" in text_of(braggle("library", "info").stderr)
    (finding,) = library_findings(Settings.load())
    assert not finding.ok
    assert finding.detail.startswith("s3://bucket/lib: a library lies in a local folder")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_watched(braggle: Braggle, library: Path, cifs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "good.cif").write_text((cifs / "rutile.cif").read_text("utf-8"))
    (folder / "bad.cif").write_text("nothing")
    dry = braggle("library", "watch", folder, "--dry-run", "--every", 0.1, "-l", library)
    assert "good.cif: it would be: merged, 1 entry" in text_of(dry.stdout)
    assert f"it would be moved to {folder}-refused/bad.cif" in text_of(dry.stderr)
    assert len(list(folder.iterdir())) == 2
    words = ("library", "watch", folder, "--once", "--every", 0.1, "-l", library, "--json")
    result = braggle(*words)
    assert result.exit_code == 0, result.stderr
    told = {Path(one["path"]).name: one for one in map(json.loads, result.stdout.splitlines())}
    assert told["good.cif"]["entries"] == 1
    assert Path(told["bad.cif"]["moved_to"]).is_file()
    assert braggle(*words).stdout == ""
    idle = braggle("library", "watch", folder, "--dry-run", "--every", 0.1, "-l", library)
    assert text_of(idle.stdout) == f"{folder}: nothing to do"
    Path(f"{folder}-refused").rename(tmp_path / "aside")
    Path(f"{folder}-refused").touch()
    (folder / "bad.cif").write_text("nothing")
    stays = braggle("library", "watch", folder, "--once", "--every", 0.1, "-l", library)
    assert stays.exit_code == 0
    assert "cannot be moved to" in text_of(stays.stderr)
