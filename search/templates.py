"""The templates of a library that are most like a pattern, or like an entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.diffraction import lines_of
from data.errors import QueryError
from data.lines import Lines, LinesTable
from data.preparation import Prepared
from data.profile import lorentz_polarisation
from indexer.encoders.inference import one_blas_thread
from indexer.entry import Entry
from indexer.library import Library
from indexer.templates.pattern import WAVELENGTH_ANGSTROM, blurred, patterns_of, unit
from indexer.templates.shapes import Kind
from indexer.templates.template import INTERVAL_DEG, INTERVALS, Template
from search.first_stage import visible

STRAINS = np.linspace(-0.03, 0.03, 13)
"""Relative changes of length that a query is tried with: templates are shapes, not cells."""

_Patterns = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NearTemplate:
    """A template that a query is like.

    Attributes:
        template: of the library.
        similarity: from 0 to 1, see `TemplateFinder.nearest_templates`.
        strain_percent: what the query was stretched by for it.
        member: id of the member whose pattern is the nearest; None where the centroid is.
    """

    template: Template
    similarity: float
    strain_percent: float
    member: str | None


class TemplateFinder:
    """Compares patterns with the templates of one published version of a library."""

    def __init__(self, library: Library) -> None:
        """Draw the patterns of all centroids and members.

        Raises:
            LibraryError: the library has no templates as they are made now.
        """
        self.library = library
        self.templates = library.templates
        members = sorted({member for one in self.templates for member in one.members})
        place = {member: len(self.templates) + i for i, member in enumerate(members)}
        rows = np.array([library.row(member) for member in members], dtype=np.int64)
        centroids = np.array([one.pattern for one in self.templates]).reshape(-1, INTERVALS)
        drawn = np.concatenate([centroids, patterns_of(library.lines_of(rows))])
        self._patterns = unit(blurred(drawn))
        self._of_template = [
            np.array([i, *(place[member] for member in one.members)])
            for i, one in enumerate(self.templates)
        ]

    def nearest_templates(
        self, query: Prepared | Entry, count: int = 4, *, kind: Kind | None = None
    ) -> tuple[NearTemplate, ...]:
        """The templates most like a query, by their centroid or the nearest of their members.

        Both sides are square roots of the intensities in 900 intervals of 0.1° 2θ, Cu Kα1, blurred
        by two intervals; their likeness is the cosine, the best over strains of up to 3 % either
        way. A measured pattern is zero where it was not measured.

        Args:
            query: a prepared pattern of any wavelength, or an entry of any library.
            count: at most so many.
            kind: only these.

        Returns:
            The best first; equally good ones in the order of the library's templates.

        Raises:
            QueryError: fewer than one is asked for, or the pattern shows nothing where templates
                are.
        """
        if count < 1:
            raise QueryError(f"{count} templates are no answer; ask for at least 1")
        asked = [i for i, one in enumerate(self.templates) if kind in (None, one.kind)]
        questions = unit(blurred(_questions(query)))
        with one_blas_thread():
            cosines = questions @ self._patterns.T
        strain, best = cosines.argmax(axis=0), cosines.max(axis=0)
        nearest = {i: self._of_template[i][best[self._of_template[i]].argmax()] for i in asked}
        order = sorted(asked, key=lambda i: -best[nearest[i]])[:count]
        return tuple(self._near(i, int(nearest[i]), best, strain) for i in order)

    def _near(
        self, which: int, nearest: int, best: NDArray[np.float32], strain: NDArray[np.intp]
    ) -> NearTemplate:
        template = self.templates[which]
        member = int(np.flatnonzero(self._of_template[which] == nearest)[0]) - 1
        return NearTemplate(
            template=template,
            similarity=float(best[nearest]),
            strain_percent=100 * float(STRAINS[strain[nearest]]),
            member=None if member < 0 else template.members[member],
        )


def _questions(query: Prepared | Entry) -> _Patterns:
    """The query at each of `STRAINS`. Shape (13, 900).

    Raises:
        QueryError: nothing of it is below 90°.
    """
    name = query.id if isinstance(query, Entry) else query.pattern.name
    patterns = _of_entry(query) if isinstance(query, Entry) else _of_pattern(query)
    if not patterns.any(axis=1).all():
        raise QueryError(
            f"{name}: nothing stands out at a d above 1.12 Å, where templates are; measure at "
            "smaller angles, or check the wavelength"
        )
    return patterns


def _of_entry(entry: Entry) -> _Patterns:
    standard = Standard.from_stored(entry.crystal)
    operations = (standard.rotations, standard.translations)
    own = lines_of(standard.crystal, operations=operations)
    stretched = [Lines(own.inv_d2 / (1 + s) ** 2, own.strength, own.hkl) for s in STRAINS]
    return patterns_of(LinesTable.of(stretched))


def _of_pattern(prepared: Prepared) -> _Patterns:
    """The net curve summed by interval, as Cu Kα1 would have given it."""
    area = visible(prepared) / lorentz_polarisation(prepared.two_theta_deg)
    sums = np.zeros((len(STRAINS), INTERVALS))
    for row, strain in enumerate(STRAINS):
        sine = prepared.q_inv_angstrom * WAVELENGTH_ANGSTROM / (4 * np.pi) / (1 + strain)
        two_theta = 2 * np.degrees(np.arcsin(np.minimum(sine, 1.0)))
        seen = two_theta < INTERVALS * INTERVAL_DEG
        intensity = area[seen] * lorentz_polarisation(two_theta[seen])
        intervals = (two_theta[seen] / INTERVAL_DEG).astype(np.int64)
        sums[row] = np.bincount(intervals, intensity, INTERVALS)
    return unit(np.sqrt(sums))
