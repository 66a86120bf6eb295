"""`braggle bench sheets`: held-out sheets found by their patterns, beside what learned nothing.

A tenth of the sheets was held out of training at random, and a tenth of the compositions whole.
Their patterns are computed, of the ideal sheet, of a snapshot with its atoms in motion, and of the
snapshot as a laboratory measures it, its net strained. They go through the preparation that
measured patterns go through, and are sought among the held-out sheets of their part, as Fu et al.
(Commun. Phys. 8 (2025) 221) do, and among all sheets of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from data.crystal import Crystal
from data.errors import BraggleError, PatternError
from data.formula import reduced_formula
from data.lines import Lines, LinesTable
from data.measured_like import Diffractometer, measured_like
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from data.profile import simulate
from data.radiation import Radiation
from data.record import Record
from data.sheet_diffraction import sheet_lines
from data.thermal import CELLS, snapshot_lines
from indexer.physical import PhysicalChannel
from indexer.sheets.axes import AT_RANDOM, BY_COMPOSITION
from indexer.sheets.channel import shipped_towers, vectors_of
from indexer.sheets.inference import NumpyTowers
from indexer.sheets.packing import part_of, sheets_in
from indexer.sheets.tokens import geometry_of, texture_of
from search.first_stage import StickIndex
from service.bench.masked_cosine import MaskedCosine
from service.bench.provenance import provenance

HITS = (1, 3, 5, 10)
PARTS = {"at random": AT_RANDOM, "by composition": BY_COMPOSITION}
STRAIN = 0.01
LABORATORY = Diffractometer(strain=0.0, zero_shift_deg=0.02, displacement_deg=0.0, texture=0.0)
"""As for powders, but that the net is strained evenly, and all of a flake's rods are measured."""
UNPERTURBED, PERTURBED, MEASURED = "unperturbed", "perturbed", "as measured"
CONDITIONS = {
    UNPERTURBED: "the ideal sheet",
    PERTURBED: f"snapshot of {CELLS[0]} x {CELLS[1]} cells at room temperature",
    MEASURED: f"the snapshot, its net strained by up to {100 * STRAIN:g} %, in a laboratory",
}
HELD_OUT, ALL = "held out", "all sheets"
LEARNED, PHYSICAL, EVERY = "2d", "physical", "every sheet"
COSINE, STRAINED = "masked cosine", "masked cosine, strains to 1 %"
RANKED = (LEARNED, PHYSICAL, EVERY, COSINE, STRAINED)
STRAINS = np.linspace(-0.01, 0.01, 11).tolist()
"""That the control tries where it is told how far nets may be off."""
PAPER = {
    "unperturbed": {"hit@1": 0.62, "hit@3": 0.92, "hit@5": 0.95, "hit@10": 0.99},
    "perturbed": {"hit@1": 0.55, "hit@3": 0.83, "hit@5": 0.94, "hit@10": 0.99},
}
"""On other sheets (7,951 of C2DB, 796 of them for the test), with other perturbations."""
AXIS_DEG = np.arange(5.0, 100.0, 0.02)
FWHM_DEG = 0.1
HIGHEST, BACKGROUND = 1e5, 20.0
WAVELENGTH = "CuKa1"
SEED = 3

Advance = Callable[[int, int | None, str], None]


@dataclass(frozen=True, eq=False)
class _Known:
    """Everything that queries are compared with."""

    towers: NumpyTowers
    vectors: NDArray[np.float32]
    channel: PhysicalChannel
    physical: NDArray[np.float32]
    sticks: StickIndex
    cosine: MaskedCosine

    def scores(self, prepared: Prepared) -> dict[str, NDArray[np.float32]]:
        """Of each sheet, by what ranks. Shape (N,) each."""
        question = self.towers.patterns([texture_of(prepared)]).vectors[0]
        questions = self.channel.embed_pattern(prepared)
        return {
            LEARNED: self.vectors @ question,
            PHYSICAL: (self.physical @ questions.T).max(axis=1),
            EVERY: self.sticks.correlate(prepared),
            COSINE: self.cosine.scores(prepared.pattern),
            STRAINED: self.cosine.scores(prepared.pattern, STRAINS),
        }


class _Ranks:
    """Ranks of the right sheets, by condition, what ranks, and among what."""

    def __init__(self, *, everything: bool) -> None:
        self._everything = everything
        self._by: dict[str, dict[str, dict[str, list[float]]]] = {}

    def note(
        self,
        condition: str,
        scores: dict[str, NDArray[np.float32]],
        own: NDArray[np.int64],
        row: int,
    ) -> None:
        """Add a query for the sheet of a row, held out with those of the rows `own`."""
        for ranked, score in scores.items():
            at = self._by.setdefault(condition, {}).setdefault(ranked, {})
            at.setdefault(HELD_OUT, []).append(_rank(score[own], float(score[row])))
            if self._everything:
                at.setdefault(ALL, []).append(_rank(score, float(score[row])))

    def table(self) -> dict[str, Any]:
        """Shares with the right sheet among the first so many."""
        return {
            condition: {
                ranked: {among: _hits(ranks) for among, ranks in at.items()}
                for ranked, at in by.items()
            }
            for condition, by in self._by.items()
        }


