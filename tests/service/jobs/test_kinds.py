"""What jobs do, without the processes that do it."""

from __future__ import annotations

import io
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.errors import BraggleError
from indexer import Library
from service.jobs.kinds import KINDS, File, Work
from service.settings import ServeSettings


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    path = tmp_path / "library"
    shutil.copytree(built, path)
    return path


def done(
    kind: str, library: Path, files: Sequence[File], options: dict[str, Any], **settings: Any
) -> Any:
    return shown(kind, library, files, options, **settings)[1]


def shown(
    kind: str, library: Path, files: Sequence[File], options: dict[str, Any], **settings: Any
) -> tuple[list[Any], Any]:
    """What is shown on the way, and the result."""
    parts: list[Any] = []
    work = Work(library, ServeSettings(**settings), options, files, lambda *_: None, parts.append)
    return parts, KINDS[kind](work)


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def test_an_archive_and_a_cif_are_added_and_a_bad_one_is_told(library: Path, cifs: Path) -> None:
    entry = next(iter(Library.open(library).ids))
    without = done("remove", library, (), {"id": entry})
    assert without["removed"] == 1
    archive = zipped({path.name: path.read_bytes() for path in sorted(cifs.glob("*.cif"))})
    files = [("all.zip", archive), ("bad.cif", b"data_x\n")]
    added = done("add", library, files, {})
    assert (added["added"], added["merged"]) == (1, 5)
    assert added["library"]["version"] == 3
    (problem,) = added["problems"]
    assert problem["where"].startswith("bad.cif")
    assert entry in Library.open(library).ids


@pytest.mark.parametrize(
    "members, said",
    [
        ({"bomb.cif": b"#" * 3_000_000}, "the archive unpacks to over"),
        ({f"{i}.cif": b"data_x" for i in range(11)}, "11 members are more than 10"),
        ({"notes.txt": b"nothing"}, r"no \*\.cif in this archive"),
        ({"../../evil.cif": b"data_x\n"}, "nothing was added"),
    ],
)
def test_archives_that_are_too_much(
    library: Path, tmp_path: Path, members: dict[str, bytes], said: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    first = Library.open(library)
    with pytest.raises(BraggleError, match=said):
        done(
            "add", library, [("a.zip", zipped(members))], {},
            max_archive_mb=1, max_archive_members=10,
        )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    # The ledger tells of it; the version is the same.
    after = Library.open(library)
    assert after.version == first.version
    told = after.ledger(since=first.ledger_length)
    assert {row.status for row in told} == {"failed"}


def test_a_link_in_an_archive_is_not_followed(library: Path, cifs: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.cif"
    secret.write_bytes((cifs / "rutile.cif").read_bytes())
    link = zipfile.ZipInfo("link.cif")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(link, str(secret))
    with pytest.raises(BraggleError, match=r"nothing was added: a\.zip/link\.cif"):
        done("add", library, [("a.zip", archive.getvalue())], {})


def test_crystals_with_too_many_atoms_are_left_out(library: Path, cifs: Path) -> None:
    files = [(path.name, path.read_bytes()) for path in sorted(cifs.glob("*.cif"))]
    added = done("add", library, files, {}, max_atoms=12)
    assert [one["where"] for one in added["problems"]] == ["calcite.cif calcite"]
    assert "30 atoms in the cell are more than 12" in added["problems"][0]["reason"]


def test_one_bad_pattern_does_not_stop_the_others(library: Path, rutile: Path) -> None:
    files = [("a.xy", b"nothing"), ("b.xy", rutile.read_bytes()), ("b.xy", rutile.read_bytes())]
    bad, *good = done("search", library, files, {"top": 1})
    assert bad["query"]["path"] == "a.xy"
    assert "error" in bad
    assert [len(one["hits"]) for one in good] == [1, 1]


def test_each_pattern_is_shown_as_soon_as_it_is_looked_up(library: Path, rutile: Path) -> None:
    files = [("a.xy", rutile.read_bytes()), ("b.xy", b"nothing")]
    parts, documents = shown("search", library, files, {"top": 1})
    assert parts == [{"number": i, "document": one} for i, one in enumerate(documents)]


def test_candidates_are_shown_before_they_are_refined(library: Path, rutile: Path) -> None:
    options = {"formula": "SnO2", "engines": ["substitution"], "part": True, "refine": False}
    (part,), result = shown("generate", library, [("a.xy", rutile.read_bytes())], options)
    assert part["proposals"] == result["proposals"]
    assert part["engines"] == ["substitution"]
    assert "Unit cell of proposal 1" in part["part"]
