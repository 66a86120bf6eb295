"""The map: where entries lie, what kind of compound they are, and the page that shows both."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.crystal import Crystal
from data.errors import BraggleError, QueryError
from data.formula import parse_formula
from data.record import Source
from indexer import Library
from indexer.entry import Entry
from service.map import LibraryMap, draw, layout, render, write_map
from service.map.chemistry import CLASSES, chemistry_class
from service.map.drawing import REST, SHOWN_GROUPS, colourings, volume_per_atom
from service.map.layout import (
    Layout,
    lay_out,
    neighbours_kept,
    principal_components,
    sample_rows,
)
from tests import crystals
from tests.service.conftest import CRYSTALS, Braggle
from tests.service.html_page import Page

RNG = np.random.default_rng(3)


def blobs(count: int, each: int, dimension: int = 40) -> NDArray[np.float32]:
    """Clouds that are much further apart than they are wide, one after another."""
    centres = 10 * RNG.normal(size=(count, 1, dimension))
    clouds = centres + 0.2 * RNG.normal(size=(count, each, dimension))
    return clouds.reshape(-1, dimension).astype(np.float32)


class TestChemistry:
    @pytest.mark.parametrize(
        "kind, formulas",
        [
            ("silicate", "SiO2 Mg2SiO4 KAl3Si3O12H2 Na8Al6Si6O24S2 CaBSiO5H Al2SiO4F2"),
            ("silicate", "Al4.5Si1.5O9.75 Ca5Si2CO11 K0.5Na0.5AlSi3O8"),
            ("oxide or hydroxide", "MgO Fe2O3 Al2O3 MgFe2O4 BaTiO3 H2O FeO2H MgO2 V2O5 CO2"),
            ("oxide or hydroxide", "CaWO4 YBa2Cu3O7 La2O2S UO2 TiSi0.02O2"),
            ("phosphate, arsenate or vanadate", "Ca5P3O13H AlPO4 Cu2AsO5H Pb5V3O12Cl V3P3O13"),
            ("sulfate", "CaSO4 CaSO6H4 BaSO4 KAl3S2O14H6 CuSO9H10 Na6S2ClO8F"),
            ("carbonate or nitrate", "CaCO3 KNO3 CeCO3F Cu2CO5H2 NaHCO3 CaMgC2O6"),
            ("borate", "LiBO2 Mg3B7ClO13 CaB2O4 Na2B4O17H20"),
            ("halide", "NaCl CaF2 NH4Cl Na3AlF6 CuCl2 HgI2 Hg2Cl2 HCl"),
            ("sulfide, selenide or telluride", "ZnS FeS2 FeAsS Ag3SbS3 PbSe Bi2Te3 H2S MoS2"),
            ("carbide, nitride or pnictide", "SiC Fe3C TiN GaAs CaB6 Ni2P NiAs BN TiC0.5N0.5"),
            ("intermetallic or alloy", "CuZn Nb3Sn CoSb3 Mg2Si LaNi5 LaNi5H6 Fe20C PtBi2"),
            ("element", "Fe Au C Si S N2 O2 Cl2 H2 Ar"),
            ("organic or metal-organic", "CH4 C14H10 CO2HNa CaC2O4 CaC2O5H2 C2H5NO2 KCN CH4N2O"),
            ("organic or metal-organic", "Zn4C24H12O13 Fe4C18N18 Fe2C9O9 AlSi3C4NO8"),
            ("other", "LiH ZrH2 NH3"),
        ],
    )  # fmt: skip
    def test_known_compounds(self, kind: str, formulas: str) -> None:
        for formula in formulas.split():
            assert chemistry_class(parse_formula(formula)) == kind, formula

    def test_every_class_is_in_the_legend_once(self) -> None:
        assert len(set(CLASSES)) == len(CLASSES) == 13

    @given(
        st.dictionaries(
            st.sampled_from(["H", "C", "N", "O", "F", "Si", "P", "S", "Fe", "Ca", "B", "Te", "Xe"]),
            st.floats(0.05, 20),
            min_size=1,
        ),
        st.sampled_from([0.25, 4.0, 1024.0]),
    )
    def test_any_composition_has_a_class_whatever_the_unit(
        self, composition: dict[str, float], factor: float
    ) -> None:
        kind = chemistry_class(composition)
        assert kind in CLASSES
        assert chemistry_class({e: factor * n for e, n in composition.items()}) == kind

    @given(
        st.dictionaries(
            st.sampled_from(["O", "F", "Si", "P", "S", "Fe", "Ca", "B", "As"]),
            st.integers(1, 12),
            min_size=2,
        ),
        st.integers(1, 24),
    )
    def test_hydrogen_that_a_source_leaves_out_changes_nothing(
        self, composition: dict[str, int], hydrogen: int
    ) -> None:
        assert chemistry_class(composition) == chemistry_class({**composition, "H": hydrogen})


class TestLayout:
    def test_clouds_stay_together_and_apart(self) -> None:
        vectors, owner = blobs(4, 25), np.repeat(np.arange(4), 25)
        found = lay_out(vectors)
        points = found.points.astype(float)
        assert points.shape == (100, 2)
        assert np.abs(points).max() == pytest.approx(1.0)
        np.testing.assert_allclose(points.min(axis=0) + points.max(axis=0), 0, atol=1e-6)
        apart = np.linalg.norm(points[:, None] - points, axis=-1) + 9 * np.eye(100)
        nearest = np.argsort(apart, axis=1)[:, :10]
        assert (owner[nearest] == owner[:, None]).all()
        assert found.neighbours_kept is not None
        assert 0.3 < found.neighbours_kept <= 1.0

    def test_it_is_the_same_every_time_and_prints_nothing(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        vectors = blobs(3, 20)
        told: list[tuple[int, int]] = []
        first = lay_out(vectors, lambda *now: told.append(now))
        np.testing.assert_array_equal(first.points, lay_out(vectors).points)
        assert capsys.readouterr() == ("", "")
        assert [done for done, _ in told] == list(range(50, told[-1][0] + 1, 50))
        assert {total for _, total in told} == {layout.ITERATIONS}

    @pytest.mark.parametrize("count", [1, 2, 3, 9, 10, 12])
    @pytest.mark.parametrize("alike", [False, True])
    def test_few_vectors_and_equal_ones_have_places(self, count: int, alike: bool) -> None:  # noqa: FBT001
        vectors = RNG.normal(size=(count, 30)).astype(np.float32)
        if alike:
            vectors[:] = vectors[0]
        found = lay_out(vectors)
        assert found.points.shape == (count, 2)
        assert np.isfinite(found.points).all()
        assert (found.neighbours_kept is None) == (count < 12)

    def test_two_vectors_lie_at_the_ends(self) -> None:
        points = lay_out(np.array([[0, 0, 1], [0, 2, 1]], np.float32)).points
        np.testing.assert_allclose(points, [[-1, 0], [1, 0]], atol=1e-6)

    def test_principal_components_are_those_of_the_decomposition(self) -> None:
        vectors = (RNG.normal(size=(30, 8)) * np.arange(8, 0, -1)).astype(np.float32)
        u, s, _ = np.linalg.svd(vectors.astype(float) - vectors.mean(axis=0, dtype=float))
        found = principal_components(vectors, 5)
        np.testing.assert_allclose(np.abs(found), np.abs(u[:, :5] * s[:5]), rtol=1e-3, atol=1e-4)
        assert principal_components(vectors[:, :1], 5).shape == (30, 2)

    def test_neighbours_are_counted_as_one_would(self) -> None:
        vectors = RNG.normal(size=(40, 6)).astype(np.float32)
        points = RNG.normal(size=(40, 2)).astype(np.float32)

        def nearest(one: NDArray[np.float32]) -> NDArray[np.intp]:
            apart = np.linalg.norm(one[:, None] - one, axis=-1) + 99 * np.eye(40)
            return np.argsort(apart, axis=1)[:, :7]

        pairs = zip(nearest(vectors), nearest(points), strict=True)
        share = np.mean([len(set(a) & set(b)) for a, b in pairs]) / 7
        assert neighbours_kept(vectors, points, 7) == pytest.approx(share)
        assert neighbours_kept(vectors, vectors[:, ::-1], 7) == 1.0
        assert neighbours_kept(vectors[:8], points[:8], 7) is None

    def test_a_sample_is_drawn_only_where_needed_and_always_the_same(self) -> None:
        np.testing.assert_array_equal(sample_rows(7, 7), np.arange(7))
        rows = sample_rows(1000, 100)
        assert len(set(rows.tolist())) == 100
        assert (np.diff(rows) > 0).all()
        assert 0 <= rows.min() < 100
        assert 900 <= rows.max() < 1000
        np.testing.assert_array_equal(rows, sample_rows(1000, 100))


def entry(crystal: Crystal, *, collection: str = "made", number: int = 1) -> Entry:
    return Entry("0" * 20, crystal, (), "X", (), number, "X", 1.0, (Source(collection, "1"),))


class TestColourings:
    def of(self, key: str, entries: list[Entry]) -> dict[str, int]:
        return {one.key: one for one in colourings(entries)}[key].counts

    def test_volume_is_that_of_the_atoms_that_x_rays_see(self) -> None:
        assert volume_per_atom(entry(crystals.ROCK_SALT)) == pytest.approx(5.6402**3 / 8, rel=1e-3)
        hydride = replace(
            crystals.ROCK_SALT,
            species=tuple("H" if one == "Cl" else one for one in crystals.ROCK_SALT.species),
        )
        assert volume_per_atom(entry(hydride)) == pytest.approx(5.6402**3 / 4, rel=1e-3)

    @pytest.mark.parametrize(
        "volume, group",
        [(9.9, "under 10"), (10.1, "10 – 12.5"), (24.9, "20 – 25"), (30.1, "30 and over")],
    )
    def test_volumes_come_in_steps(self, volume: float, group: str) -> None:
        wanted = (8 * volume) ** (1 / 3)
        scaled = replace(crystals.ROCK_SALT, lattice=np.eye(3) * wanted)
        assert self.of("volume", [entry(scaled)]) == {group: 1}

    def test_what_is_rare_shares_a_colour(self) -> None:
        shares = [entry(crystals.ROCK_SALT, collection=f"c{i:02}") for i in range(20)]
        many = [entry(crystals.ROCK_SALT, collection="most")] * 3
        counts = self.of("source", shares + many)
        assert list(counts) == ["most", *(f"c{i:02}" for i in range(SHOWN_GROUPS - 1)), REST]
        assert counts["most"] == 3
        assert counts[REST] == 20 - (SHOWN_GROUPS - 1)
        # One more than there are colours needs no "others".
        assert REST not in self.of("source", shares[: SHOWN_GROUPS + 1])

    def test_groups_and_systems_are_those_of_the_space_group(self) -> None:
        entries = [entry(crystals.ROCK_SALT, number=n) for n in (225, 225, 166, 167, 194, 2)]
        assert self.of("group", entries) == {
            "Fm-3m": 2, "P-1": 1, "P63/mmc": 1, "R-3c": 1, "R-3m": 1,
        }  # fmt: skip
        assert self.of("system", entries) == {
            "triclinic": 1, "trigonal": 2, "hexagonal": 1, "cubic": 2,
        }  # fmt: skip


@pytest.fixture(scope="module")
def drawn(built: Path) -> LibraryMap:
    return draw(Library.open(built), "physical")


def unpack(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), kind)


class TestPage:
    def test_it_loads_nothing(self, drawn: LibraryMap) -> None:
        source = render(drawn)
        assert Page(source).loaded() == []
        assert "url(" not in source

    def test_what_is_drawn_reaches_the_page(self, drawn: LibraryMap) -> None:
        (data,) = Page(render(drawn)).documents
        points = unpack(data["points"], "<f4").reshape(-1, 2)
        np.testing.assert_array_equal(points, drawn.layout.points)
        row = data["sources"].index("rutile.cif rutile")
        assert set(data["sources"]) == {f"{name}.cif {name}" for name in CRYSTALS}
        assert data["names"] == [""] * 6
        assert data["formulas"][row] == "TiO2"
        volumes = unpack(data["volumes"], "<f4")
        assert volumes[row] == pytest.approx(crystals.RUTILE.volume_angstrom3, rel=1e-3)
        symbol = data["symbols"][unpack(data["symbol"], "<u2")[row]]
        assert symbol == "<i>P</i>4<sub>2</sub>/<i>m</i><i>n</i><i>m</i>"
        groups = {
            one["key"]: one["groups"][unpack(one["of"], "<u1")[row]] for one in data["colourings"]
        }
        assert groups["chemistry"] == "oxide or hydroxide"
        assert groups["system"] == "tetragonal"
        assert groups["group"] == symbol
        assert groups["volume"] == "10 – 12.5"

    def test_names_that_only_repeat_the_formula_are_left_out(self, drawn: LibraryMap) -> None:
        named = replace(
            drawn.entries[0],
            names=("TiO2", "Rutile", "rutil", "red schorl", "sagenite"),
            sources=(Source("amcsd", "1"), Source("cod", "2"), Source("cod", "3")),
        )
        (data,) = Page(render(replace(drawn, entries=(named, *drawn.entries[1:])))).documents
        assert data["names"][0] == "Rutile, rutil, red schorl"
        assert data["sources"][0] == "amcsd 1 and 2 more"

    def test_it_says_what_it_shows(self, drawn: LibraryMap) -> None:
        text = " ".join(Page(render(drawn)).text.split())
        assert "all 6 entries" in text
        assert "of channel physical" in text
        assert "Layout principal components" in text
        larger = replace(drawn, total=20_000, layout=Layout(drawn.layout.points, 0.613))
        text = " ".join(Page(render(larger)).text.split())
        assert "a random sample of 6 of 20 000 entries" in text
        assert "61 % are among its 10 nearest here" in text
        assert "perplexity 30" in text

    def test_names_are_text_wherever_they_stand(self, drawn: LibraryMap) -> None:
        bad = '</script><img src=x onerror="alert(1)">'
        first = replace(
            drawn.entries[0], names=(bad,), formula="Na<b>Cl", sources=(Source(bad, bad),)
        )
        entries = (first, *drawn.entries[1:])
        page = Page(render(replace(drawn, entries=entries, colourings=colourings(entries))))
        assert len(page.scripts) == 2
        assert page.loaded() == []
        (data,) = page.documents
        assert data["names"][0] == bad
        assert data["sources"][0] == f"{bad} {bad}"
        (source,) = (one for one in data["colourings"] if one["key"] == "source")
        assert [one for one in source["groups"] if "<" in one] == []

    def test_it_is_written_whole_or_its_place_is_named(
        self, drawn: LibraryMap, tmp_path: Path
    ) -> None:
        write_map(drawn, tmp_path / "new" / "map.html")
        assert Page((tmp_path / "new" / "map.html").read_text("utf-8")).documents
        assert [one.name for one in (tmp_path / "new").iterdir()] == ["map.html"]
        with pytest.raises(BraggleError, match=r"map\.html/map\.html: the map cannot be written"):
            write_map(drawn, tmp_path / "new" / "map.html" / "map.html")

    def test_every_colour_of_the_script_is_in_the_style(self) -> None:
        assets = files("service.map") / "assets"
        style = (assets / "map.css").read_text("utf-8")
        light, dark = style.split("@media screen and (prefers-color-scheme: dark)")[:2]
        wanted = {f"--m{i}" for i in range(12)} | {f"--r{i}" for i in range(8)} | {"--m-rest"}
        for part in (light, dark):
            # The script mixes colours itself and reads six digits.
            assert wanted <= set(re.findall(r"(--[mr][\w-]*): #[0-9a-f]{6};", part))

    def test_style_and_script_stay_small(self) -> None:
        assets = files("service.map") / "assets"
        size = sum(len((assets / name).read_bytes()) for name in ("map.css", "map.js"))
        assert size < 40_000


class TestCommand:
    def test_a_page_and_an_answer(self, braggle: Braggle, tmp_path: Path, built: Path) -> None:
        answer = braggle("library", "map", "--json")
        assert answer.exit_code == 0
        document = json.loads(answer.stdout)
        assert document["library"] == {"path": str(built), "version": 1, "entries": 6}
        assert (document["page"], document["points"], document["sample"]) == ("map.html", 6, False)
        assert document["channel"].split()[0] == "physical"
        assert document["neighbours_kept"] is None
        assert document["groups"]["chemistry"] == {
            "silicate": 1, "oxide or hydroxide": 2, "carbonate or nitrate": 1, "halide": 2,
        }  # fmt: skip
        assert Page((tmp_path / "map.html").read_text("utf-8")).documents

    def test_a_large_library_is_sampled_and_says_so(
        self, braggle: Braggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("service.map.drawing.sample_rows", lambda n: sample_rows(n, 4))
        shown = braggle("library", "map", "--out", "new/page.html")
        assert shown.exit_code == 0
        assert "Map of a sample of 4 of 6 entries" in " ".join(shown.stdout.split())
        (data,) = Page((tmp_path / "new" / "page.html").read_text("utf-8")).documents
        assert len(data["names"]) == 4
        assert json.loads(braggle("library", "map", "--json").stdout)["sample"] is True

    def test_a_channel_that_is_not_there_is_one_line(self, braggle: Braggle) -> None:
        result = braggle("library", "map", "--channel", "guess")
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert "no vectors of channel 'guess'; there are: physical" in line

    def test_progress_is_told(self, built: Path) -> None:
        told: list[str] = []
        draw(Library.open(built), "physical", lambda *now: told.append(now[2]))
        assert told[0] == "reading"
        with pytest.raises(QueryError, match="guess"):
            draw(Library.open(built), "guess")
