"""A pattern in, ranked hits out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import QueryError
from data.lines import Lines
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from indexer.catalogue import Filters
from indexer.entry import Entry
from indexer.library import Library
from indexer.physical import PhysicalChannel
from indexer.profiles import SHEETS, Profile, channels_of, learned_of
from search.cautions import cautions
from search.cell_fit import CellFit
from search.final_fit import FinalFit, final_fit
from search.first_stage import FUSED_DEPTH, SCREENED, StickIndex, screened
from search.fitted import Fitted, fit_rows, settle
from search.free_cell import deformation, lines_in
from search.fusion import fuse
from search.kin import kin_of_first
from search.mixture.entries import Entries
from search.mixture.naming import MOST_PHASES, name_mixtures
from search.overlay import humps_on_axis, on_axis, overlay
from search.profile_fit import STRAIN_LIMIT
from search.ranking import Ranker, presence_features, shares
from search.result import Fit, Hit, LookupResult, Mixture, Verdict
from search.twins import group_twins

FirstStage = Literal[
    "auto", "exhaustive", "screened", "vectors", "physical", "learned", "atoms", "2d"
]

EXHAUSTIVE_UP_TO = 60_000
"""Entries up to which comparing each one takes about 100 ms on two cores."""

READ_UP_TO = 10_000
"""The same where lines are read from the disk as they are asked for."""

SHORTLIST = 200
"""Entries that the first stage hands to the fit."""

UNCALIBRATED = (
    "the library is of sheets: lines in the plane were compared, and confidences were calibrated "
    "on powders, not on sheets"
)

LIKELY = 0.5
"""Probability from which the sample is said to be in the library."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The fitted entries of one query, best first.

    Attributes:
        whole: the query.
        prepared: what of it was compared.
        fitted: the entries.
        finals: last fits of the first of them.
        presence: probability that the sample is among the entries at all.
        probability: that the entry is the sample; they sum to `presence`. Shape (n,).
        certainty: probability that the sample is of the first entry's species.
        timings_ms: by stage.
    """

    whole: Prepared
    prepared: Prepared
    fitted: Fitted
    finals: tuple[CellFit, ...]
    presence: float
    probability: NDArray[np.float64]
    certainty: float
    timings_ms: dict[str, float]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Of the entries in the library. Shape (n,)."""
        return self.fitted.rows


