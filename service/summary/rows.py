"""What the table of a batch says of one sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.pattern import Pattern
from search.result import Hit
from service.batch import Outcome
from service.words import VERDICTS, phase_name

SPARK_WIDTH = 180
"""Columns of a thumbnail."""

COLUMNS = (
    "file",
    "verdict",
    "phase",
    "formula",
    "space_group",
    "id",
    "confidence",
    "rwp_percent",
    "strain_percent",
    "zero_shift_deg",
    "alike",
    "second_phase",
    "second_formula",
    "second_id",
    "second_confidence",
    "wavelength_angstrom",
    "wavelength_source",
    "warnings",
    "error",
)
"""Columns of the CSV. Å and degrees as their names say; confidences from 0 to 1; `alike` counts
further entries that the pattern cannot tell from the first."""


@dataclass(frozen=True, eq=False)
class Spark:
    """A pattern and what the best hit calculates, small: heights from 0 to 1, on a root scale.

    Attributes:
        low, high: of the measured counts that share a column. Shape (SPARK_WIDTH,).
        calculated: the highest calculated count of a column; None without a hit to draw.
            Shape (SPARK_WIDTH,).
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    calculated: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class SummaryRow:
    """One sample.

    Attributes:
        file: as it was named.
        verdict: of `VERDICTS`, or "failed".
        best, second: the first two rows of the answer.
        wavelength_angstrom, wavelength_source: of the pattern.
        warnings: one sentence each.
        error: why there is no answer; "" when there is one.
        spark: the thumbnail.
    """

    file: str
    verdict: str
    best: Hit | None = None
    second: Hit | None = None
    wavelength_angstrom: float | None = None
    wavelength_source: str | None = None
    warnings: tuple[str, ...] = ()
    error: str = ""
    spark: Spark | None = None

    @property
    def verdict_words(self) -> str:
        """The verdict as the report says it."""
        return VERDICTS.get(self.verdict, "Failed")

    def values(self) -> dict[str, Any]:
        """What stands in each of `COLUMNS`; None where there is nothing to say."""
        best, second = self.best, self.second
        values: dict[str, Any] = dict.fromkeys(COLUMNS)
        values |= {
            "file": self.file,
            "verdict": self.verdict,
            "wavelength_angstrom": self.wavelength_angstrom,
            "wavelength_source": self.wavelength_source,
            "warnings": " ".join(self.warnings) or None,
            "error": self.error or None,
        }
        if best is not None:
            values |= {
                "phase": phase_name(best),
                "formula": best.formula,
                "space_group": best.space_group,
                "id": best.id,
                "confidence": round(best.confidence, 4),
                "rwp_percent": round(best.fit.rwp_percent, 3),
                "strain_percent": round(best.fit.strain_percent, 4),
                "zero_shift_deg": round(best.fit.zero_shift_deg, 5),
                "alike": len(best.twins),
            }
        if second is not None:
            values |= {
                "second_phase": phase_name(second),
                "second_formula": second.formula,
                "second_id": second.id,
                "second_confidence": round(second.confidence, 4),
            }
        return values


def row_of(outcome: Outcome) -> SummaryRow:
    """The row of one sample; the curves of the answer are let go."""
    result = outcome.result
    if result is None:
        return SummaryRow(outcome.file, "failed", error=outcome.message)
    pattern = result.query
    hits = result.hits
    radiation = pattern.radiation
    return SummaryRow(
        file=outcome.file,
        verdict=result.verdict,
        best=_light(hits[0]) if hits else None,
        second=_light(hits[1]) if len(hits) > 1 else None,
        wavelength_angstrom=radiation.wavelength_angstrom if radiation else None,
        wavelength_source=pattern.wavelength_source,
        warnings=result.warnings,
        spark=_spark(pattern, hits[0] if hits else None),
    )


def _light(hit: Hit) -> Hit:
    return replace(hit, overlay=None)


def _spark(pattern: Pattern, hit: Hit | None) -> Spark:
    x = pattern.q_inv_angstrom
    column = np.minimum(((x - x[0]) / (x[-1] - x[0]) * SPARK_WIDTH).astype(int), SPARK_WIDTH - 1)
    floor = float(np.quantile(pattern.counts, 0.02))
    top = max(float(pattern.counts.max()) - floor, 1e-12)

    def height(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(np.clip((counts - floor) / top, 0.0, 1.0)))

    calculated = None
    if hit is not None and hit.overlay is not None:
        calculated = _filled(_extreme(np.maximum, height(hit.overlay.calculated), column))
    measured = height(pattern.counts)
    return Spark(
        low=_filled(_extreme(np.minimum, measured, column)),
        high=_filled(_extreme(np.maximum, measured, column)),
        calculated=calculated,
    )


def _extreme(
    choose: np.ufunc, values: NDArray[np.float64], column: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The lowest or highest value of each column; NaN where it has none. Shape (SPARK_WIDTH,)."""
    chosen = np.full(SPARK_WIDTH, np.inf if choose is np.minimum else -np.inf)
    choose.at(chosen, column, values)
    chosen[~np.isfinite(chosen)] = np.nan
    return chosen


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns without points take what lies between their neighbours."""
    known = np.flatnonzero(np.isfinite(values))
    return np.interp(np.arange(len(values)), known, values[known])