def bench_sheets(
    sheets: str,
    *,
    weights: Path | None = None,
    queries: int | None = None,
    everything: bool = False,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """How often the pattern of a held-out sheet finds it, by part, condition and what ranks.

    Args:
        sheets: file that was trained on, as `indexer.sheets.making` writes it.
        weights: of the towers; those that come with Braggle when not given.
        queries: so many of each part, evenly spread; all when None.
        everything: seek among all sheets of the file, too.
        advance: called with done, total and the stage.

    Raises:
        BraggleError: the file is no file of sheets, or the weights are none.
    """
    report = advance or _silent
    towers = shipped_towers() if weights is None else _towers(weights)
    report(0, None, "sheets")
    records = list(sheets_in(sheets, among=None if everything else _is_held_out))
    parts = np.array([_part(one) for one in records])
    if not {*PARTS.values()} <= set(parts.tolist()):
        raise BraggleError(f"{sheets}: too few sheets for a tenth to be held out; make more")
    lines = [sheet_lines(one.crystal, floor=1e-4) for one in records]
    known = _known(records, lines, towers, report)
    rng = np.random.default_rng(SEED)
    radiation = Radiation.parse(WAVELENGTH)
    result: dict[str, Any] = {}
    for name, part in PARTS.items():
        own = np.flatnonzero(parts == part)
        asked = own if queries is None else own[_spread(len(own), queries)]
        ranks = _Ranks(everything=everything)
        for done, row in enumerate(asked.tolist()):
            report(done, len(asked), name)
            patterns = _patterns(records[row].crystal, lines[row], radiation, rng)
            for condition, pattern in patterns.items():
                try:
                    scores = known.scores(prepare(pattern))
                except PatternError:
                    scores = {one: np.zeros(len(records), np.float32) for one in RANKED}
                ranks.note(condition, scores, own, row)
        result[name] = {"queries": len(asked), "held_out": len(own), **ranks.table()}
    report(1, 1, "sheets")
    return {
        "benchmark": "sheets",
        "sheets": len(records) if everything else None,
        "conditions": CONDITIONS,
        "parts": result,
        "paper": PAPER,
        **provenance(),
    }


def _part(record: Record) -> int:
    return part_of(reduced_formula(record.crystal.composition), record.source.identifier)


def _is_held_out(record: Record) -> bool:
    return _part(record) in PARTS.values()


def _known(
    records: Sequence[Record], lines: Sequence[Lines], towers: NumpyTowers, report: Advance
) -> _Known:
    report(0, None, "vectors of sheets")
    table = LinesTable.of(lines)
    channel = PhysicalChannel()
    return _Known(
        towers,
        vectors_of(towers, [geometry_of(one.crystal) for one in records]),
        channel,
        channel.embed_lines(table),
        StickIndex.of(table),
        MaskedCosine(table, Radiation.parse(WAVELENGTH)),
    )


def _towers(path: Path) -> NumpyTowers:
    try:
        return NumpyTowers.load(path)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise BraggleError(
            f"{path}: holds no towers over sheets ({error}); name an encoder.safetensors that "
            "`braggle train encoder --kind 2d` wrote"
        ) from None


def _patterns(
    sheet: Crystal, lines: Lines, radiation: Radiation, rng: np.random.Generator
) -> dict[str, Pattern]:
    """Of each condition."""
    moved = snapshot_lines(sheet, rng)
    return {
        UNPERTURBED: _pattern(lines, radiation),
        PERTURBED: _pattern(moved, radiation),
        MEASURED: _as_measured(sheet, moved, radiation, rng),
    }


def _as_measured(
    sheet: Crystal, lines: Lines, radiation: Radiation, rng: np.random.Generator
) -> Pattern:
    stretch = 1 + rng.uniform(-STRAIN, STRAIN)
    strained = replace(sheet, lattice=sheet.lattice * np.array([[stretch], [stretch], [1.0]]))
    return measured_like(
        strained,
        lines,
        np.eye(3, dtype=np.int64)[None],
        rng,
        diffractometer=LABORATORY,
        radiation=radiation,
        name="sheet as measured",
    )


def _pattern(lines: Lines, radiation: Radiation) -> Pattern:
    profile = simulate(
        lines, radiation, two_theta_deg=AXIS_DEG, caglioti=(0.0, 0.0, FWHM_DEG**2), eta=0.5
    )
    counts = HIGHEST * profile / (profile.max() or 1.0) + BACKGROUND
    return Pattern("two_theta", AXIS_DEG, counts, None, radiation, "given", "simulated sheet")


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).astype(np.int64))


def _rank(scores: NDArray[np.float32], own: float) -> float:
    """From 0; of those that score the same, half are taken to come before."""
    equal = float((scores == own).sum() - 1)
    return float((scores > own).sum()) + max(equal, 0.0) / 2


def _hits(ranks: list[float]) -> dict[str, float]:
    return {f"hit@{k}": round(float((np.array(ranks) < k).mean()), 4) for k in HITS}


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