class Searcher:
    """Looks patterns up in one published version of a library."""

    def __init__(self, library: Library, *, ranker: Ranker | None = None) -> None:
        self.library = library
        self.ranker = ranker or Ranker.shipped()
        self.channels = {
            channel.id: channel
            for channel in channels_of(library.profile)
            if library.holds(channel)
        }
        self.learned = learned_of(library.profile)
        self.fused = (PhysicalChannel.id, self.learned)
        """Channels whose lists are made one."""

    @cached_property
    def sticks(self) -> StickIndex:
        """The library's lines as the exhaustive first stage reads them."""
        return StickIndex.of(self.library.lines)

    def lookup(
        self,
        pattern: Pattern,
        *,
        filters: Filters | None = None,
        top: int = 20,
        first_stage: FirstStage = "auto",
        overlays: int = 5,
        phases: int = 1,
        profile: Profile | None = None,
    ) -> LookupResult:
        """Name the phase of a pattern.

        Args:
            pattern: as read.
            filters: what else is known of the sample.
            top: rows to answer with; entries that the pattern cannot tell apart share one.
            first_stage: "exhaustive" compares every entry's lines; "physical", "learned" and
                "atoms" ask the index of that channel, "vectors" those of the first two, and
                "2d" that of a library of sheets, whose learned channel it is;
                "screened" asks the learned channel for a thousand and compares their lines;
                "auto" joins "exhaustive" and "learned", and where entries are very many takes
                "screened".
            overlays: rows that come with curves to draw.
            phases: most phases that the sample may have; with more than one the answer has
                mixtures, too.
            profile: what the library has to be of; whatever it is when None.

        Raises:
            QueryError: no entry passes the filters, the pattern shows no peaks where the
                library has lines, no row is asked for, a number of phases that is not tried, or
                a library of another profile.
            PatternError: the pattern cannot be prepared.
        """
        if top < 1:
            raise QueryError(f"{top} rows are no answer; ask for at least 1")
        if not 1 <= phases <= MOST_PHASES:
            raise QueryError(f"{phases} phases are not tried; ask for 1 to {MOST_PHASES}")
        require_profile(self.library, profile)
        ranking = self.rank(pattern, filters=filters, first_stage=first_stage)
        whole, prepared, timings = ranking.whole, ranking.prepared, dict(ranking.timings_ms)
        start = perf_counter()
        # Twins share a row, so more entries than rows are looked at.
        seen = np.arange(min(len(ranking.rows), 2 * top + 20))
        fitted = ranking.fitted.take(seen)
        lines = lines_in(self.library.lines_of(fitted.rows), fitted.lattices)
        groups = group_twins(prepared, lines, fitted.fits.zero_shift_deg)[:top]
        listed = np.concatenate(groups)
        entries = dict(
            zip(listed.tolist(), self.library.entries(ranking.rows[listed]), strict=True)
        )
        hits = []
        for rank, group in enumerate(groups, start=1):
            members = [
                self._hit(
                    rank,
                    entries[i],
                    ranking,
                    i,
                    lines[i],
                    draw=rank <= overlays and not order,
                )
                for order, i in enumerate(group.tolist())
            ]
            confidence = float(ranking.probability[group].sum())
            hits.append(replace(members[0], confidence=confidence, twins=tuple(members[1:])))
        timings["rows"] = 1e3 * (perf_counter() - start)
        mixtures: tuple[Mixture, ...] = ()
        if phases > 1:
            start = perf_counter()
            mixtures = self.mixtures(ranking, filters, phases)
            timings["mixtures"] = 1e3 * (perf_counter() - start)
        start = perf_counter()
        humps = humps_on_axis(whole)
        timings["humps"] = 1e3 * (perf_counter() - start)
        timings["total"] = sum(timings.values())
        return LookupResult(
            query=pattern,
            background=on_axis(whole, whole.background),
            warnings=(
                *pattern.warnings,
                *self.library.warnings,
                *self._stale(),
                *cautions(whole, prepared, humps),
                *((UNCALIBRATED,) if self.library.profile == SHEETS else ()),
            ),
            library_path=str(self.library.path),
            library_version=self.library.version,
            library_entries=len(self.library),
            channels=tuple(stamp.id for stamp in self.library.channels),
            verdict=self.verdict(ranking),
            presence=ranking.presence,
            hits=tuple(hits),
            timings_ms={stage: round(ms, 2) for stage, ms in timings.items()},
            mixtures=mixtures,
            humps=humps,
        )

    def mixtures(
        self, ranking: Ranking, filters: Filters | None, phases: int
    ) -> tuple[Mixture, ...]:
        """Sets of up to so many phases, best first.

        Args:
            ranking: of the same query under the same filters.
            filters: what else is known of the sample.
            phases: most of them, from 1 to `MOST_PHASES`.
        """
        entries = self.entries(filters)
        return name_mixtures(ranking.whole, ranking.prepared, entries, ranking.rows, phases)

    def entries(self, filters: Filters | None, rows: NDArray[np.int64] | None = None) -> Entries:
        """What of the library may be a phase of a mixture; arguments as for `rank`."""
        rows = self._allowed(filters, rows)
        # Vectors are of whole patterns; lines are compared wherever there is time for all.
        kind: FirstStage = "exhaustive" if self._compares_all(rows) else "auto"
        return Entries(
            self.library,
            lambda prepared, count: self.first_stage(prepared, rows, kind, count),
            frozenset(filters.elements) if filters else frozenset(),
        )

    def rank(
        self,
        pattern: Pattern,
        *,
        filters: Filters | None = None,
        rows: NDArray[np.int64] | None = None,
        first_stage: FirstStage = "auto",
        shortlist: int = SHORTLIST,
    ) -> Ranking:
        """Find, fit and order the entries of a pattern.

        Args:
            pattern: as read.
            filters: what else is known of the sample.
            rows: entries to look among, joined with the filters; all when None.
            first_stage: as for `lookup`.
            shortlist: entries that are fitted.

        Raises:
            QueryError: as for `lookup`.
            PatternError: as for `lookup`.
        """
        timings: dict[str, float] = {}
        start = perf_counter()
        rows = self._allowed(filters, rows)
        if filters:
            timings["filters"] = 1e3 * (perf_counter() - start)
        if rows is not None and len(rows) == 0:
            raise QueryError(f"{self.library.path}: no entry passes the filters; ask for less")
        start = perf_counter()
        whole = prepare(pattern)
        prepared = self.comparable(whole)
        timings["preparation"] = 1e3 * (perf_counter() - start)
        start = perf_counter()
        found = self.first_stage(prepared, rows, first_stage, shortlist)
        timings["first_stage"] = 1e3 * (perf_counter() - start)
        start = perf_counter()
        fitted = fit_rows(prepared, self.library, found, self.ranker)
        fitted = fitted.take(np.argsort(-fitted.score, kind="stable"))
        timings["fit"] = 1e3 * (perf_counter() - start)
        start = perf_counter()
        fitted, finals = settle(prepared, self.library, fitted, self.ranker)
        timings["final_fit"] = 1e3 * (perf_counter() - start)
        start = perf_counter()
        kin, share = kin_of_first(self.library, fitted.rows), shares(fitted.score)
        seen = presence_features(
            finals[0],
            self.library.lattices[fitted.rows[0]],
            int(self.library.space_group_numbers[fitted.rows[0]]),
            fitted.score,
            kin,
            len(prepared.peaks),
        )
        presence = self.ranker.presence_probability(seen)
        timings["confidence"] = 1e3 * (perf_counter() - start)
        return Ranking(
            whole=whole,
            prepared=prepared,
            fitted=fitted,
            finals=finals,
            presence=presence,
            probability=presence * share,
            certainty=presence * float(share[kin].sum()),
            timings_ms=timings,
        )

    def _allowed(
        self, filters: Filters | None, rows: NDArray[np.int64] | None
    ) -> NDArray[np.int64] | None:
        if not filters:
            return rows
        passed = self.library.select(filters)
        return passed if rows is None else np.intersect1d(rows, passed)

    def comparable(self, whole: Prepared) -> Prepared:
        """What of a query may be compared: the library's lines end at its smallest d.

        Raises:
            QueryError: there is no peak in it.
        """
        reach = 2 * np.pi / self.library.d_min_angstrom / (1 + STRAIN_LIMIT)
        prepared = whole.up_to(reach)
        name = whole.pattern.name
        if len(whole.peaks) == 0:
            raise QueryError(
                f"{name}: no peak stands out of the noise; measure longer, or check that "
                "the file holds counts against angle"
            )
        if len(prepared.peaks) == 0:
            raise QueryError(
                f"{name}: no peak lies at a d above {2 * np.pi / reach:.2f} Å, where the library "
                "has lines; measure at smaller angles, or check the wavelength"
            )
        return prepared

    def first_stage(
        self,
        prepared: Prepared,
        rows: NDArray[np.int64] | None,
        kind: FirstStage,
        count: int,
    ) -> NDArray[np.int64]:
        """The rows that the first stage thinks nearest, best first. Shape (≤ count,).

        Raises:
            QueryError: a channel is asked for whose vectors the library does not have.
        """
        names = self._parts(kind, rows)
        if names == ("screened",):
            near = self._order(self.learned, prepared, rows, max(count, SCREENED))
            sticks = StickIndex.of(self.library.lines_of(near))
            return screened(sticks, prepared, near, count)
        depth = count if len(names) == 1 else max(count, FUSED_DEPTH)
        return fuse([self._order(name, prepared, rows, depth) for name in names], count)

    def warm(self) -> None:
        """Read what the first look-up would otherwise wait for."""
        if self.library.holds_lines:
            _ = self.sticks
        wanted = self._parts("auto", None)
        for name in self.fused if wanted != ("screened",) else (self.learned,):
            if name in self.channels:
                self.library.load(name)
        _ = self.library.lattices, self.library.space_group_numbers, self.library.volumes

    def _compares_all(self, rows: NDArray[np.int64] | None) -> bool:
        """Whether the lines of all entries that are asked for are compared."""
        entries = len(self.library) if rows is None else len(rows)
        return entries <= (EXHAUSTIVE_UP_TO if self.library.holds_lines else READ_UP_TO)

    def _parts(self, kind: FirstStage, rows: NDArray[np.int64] | None) -> tuple[str, ...]:
        """What a first stage is made of."""
        fused = tuple(name for name in self.fused if name in self.channels)
        if kind == "vectors":
            return fused or self.fused[:1]
        if kind != "auto":
            return (kind,)
        if not self._compares_all(rows) and fused:
            return ("screened",) if self.learned in fused else fused
        return ("exhaustive", *(name for name in fused if name == self.learned))

    def _order(
        self, name: str, prepared: Prepared, rows: NDArray[np.int64] | None, count: int
    ) -> NDArray[np.int64]:
        if name == "exhaustive":
            if rows is None or self.library.holds_lines:
                return self.sticks.nearest(prepared, count, rows)
            return rows[StickIndex.of(self.library.lines_of(rows)).nearest(prepared, count)]
        if name not in self.channels:
            raise QueryError(
                f"{self.library.path}: no vectors of the channel {name} as it is now; "
                "`braggle library maintain` makes them"
            )
        questions = self.channels[name].embed_pattern(prepared)
        return self.library.nearest(name, questions, count, rows)[0]

    def verdict(self, ranking: Ranking) -> Verdict:
        """What a ranking is called."""
        if ranking.certainty >= self.ranker.match:
            return "match"
        return "ambiguous" if ranking.presence >= LIKELY else "no-confident-match"

    def _hit(
        self,
        rank: int,
        entry: Entry,
        ranking: Ranking,
        i: int,
        lines: Lines,
        *,
        draw: bool,
    ) -> Hit:
        fits, prepared = ranking.fitted.fits, ranking.prepared
        lattice = ranking.fitted.lattices[i]
        zero, correlation = float(fits.zero_shift_deg[i]), float(fits.correlation[i])
        fit: CellFit | FinalFit
        if i < len(ranking.finals):
            fit = ranking.finals[i]
            correlation = float(np.cos(fit.misfit))
        else:
            fit = final_fit(prepared, lines, strain=0.0, zero_shift_deg=zero)
        stored = self.library.lattices[ranking.rows[i]]
        (strain,), (distortion,) = deformation(stored[None], lattice[None])
        return Hit(
            rank=rank,
            id=entry.id,
            names=entry.names,
            formula=entry.formula,
            space_group=entry.space_group,
            cell=entry.crystal.cell,
            sources=entry.sources,
            score=float(ranking.fitted.score[i]),
            confidence=float(ranking.probability[i]),
            fit=Fit(
                rwp_percent=fit.rwp_percent,
                correlation=correlation,
                cell=replace(entry.crystal, lattice=lattice).cell,
                strain_percent=100 * float(strain),
                distortion_percent=100 * float(distortion),
                zero_shift_deg=zero,
                scale=fit.scale,
                matched_peaks=int(fits.matched_peaks[i]),
                missing_peaks=int(fits.missing_peaks[i]),
                unexplained_peaks=int(fits.unexplained_peaks[i]),
            ),
            overlay=overlay(ranking.whole, prepared, lines, fit.calculated, zero_shift_deg=zero)
            if draw
            else None,
        )

    def _stale(self) -> tuple[str, ...]:
        known = {channel.id for channel in channels_of(self.library.profile)}
        return tuple(
            f"the library's vectors of the channel {stamp.id} are of another make and were not "
            "used; `braggle library maintain` makes them anew"
            for stamp in self.library.channels
            if stamp.id in known and stamp.id not in self.channels
        )


def require_profile(library: Library, profile: Profile | None) -> None:
    """See to it that a library is of a profile.

    Raises:
        QueryError: it is of another.
    """
    if profile is not None and library.profile != profile:
        what = {"powder": "powders of crystals", "2d": "sheets"}
        raise QueryError(
            f"{library.path}: the library is of {what[library.profile]} (profile "
            f"{library.profile}), not of {what[profile]}; name another, or make one with "
            f"`braggle library build SOURCE... --profile {profile}`"
        )
