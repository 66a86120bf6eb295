"""Templates of one interval: founded by clusters, joined by entries, founded by those who wait."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from indexer.templates.agreement import agree
from indexer.templates.pattern import Patterns, remaining, unit
from indexer.templates.shapes import KINDS, Kind, Shape, Structure
from indexer.templates.template import LEAST_MEMBERS, Template, template_id

ENTRIES_A_CLUSTER = 5
"""k-means gets one cluster for so many entries of a group."""

CLOSE = 0.8
"""Cosine from which a pattern is close to another."""

WEAKEST = 0.01
"""Intervals of a centroid that are below this part of its highest are left out."""

SEED, ROUNDS = 0, 30

_Rows = Sequence[int]


@dataclass(frozen=True, eq=False)
class Group:
    """The entries whose strongest peak is in one interval, in the order of their ids.

    Attributes:
        interval: from 0 to 899.
        ids: of the entries.
        patterns: as `patterns_of` makes them. Shape (m, 900).
        structures: of the entries.
    """

    interval: int
    ids: tuple[str, ...]
    patterns: Patterns
    structures: tuple[Structure, ...]

    def first(self, count: int) -> Group:
        """At most so many of them."""
        return Group(
            self.interval, self.ids[:count], self.patterns[:count], self.structures[:count]
        )

    @cached_property
    def compared(self) -> Patterns:
        """Patterns without the interval that all have in common. Shape (m, 900)."""
        return remaining(self.patterns, self.interval)


def found(group: Group) -> list[Template]:
    """Cluster the patterns, and keep what members of a cluster agree in.

    The members of a cluster are taken in the order of their distance from its centroid. One leads,
    and those that are close to the centroid and agree with it follow; from `LEAST_MEMBERS` on they
    make a template.
    """
    clusters = list(_clusters(group.compared))
    return [
        template
        for kind in KINDS
        for rows in clusters
        for template in _agreeing(group, kind, rows, leaders=rows)
    ]


def grow(group: Group, templates: Sequence[Template], *, founding: bool = True) -> list[Template]:
    """Let every entry that is in no template of a kind join one, or found one with others.

    It joins the nearest one that is close and that it agrees with. Those that find none wait: when
    `LEAST_MEMBERS` of them are close to one of them and agree with it, they make a template, where
    `founding` is allowed.

    Returns:
        The templates in their order, some with further members, and then new ones.
    """
    grown = list(templates)
    for kind in KINDS:
        _join(group, kind, grown, from_place=0)
        if not founding:
            continue
        waiting = _waiting(group, kind, grown)
        # Who waits only becomes fewer: a leader that found too few need not be asked again.
        for leader in waiting.tolist():
            if leader not in waiting:
                continue
            near = _nearest_first(group.compared, waiting, group.compared[leader])
            if new := list(_agreeing(group, kind, near, leaders=[leader])):
                grown.extend(new)
                _join(group, kind, grown, from_place=len(grown) - len(new))
                waiting = _waiting(group, kind, grown)
    return grown


def _clusters(compared: Patterns) -> Iterator[_Rows]:
    """Rows of each cluster that are close to its centroid, the nearest first."""
    count = round(len(compared) / ENTRIES_A_CLUSTER)
    label = np.zeros(len(compared), np.int64)
    if count > 1:
        from sklearn.cluster import KMeans  # half a second that small additions do without
        from sklearn.exceptions import ConvergenceWarning

        means = KMeans(count, n_init=1, max_iter=ROUNDS, random_state=SEED)
        with warnings.catch_warnings():
            # Of patterns that are equal there are fewer clusters than asked for.
            warnings.simplefilter("ignore", ConvergenceWarning)
            label = means.fit(compared).labels_
    for cluster in np.unique(label):
        rows = np.flatnonzero(label == cluster)
        yield _nearest_first(compared, rows, unit(compared[rows].mean(axis=0)))


def _nearest_first(compared: Patterns, rows: NDArray[np.intp], centre: Patterns) -> _Rows:
    """Those of the rows that are close to a pattern of unit length, the nearest first."""
    cosine = compared[rows] @ centre
    order = np.argsort(-cosine, kind="stable")
    near: list[int] = rows[order[cosine[order] >= CLOSE]].tolist()
    return near


def _agreeing(group: Group, kind: Kind, rows: _Rows, *, leaders: _Rows) -> Iterator[Template]:
    """Templates among some entries, each led by one of `leaders`; a shape serves one template."""
    left: dict[int, dict[int, Shape]] = {
        row: dict(enumerate(group.structures[row].of(kind))) for row in rows
    }
    for leader in leaders:
        for number, shape in list(left[leader].items()):
            agreed = {leader: number}
            for row in rows:
                for other_number, other in left[row].items():
                    if row != leader and agree(shape, other):
                        agreed[row] = other_number
                        break
            if len(agreed) < LEAST_MEMBERS:
                continue
            for row, taken in agreed.items():
                del left[row][taken]
            members = tuple(group.ids[row] for row in agreed)
            yield Template(
                id=template_id(kind, group.interval, members[:LEAST_MEMBERS], number),
                kind=kind,
                interval=group.interval,
                members=members,
                pattern=_centroid(group.patterns[list(agreed)]),
                shape=shape,
            )


def _centroid(patterns: Patterns) -> NDArray[np.float32]:
    mean = patterns.mean(axis=0)
    return unit(np.where(mean >= WEAKEST * mean.max(), mean, 0.0))


def _waiting(group: Group, kind: Kind, templates: Sequence[Template]) -> NDArray[np.intp]:
    """Rows that have a shape of the kind and are in no template of the kind, ascending."""
    placed = {member for one in templates if one.kind == kind for member in one.members}
    waits = [
        bool(structure.of(kind)) and entry_id not in placed
        for entry_id, structure in zip(group.ids, group.structures, strict=True)
    ]
    return np.flatnonzero(waits)


def _join(group: Group, kind: Kind, templates: list[Template], *, from_place: int) -> None:
    """Give entries that wait to templates from a place on, in the list itself."""
    own = [i for i in range(from_place, len(templates)) if templates[i].kind == kind]
    if not own:
        return
    centroids = remaining(np.stack([templates[i].pattern for i in own]), group.interval)
    for row in _waiting(group, kind, templates).tolist():
        shapes = group.structures[row].of(kind)
        for which in _nearest_first(centroids, np.arange(len(own)), group.compared[row]):
            template = templates[own[which]]
            if any(agree(template.shape, shape) for shape in shapes):
                members = (*template.members, group.ids[row])
                templates[own[which]] = replace(template, members=members)
                break
