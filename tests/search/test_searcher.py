from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.bundled import examples
from data.diffraction import lines_of
from data.errors import QueryError
from data.pattern import Pattern
from data.preparation import prepare
from data.profile import two_theta_deg
from data.radiation import CU_KA, Radiation
from data.reading import read_pattern
from data.record import Record, Source
from indexer import Filters, Library
from indexer.learned import LearnedChannel
from search import Searcher
from search import searcher as searching
from search.fusion import fuse
from search.result import Hit, LookupResult
from search.searcher import LIKELY, FirstStage
from tests.crystals import CALCITE, MOF_5, QUARTZ, RUTILE
from tests.indexer.toy import ToyChannel
from tests.search.made import ABSENT, KNOWN, measured, scaled

STAGES: tuple[FirstStage, ...] = (
    "auto", "exhaustive", "screened", "vectors", "physical", "learned", "atoms"
)  # fmt: skip

AXIS = np.arange(5.0, 90.0, 0.02)


@pytest.fixture(scope="module")
def patterns() -> dict[str, Pattern]:
    return {name: read_pattern(example.path) for name, example in examples().items()}


def everyone(result: LookupResult) -> Iterator[Hit]:
    for hit in result.hits:
        yield hit
        yield from hit.twins


def rows_without(library: Library, *formulas: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    entries = library.entries(range(len(library)))
    return np.array([row for row, entry in enumerate(entries) if entry.formula not in formulas])


def flat(counts: np.ndarray[Any, np.dtype[np.float64]]) -> Pattern:
    return Pattern("two_theta", AXIS, counts, None, CU_KA, "given", "flat.xy")


class TestMeasured:
    @pytest.mark.parametrize("first_stage", STAGES)
    @pytest.mark.parametrize("name", ["PbSO4", "fluorapatite", "NAC"])
    def test_the_crystal_comes_first(
        self, searcher: Searcher, patterns: dict[str, Pattern], name: str, first_stage: FirstStage
    ) -> None:
        result = searcher.lookup(patterns[name], first_stage=first_stage)
        truth = examples()[name].truth.lower()
        best = result.hits[0]
        assert truth in {each.lower() for each in best.names}
        assert result.verdict == "match"
        assert best.confidence > LIKELY
        assert best.fit.rwp_percent < 25.0
        assert best.fit.correlation > 0.95
        assert best.fit.missing_peaks == 0
        assert abs(best.fit.strain_percent) < 0.25
        assert best.fit.matched_peaks > 4 * best.fit.unexplained_peaks
        assert all(hit.fit.rwp_percent > 1.5 * best.fit.rwp_percent for hit in result.hits[5:])

    @pytest.mark.parametrize("name", ["PbSO4", "fluorapatite", "NAC"])
    def test_an_answer_is_whole(
        self, searcher: Searcher, patterns: dict[str, Pattern], name: str
    ) -> None:
        pattern = patterns[name]
        result = searcher.lookup(pattern, top=8, overlays=3)
        assert result.query is pattern
        assert result.background.shape == pattern.x.shape
        assert (result.background <= pattern.counts.max()).all()
        assert set(pattern.warnings) <= set(result.warnings)
        library = searcher.library
        assert result.library_path == str(library.path)
        assert (result.library_version, result.library_entries) == (1, len(library))
        assert result.channels == ("physical", "learned", "atoms")
        assert {
            "preparation",
            "first_stage",
            "fit",
            "final_fit",
            "confidence",
            "rows",
            "humps",
            "total",
        } == set(result.timings_ms)
        assert [hit.rank for hit in result.hits] == list(range(1, 9))
        scores = [hit.score for hit in result.hits]
        # The first is of the likeliest compound, whose entries have their scores together.
        assert scores[1:] == sorted(scores[1:], reverse=True)
        ids = [hit.id for hit in everyone(result)]
        assert len(set(ids)) == len(ids)
        assert sum(hit.confidence for hit in result.hits) <= 1.0 + 1e-9
        for hit in result.hits:
            assert (hit.overlay is not None) == (hit.rank <= 3)
            assert all(twin.rank == hit.rank and twin.overlay is None for twin in hit.twins)
            assert hit.confidence >= sum(twin.confidence for twin in hit.twins)
            entry = library.entry(library.row(hit.id))
            assert (hit.formula, hit.names) == (entry.formula, entry.names)
            assert hit.cell == entry.crystal.cell

    def test_samples_of_one_mineral_share_a_row(
        self, searcher: Searcher, patterns: dict[str, Pattern]
    ) -> None:
        for name, mineral in (("PbSO4", "Anglesite"), ("fluorapatite", "Fluorapatite")):
            best = searcher.lookup(patterns[name]).hits[0]
            assert best.twins
            assert all(mineral in twin.names for twin in best.twins)

    def test_what_lies_beyond_the_lines_is_said_and_left_alone(
        self, searcher: Searcher, patterns: dict[str, Pattern]
    ) -> None:
        """NAC was measured to 0.41 Å; the library's lines end at 1 Å."""
        pattern = patterns["NAC"]
        result = searcher.lookup(pattern, overlays=1)
        assert "Compared up to 23." in result.warnings[-1]
        overlay = result.hits[0].overlay
        assert overlay is not None
        beyond = pattern.x > 24.5
        np.testing.assert_allclose(overlay.calculated[beyond], result.background[beyond])
        assert overlay.ticks_two_theta_deg.max() < 23.9


class TestSimulated:
    @pytest.mark.parametrize("name", KNOWN)
    @pytest.mark.parametrize("first_stage", STAGES)
    def test_each_crystal_is_found(
        self, searcher: Searcher, name: str, first_stage: FirstStage
    ) -> None:
        pattern = measured(KNOWN[name], strain=0.002, zero_shift_deg=0.02)
        result = searcher.lookup(pattern, first_stage=first_stage)
        best = result.hits[0]
        assert name in {each for hit in (best, *best.twins) for each in hit.names}
        assert result.verdict == "match"

    @pytest.mark.parametrize("name", ABSENT)
    def test_a_crystal_that_is_not_there_is_not_claimed(
        self, searcher: Searcher, name: str
    ) -> None:
        result = searcher.lookup(measured(ABSENT[name]))
        assert result.verdict == "no-confident-match"
        assert sum(hit.confidence for hit in result.hits) < LIKELY

    @pytest.mark.parametrize("name", ["quartz", "calcite", "anatase", "rutile"])
    def test_the_verdict_turns_when_the_crystal_is_taken_out(
        self, searcher: Searcher, name: str
    ) -> None:
        formulas = {"SiO2", "CaCO3", "TiO2"}
        pattern = measured(KNOWN[name])
        others = rows_without(searcher.library, *formulas)
        assert searcher.rank(pattern).presence > 0.9
        without = searcher.rank(pattern, rows=others)
        assert without.presence < 0.3
        assert set(without.rows) <= set(others)
        excluded = searcher.lookup(pattern, filters=Filters(exclude={"Si", "Ti", "Ca"}))
        assert excluded.verdict == "no-confident-match"

    def test_two_that_fit_alike_are_ambiguous_or_twins(
        self, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without groups the parts that one crystal's samples have in its confidence show."""
        pattern = read_pattern(examples()["PbSO4"].path)
        ranking = searcher.rank(pattern)
        assert ranking.probability[0] < 0.95
        monkeypatch.setattr(
            searching,
            "group_twins",
            lambda _prepared, lines, _zero: [np.array([row]) for row in range(len(lines))],
        )
        apart = searcher.lookup(pattern)
        assert not any(hit.twins for hit in apart.hits)
        assert apart.hits[0].confidence == pytest.approx(ranking.probability[0])
        # Samples of one species make one match, in however many rows.
        assert ranking.certainty > 1.5 * ranking.probability[0]
        assert apart.verdict == "match"

    @pytest.mark.parametrize(
        "radiation, limits, factor",
        [
            (Radiation.doublet("Mo"), (3.0, 40.0), 0.45),
            (Radiation.doublet("Co"), (6.0, 110.0), 1.2),
            (Radiation.monochromatic(0.4137), (1.5, 24.0), 0.27),
        ],
    )
    @pytest.mark.parametrize("first_stage", STAGES)
    def test_the_wavelength_does_not_matter(
        self,
        searcher: Searcher,
        radiation: Radiation,
        limits: tuple[float, float],
        factor: float,
        first_stage: FirstStage,
    ) -> None:
        width = (0.0, 0.0, (0.1 * factor) ** 2)
        pattern = measured(
            CALCITE,
            radiation,
            two_theta_range_deg=limits,
            step_deg=0.02 * factor,
            caglioti=width,
        )
        result = searcher.lookup(pattern, first_stage=first_stage)
        assert "calcite" in result.hits[0].names
        assert result.verdict == "match"

    def test_a_q_axis_needs_no_wavelength(self, searcher: Searcher) -> None:
        alone = Radiation.monochromatic(1.5406)
        pattern = measured(QUARTZ, alone)
        in_q = Pattern("q", pattern.q_inv_angstrom, pattern.counts, None, None, None, "in Q")
        result = searcher.lookup(in_q)
        assert "quartz" in result.hits[0].names
        assert result.verdict == "match"
        assert result.background.shape == in_q.x.shape

    def test_strain_and_shift_are_reported_in_their_units(self, searcher: Searcher) -> None:
        best = searcher.lookup(measured(QUARTZ, strain=0.005)).hits[0]
        assert best.fit.strain_percent == pytest.approx(0.5, abs=0.1)
        best = searcher.lookup(measured(QUARTZ, zero_shift_deg=0.06)).hits[0]
        assert best.fit.zero_shift_deg == pytest.approx(0.06, abs=0.04)

    def test_the_overlay_lies_on_the_pattern(self, searcher: Searcher) -> None:
        strain = 0.004
        pattern = measured(QUARTZ, strain=strain)
        best = searcher.lookup(pattern).hits[0]
        assert best.overlay is not None
        ticks, hkl = best.overlay.ticks_two_theta_deg, best.overlay.ticks_hkl
        assert hkl.shape == (len(ticks), 3)
        assert ((ticks >= 5.0) & (ticks <= 90.0)).all()
        lines = lines_of(QUARTZ)
        expected = two_theta_deg(lines.inv_d2 / (1 + strain) ** 2, CU_KA.wavelength_angstrom)
        expected = expected[expected < 90.0]
        assert len(ticks) == len(expected)
        np.testing.assert_allclose(ticks, expected, atol=0.04)
        strongest = pattern.counts.argmax()
        nearest = hkl[np.abs(ticks - pattern.x[strongest]).argmin()]
        assert sorted(np.abs(nearest).tolist()) == [0, 1, 1]
        misfit = np.abs(best.overlay.calculated - pattern.counts).sum()
        assert misfit < 0.2 * pattern.counts.sum()

    def test_the_same_question_has_the_same_answer(self, searcher: Searcher) -> None:
        pattern = measured(RUTILE)
        one, other = searcher.lookup(pattern), searcher.lookup(pattern)
        again = Searcher(Library.open(searcher.library.path)).lookup(pattern)
        for result in (other, again):
            assert [(h.id, h.score, h.confidence, h.fit) for h in everyone(result)] == [
                (h.id, h.score, h.confidence, h.fit) for h in everyone(one)
            ]


class TestFilters:
    @pytest.mark.parametrize("first_stage", STAGES)
    @pytest.mark.parametrize(
        "filters",
        [
            Filters(require={"O"}, exclude={"Pb"}),
            Filters(space_group=225),
            Filters(formula="SiO2"),
            Filters(elements="Ti O"),
            Filters(density_g_cm3=(2.0, 4.0), volume_angstrom3=(None, 300.0)),
        ],
    )
    def test_only_what_passes_is_answered(
        self, searcher: Searcher, filters: Filters, first_stage: FirstStage
    ) -> None:
        library = searcher.library
        passed = {library.ids[row] for row in library.select(filters)}
        assert 0 < len(passed) < len(library)
        result = searcher.lookup(measured(QUARTZ), filters=filters, first_stage=first_stage)
        found = {hit.id for hit in everyone(result)}
        assert found <= passed
        assert len(result.hits) == 20 or found == passed
        assert "filters" in result.timings_ms

    def test_they_are_joined_with_rows(self, searcher: Searcher) -> None:
        library = searcher.library
        oxides = library.select(Filters(require={"O"}))
        rows = np.arange(0, len(library), 2)
        ranking = searcher.rank(measured(QUARTZ), filters=Filters(require={"O"}), rows=rows)
        assert sorted(ranking.rows) == sorted(set(oxides) & set(rows))

    def test_the_answer_among_those_that_pass_does_not_change(self, searcher: Searcher) -> None:
        """One entry is fitted alike in whatever company."""
        pattern = measured(QUARTZ)
        whole = searcher.rank(pattern)
        oxides = searcher.rank(pattern, filters=Filters(require={"O"}))
        kept = np.isin(whole.rows, oxides.rows)
        # Further down, more of those that pass are polished and tried with their cells free.
        assert oxides.rows[0] == whole.rows[kept][0]
        assert oxides.fitted.score[0] == pytest.approx(whole.fitted.score[kept][0])
        assert oxides.presence == pytest.approx(whole.presence, abs=0.02)

    def test_one_entry_alone_is_judged_by_its_own_fit(self, searcher: Searcher) -> None:
        right = searcher.rank(measured(CALCITE), filters=Filters(formula="CaCO3"))
        assert right.presence > 0.8
        wrong = searcher.rank(measured(CALCITE), filters=Filters(formula="CsCl"))
        assert wrong.presence < 0.2
        assert searcher.verdict(wrong) == "no-confident-match"
        assert wrong.probability.sum() == pytest.approx(wrong.presence)

    def test_empty_filters_ask_for_nothing(self, searcher: Searcher) -> None:
        result = searcher.lookup(measured(QUARTZ), filters=Filters())
        assert "filters" not in result.timings_ms
        assert "quartz" in result.hits[0].names

    @pytest.mark.parametrize("first_stage", STAGES)
    def test_filters_that_nothing_passes_are_an_error(
        self, searcher: Searcher, first_stage: FirstStage
    ) -> None:
        with pytest.raises(QueryError, match="no entry passes the filters; ask for less"):
            searcher.lookup(
                measured(QUARTZ), filters=Filters(formula="RaXe7"), first_stage=first_stage
            )

    def test_so_are_filters_and_rows_that_exclude_each_other(self, searcher: Searcher) -> None:
        filters = Filters(formula="SiO2")
        others = np.setdiff1d(np.arange(len(searcher.library)), searcher.library.select(filters))
        with pytest.raises(QueryError, match="no entry passes"):
            searcher.rank(measured(QUARTZ), filters=filters, rows=others)


class TestStages:
    def test_auto_goes_by_the_number_of_entries(
        self, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(searching, "SCREENED", 30)
        prepared = searcher.comparable(prepare(measured(QUARTZ)))
        few, many = np.arange(40), np.arange(60)
        deep = {
            kind: [searcher.first_stage(prepared, rows, kind, 60) for rows in (few, many)]
            for kind in ("exhaustive", "learned")
        }
        screened = searcher.first_stage(prepared, many, "screened", 20)

        def auto(rows: np.ndarray[Any, np.dtype[np.int64]]) -> list[int]:
            found: list[int] = searcher.first_stage(prepared, rows, "auto", 20).tolist()
            return found

        every = [fuse([deep["exhaustive"][i], deep["learned"][i]], 20).tolist() for i in (0, 1)]
        assert [auto(few), auto(many)] == every
        monkeypatch.setattr(searching, "EXHAUSTIVE_UP_TO", 50)
        assert auto(few) == every[0]
        assert auto(many) == screened.tolist() != every[1]

    def test_screened_entries_are_the_near_ones_in_both_orders(
        self, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(searching, "SCREENED", 30)
        prepared = searcher.comparable(prepare(measured(QUARTZ)))
        near = searcher.first_stage(prepared, None, "learned", 30)
        found = searcher.first_stage(prepared, None, "screened", 25)
        assert set(found) <= set(near)
        by_lines = searcher.first_stage(prepared, np.sort(near), "exhaustive", 30)
        assert found.tolist() == fuse([near, by_lines], 25).tolist()

    def test_every_kind_has_an_order_of_its_own(
        self, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(searching, "SCREENED", 30)
        prepared = searcher.comparable(prepare(measured(QUARTZ)))
        rows = np.arange(60)
        by_kind = {kind: searcher.first_stage(prepared, rows, kind, 20) for kind in STAGES}
        assert len({tuple(order.tolist()) for order in by_kind.values()}) == len(STAGES)

    @pytest.mark.parametrize("first_stage", STAGES)
    @pytest.mark.parametrize("name", KNOWN)
    def test_a_short_list_holds_the_crystal(
        self, searcher: Searcher, name: str, first_stage: FirstStage
    ) -> None:
        ranking = searcher.rank(measured(KNOWN[name]), first_stage=first_stage, shortlist=10)
        assert len(ranking.rows) == len(ranking.fitted) == len(ranking.probability) == 10
        assert name in {
            each for entry in searcher.library.entries(ranking.rows[:3]) for each in entry.names
        }
        assert (np.diff(ranking.fitted.score[1:]) <= 0).all()
        assert ranking.probability.sum() == pytest.approx(ranking.presence)

    def test_vectors_of_a_library_without_them_are_an_error(self, tmp_path: Path) -> None:
        records = [
            Record(crystal, (name,), Source("literal", name)) for name, crystal in KNOWN.items()
        ]
        library = Library.build(records, tmp_path / "toy", channels=[ToyChannel()], workers=1)
        searcher = Searcher(library)
        assert "quartz" in searcher.lookup(measured(QUARTZ)).hits[0].names
        for kind, channel in (("vectors", "physical"), ("physical", "physical"), ("learned",) * 2):
            with pytest.raises(QueryError, match=f"no vectors of the channel {channel} as it is"):
                searcher.lookup(measured(QUARTZ), first_stage=kind)  # type: ignore[arg-type]

    def test_vectors_of_another_make_are_not_used_and_said_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        records = [
            Record(crystal, (name,), Source("literal", name)) for name, crystal in KNOWN.items()
        ]
        library = Library.build(records, tmp_path / "old", workers=1)
        monkeypatch.setattr(LearnedChannel, "version", "0 and a half")
        old = Searcher(library)
        assert list(old.channels) == ["physical", "atoms"]
        result = old.lookup(measured(QUARTZ))
        assert "quartz" in result.hits[0].names
        assert any("channel learned are of another make" in warning for warning in result.warnings)
        renewed = Searcher(library.add([]))
        assert list(renewed.channels) == ["physical", "learned", "atoms"]
        assert not any("make" in one for one in renewed.lookup(measured(QUARTZ)).warnings)


class TestAmounts:
    @pytest.mark.parametrize("top, overlays", [(1, 0), (1, 5), (4, 2), (12, 12)])
    def test_as_many_rows_and_curves_as_asked_for(
        self, searcher: Searcher, top: int, overlays: int
    ) -> None:
        result = searcher.lookup(measured(QUARTZ), top=top, overlays=overlays)
        assert len(result.hits) == top
        drawn = [hit.overlay is not None for hit in result.hits]
        assert drawn == [rank < overlays for rank in range(top)]

    def test_no_more_than_there_are(self, searcher: Searcher) -> None:
        result = searcher.lookup(measured(QUARTZ), top=10_000)
        assert len(list(everyone(result))) == len(searcher.library)

    @pytest.mark.parametrize("top", [0, -3])
    def test_no_rows_at_all_are_an_error(self, searcher: Searcher, top: int) -> None:
        with pytest.raises(QueryError, match=rf"{top} rows .* at least 1"):
            searcher.lookup(measured(QUARTZ), top=top)


class TestBadInput:
    @pytest.mark.parametrize("first_stage", STAGES)
    def test_a_pattern_without_peaks(self, searcher: Searcher, first_stage: FirstStage) -> None:
        noise = np.random.default_rng(0).poisson(100.0, len(AXIS)).astype(np.float64)
        for counts in (np.full(len(AXIS), 100.0), noise, 1e4 * np.exp(-AXIS / 30)):
            with pytest.raises(QueryError, match=r"flat\.xy: no peak stands out of the noise"):
                searcher.lookup(flat(counts), first_stage=first_stage)

    def test_peaks_only_where_the_library_has_no_lines(self, searcher: Searcher) -> None:
        pattern = measured(QUARTZ, Radiation.monochromatic(0.4), two_theta_range_deg=(25.0, 60.0))
        with pytest.raises(QueryError, match=r"no peak lies at a d above 1\.0\d Å"):
            searcher.lookup(pattern)

    def test_a_wrong_wavelength_finds_nothing(self, searcher: Searcher) -> None:
        pattern = measured(QUARTZ, Radiation.doublet("Mo"), two_theta_range_deg=(3.0, 40.0))
        assert searcher.lookup(replace(pattern, radiation=CU_KA)).verdict != "match"

    def test_few_peaks_are_pointed_out(self, searcher: Searcher) -> None:
        few = searcher.lookup(measured(RUTILE, two_theta_range_deg=(20.0, 40.0)))
        assert any("peaks stand out of the noise: many crystals fit" in w for w in few.warnings)
        many = searcher.lookup(measured(RUTILE))
        assert not any("many crystals fit" in warning for warning in many.warnings)

    def test_a_pattern_of_few_points_and_broad_peaks(self, searcher: Searcher) -> None:
        pattern = measured(QUARTZ, step_deg=0.5, caglioti=(0.0, 0.0, 1.0))
        result = searcher.lookup(pattern)
        assert all(np.isfinite(hit.fit.rwp_percent) for hit in everyone(result))

    def test_a_large_cell_of_large_d_is_no_obstacle(self, searcher: Searcher) -> None:
        pattern = measured(scaled(MOF_5, 1.0), two_theta_range_deg=(4.0, 50.0))
        result = searcher.lookup(pattern)
        assert result.verdict == "no-confident-match"


def test_a_large_library_is_searched_without_holding_its_lines(
    monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    held = Searcher(library)
    monkeypatch.setattr("indexer.snapshot.LINES_HELD", 10)
    monkeypatch.setattr("search.searcher.READ_UP_TO", 10)
    read = Searcher(Library.open(library.path))
    read.warm()
    pattern = measured(QUARTZ)
    one, other = (each.lookup(pattern, first_stage="screened") for each in (held, read))
    assert [hit.id for hit in one.hits] == [hit.id for hit in other.hits]
    assert [hit.score for hit in one.hits] == pytest.approx([hit.score for hit in other.hits])
    assert read.lookup(pattern).hits[0].id == other.hits[0].id
    rows = np.arange(0, len(library), 2)
    few = read.rank(pattern, rows=rows[:8], first_stage="exhaustive")
    assert set(few.rows) <= set(rows[:8])
    assert not {"lines", "ids"} & set(vars(read.library))
