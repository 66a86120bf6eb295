"""Templates as a table, a document and a page."""

from __future__ import annotations

import base64
import json
import re
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.canonical import Standard
from data.crystal import Crystal
from data.errors import BraggleError
from indexer import Library
from indexer.entry import Entry
from indexer.templates.shapes import Polyhedron
from indexer.templates.structure import structure_of
from service.templates import Listing, list_templates, render, write_templates
from service.templates.drawing import picture
from service.templates.page import CLASSES
from tests import crystals
from tests.indexer.templates.planted import isotypes, loner
from tests.indexer.templates.test_library import forget_templates
from tests.indexer.toy import ToyChannel
from tests.service.conftest import Braggle
from tests.service.html_page import Page


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five rutiles, four calcites, and one that is like none."""
    records = [*isotypes("rutile", 0, 5), *isotypes("calcite", 0, 4), loner()]
    path = tmp_path_factory.mktemp("libraries") / "planted"
    Library.build(records, path, channels=[ToyChannel()])
    return path


@pytest.fixture(scope="module")
def listing(planted: Path) -> Listing:
    return list_templates(Library.open(planted))


def words(text: str) -> str:
    return " ".join(text.split())


class TestListing:
    def test_the_largest_come_first_with_their_members(
        self, listing: Listing, planted: Path
    ) -> None:
        library = Library.open(planted)
        assert (listing.total, listing.asked, listing.covered) == ({"global": 2, "local": 2}, 4, 9)
        assert [len(row.entries) for row in listing.rows] == [5, 5, 4, 4]
        for row in listing.rows:
            assert tuple(one.id for one in row.entries) == row.template.members
        assert listing.rows[0].formulas == {f"{m}O2": 1 for m in ("Ti", "V", "Cr", "Mn", "Fe")}
        assert {row.classes for row in listing.rows} == {
            "2 metals, 4 non-metals", "2 metals, 8 non-metals", "metal with 6 non-metals",
        }  # fmt: skip
        assert listing.entries == len(library) == 10

    def test_kinds_and_numbers(self, planted: Path) -> None:
        library = Library.open(planted)
        local = list_templates(library, kind="local", most=1)
        assert [row.template.kind for row in local.rows] == ["local"]
        assert (local.total, local.counts) == ({"local": 2}, "2 local")


class TestPicture:
    def entry(self, crystal: Crystal) -> Entry:
        return Entry("0" * 20, crystal, (), "X", (), crystal.space_group_number, "X", 1.0, ())

    def test_a_cell_with_its_edges(self) -> None:
        crystal = replace(crystals.CAESIUM_CHLORIDE)
        shape = structure_of(Standard.from_stored(crystal).primitive).of("global")[0]
        drawn = picture(shape, self.entry(crystal))
        assert drawn.classes == ("metal",) * 8 + ("non-metal",)
        assert drawn.lines.shape == (12, 2, 3)
        lengths = np.linalg.norm(drawn.lines[:, 1] - drawn.lines[:, 0], axis=1)
        np.testing.assert_allclose(lengths, 4.123, rtol=1e-6)
        to_middle = np.linalg.norm(drawn.balls[:8] - drawn.balls[8], axis=1)
        np.testing.assert_allclose(to_middle, 4.123 * 0.75**0.5, rtol=1e-6)
        corners = {tuple(np.round(end, 6)) for end in drawn.lines.reshape(-1, 3)}
        assert corners == {tuple(np.round(ball, 6)) for ball in drawn.balls[:8]}

    def test_a_long_cell_lies_across(self) -> None:
        crystal = Standard.from_stored(crystals.CALCITE).primitive
        stretched = replace(crystal, lattice=np.diag([4.0, 20.0, 9.0]))
        shape = structure_of(stretched).of("global")[0]
        drawn = picture(shape, self.entry(replace(stretched, space_group_number=1)))
        extent = np.ptp(drawn.lines.reshape(-1, 3), axis=0)
        np.testing.assert_allclose(extent, [20.0, 4.0, 9.0], rtol=1e-6)
        np.testing.assert_allclose(drawn.lines.reshape(-1, 3).min(axis=0), -extent / 2, rtol=1e-6)

    def test_a_polyhedron_with_its_bonds(self) -> None:
        vectors = np.array([[2.0, 0, 0], [-2.0, 0, 0], [0, 0, 2.6]])
        drawn = picture(Polyhedron.of("ring", vectors), self.entry(crystals.QUARTZ))
        assert drawn.classes == ("ring", "non-metal", "non-metal", "non-metal")
        bonds = drawn.lines[:, 1] - drawn.lines[:, 0]
        np.testing.assert_allclose(sorted(np.linalg.norm(bonds, axis=1)), [2, 2, 2.6])
        np.testing.assert_allclose(drawn.lines[:, 0], np.tile(drawn.balls[0], (3, 1)))


def unpack(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), kind)


class TestPage:
    def test_it_loads_nothing(self, listing: Listing) -> None:
        source = render(listing)
        assert Page(source).loaded() == []
        assert "url(" not in source

    def test_what_is_drawn_reaches_the_page(self, listing: Listing) -> None:
        (data,) = Page(render(listing)).documents
        assert tuple(data["classes"]) == CLASSES
        assert [one["id"] for one in data["templates"]] == [r.template.id for r in listing.rows]
        one, row = data["templates"][0], listing.rows[0]
        assert (one["where"], one["interval"], one["members"]) == ("27.4 – 27.5", 274, 5)
        assert dict(one["formulas"]) == row.formulas
        assert one["names"] == [entry.names[0] for entry in row.entries[:3]]
        sticks, heights = unpack(one["sticks"], "<u2"), unpack(one["heights"], "<u1")
        assert sticks[heights.argmax()] == 274
        np.testing.assert_array_equal(sticks, np.flatnonzero(row.template.pattern))
        expected = 255 * (row.template.pattern[sticks] / row.template.pattern.max()) ** 2
        np.testing.assert_allclose(heights, expected, atol=1)
        drawn = picture(row.template.shape, row.entries[0])
        np.testing.assert_allclose(
            unpack(one["balls"], "<f4").reshape(-1, 3), drawn.balls, atol=1e-5
        )
        assert [CLASSES[i] for i in unpack(one["of"], "<u1")] == list(drawn.classes)
        assert len(unpack(one["lines"], "<f4")) == drawn.lines.size

    def test_it_says_what_it_shows(self, listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
        text = words(Page(render(listing)).text)
        assert "Templates 2 global, 2 local" in text
        assert "9 entries are members of one" in text
        assert "Drawn all of them" in text
        monkeypatch.setattr("service.templates.page.SHOWN", 3)
        page = Page(render(listing))
        assert "Drawn the 3 with most members, of 4" in words(page.text)
        assert len(page.documents[0]["templates"]) == 3

    def test_names_are_text_wherever_they_stand(self, listing: Listing) -> None:
        bad = '</script><img src=x onerror="alert(1)">'
        row = listing.rows[0]
        entries = tuple(replace(one, names=(bad,), formula="Na<b>Cl") for one in row.entries)
        page = Page(render(replace(listing, rows=(replace(row, entries=entries),))))
        assert len(page.scripts) == 2
        assert page.loaded() == []
        assert page.documents[0]["templates"][0]["names"] == [bad]

    def test_it_is_written_whole_or_its_place_is_named(
        self, listing: Listing, tmp_path: Path
    ) -> None:
        write_templates(listing, tmp_path / "new" / "page.html")
        assert Page((tmp_path / "new" / "page.html").read_text("utf-8")).documents
        with pytest.raises(BraggleError, match=r"page\.html/page\.html: the page cannot be wri"):
            write_templates(listing, tmp_path / "new" / "page.html" / "page.html")

    def test_every_class_has_its_colour_in_light_and_dark(self) -> None:
        assets = files("service.templates") / "assets"
        style = (assets / "templates.css").read_text("utf-8")
        light, dark = style.split("@media screen and (prefers-color-scheme: dark)")[:2]
        for part in (light, dark):
            assert set(CLASSES) <= set(re.findall(r"--([\w-]+): #[0-9a-f]{6};", part))
        size = sum(len((assets / name).read_bytes()) for name in ("templates.css", "templates.js"))
        assert size < 20_000


class TestCommand:
    def test_a_table(self, braggle: Braggle, planted: Path, listing: Listing) -> None:
        shown = braggle("library", "templates", "-l", planted)
        assert shown.exit_code == 0
        lines = shown.stdout.splitlines()
        assert lines[0].split()[:3] == ["id", "kind", "2θ"]
        assert re.match(r"[0-9a-f]{20}  (global|local) +27\.4 – 27\.5 +5 ", lines[1])
        formulas = ", ".join(list(listing.rows[0].formulas)[:3])
        assert f" 2 metals, 4 non-metals {formulas} and 2 more" in words(shown.stdout)
        assert "2 global, 2 local; 9 of 10 entries are members of one" in words(shown.stdout)
        few = words(braggle("library", "templates", "-l", planted, "--top", "1").stdout)
        assert len(re.findall(r"[0-9a-f]{20}", few)) == 1
        assert "the 1 with most members are shown" in few
        local = braggle("library", "templates", "-l", planted, "--kind", "local").stdout
        assert "global" not in local

    def test_a_document_and_a_page(self, braggle: Braggle, planted: Path, tmp_path: Path) -> None:
        answer = braggle("library", "templates", "-l", planted, "--json", "--page", "p.html")
        assert answer.exit_code == 0
        document = json.loads(answer.stdout)
        assert document["page"] == "p.html"
        assert document["library"] == {"path": str(planted), "version": 1, "entries": 10}
        assert document["total"] == {"global": 2, "local": 2}
        assert document["covered_entries"] == 9
        library = Library.open(planted)
        by_id = {one.id: one for one in library.templates}
        for one in document["templates"]:
            template = by_id.pop(one["id"])
            assert one["two_theta_deg"] == pytest.approx(template.two_theta_deg)
            assert [m["id"] for m in one["members"]] == list(template.members)
            assert one["classes"] == list(template.classes)
            np.testing.assert_allclose(one["coordinates"], template.coordinates)
            assert ("lattice" in one) == (one["kind"] == "global")
        assert not by_id
        assert Page((tmp_path / "p.html").read_text("utf-8")).documents

    def test_a_library_in_which_nothing_recurs(self, braggle: Braggle, tmp_path: Path) -> None:
        shown = braggle("library", "templates", "--page", "p.html")
        assert shown.exit_code == 0
        assert "none; 0 of 6 entries are members of one" in words(shown.stdout)
        assert "Templates none" in words(Page((tmp_path / "p.html").read_text("utf-8")).text)

    def test_an_older_library_says_what_to_do_and_maintain_does_it(
        self, braggle: Braggle, built: Path, tmp_path: Path
    ) -> None:
        old = tmp_path / "old"
        shutil.copytree(built, old)
        forget_templates(old)
        result = braggle("library", "templates", "-l", old)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.endswith(
            "templates as they are made now; `braggle library maintain` makes them"
        )
        made = braggle("library", "maintain", "-l", old)
        assert "version 2; made anew: templates" in words(made.stdout)
        assert braggle("library", "templates", "-l", old).exit_code == 0
        assert "nothing to do" in words(braggle("library", "maintain", "-l", old).stdout)

    @pytest.mark.parametrize("option", [("--kind", "regional"), ("--top", "0")])
    def test_bad_usage(self, braggle: Braggle, option: tuple[str, str]) -> None:
        result = braggle("library", "templates", *option)
        assert result.exit_code == 2
        assert option[0] in result.stderr
