"""Templates of one interval, where what has to be found was planted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from indexer.templates.agreement import agree
from indexer.templates.grouping import CLOSE, Group, found, grow
from indexer.templates.pattern import remaining
from indexer.templates.shapes import KINDS, Kind, Structure
from indexer.templates.template import LEAST_MEMBERS, Template
from tests.indexer.templates.planted import (
    Member,
    family,
    group_of,
    random_structure,
    sticks,
)


def members(templates: Sequence[Template], kind: Kind) -> list[set[str]]:
    return [set(one.members) for one in templates if one.kind == kind]


def ids(some: Sequence[Member]) -> set[str]:
    return {one.id for one in some}


def all_of(members: Sequence[Member]) -> list[Template]:
    group = group_of(members)
    return grow(group, found(group))


def content(templates: Sequence[Template]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.id, one.members) for one in templates]


def planted(seed: int, sizes: Sequence[int] = (6, 9, 4), loners: int = 7) -> list[list[Member]]:
    """Families with a pattern and a structure of their own, then entries that are like none."""
    rng = np.random.default_rng(seed)
    families = [
        family(rng, size, sticks(rng), random_structure(rng, 3 + i, 6 + i))
        for i, size in enumerate(sizes)
    ]
    alone = [family(rng, 1, sticks(rng), random_structure(rng, 8, 11))[0] for _ in range(loners)]
    return [*families, alone]


@pytest.mark.parametrize("seed", range(5))
def test_each_planted_family_is_one_template(seed: int) -> None:
    *families, alone = planted(seed)
    templates = all_of([member for part in [*families, alone] for member in part])
    for kind in KINDS:
        assert sorted(map(sorted, members(templates, kind))) == sorted(
            sorted(ids(one)) for one in families
        )
    assert {one.interval for one in templates} == {300}
    assert len({one.id for one in templates}) == 2 * len(families)


def test_the_pattern_is_the_mean_of_the_members() -> None:
    (only,) = planted(0, sizes=(5,), loners=0)[:1]
    group = group_of(only)
    template = found(group)[0]
    np.testing.assert_allclose(np.linalg.norm(template.pattern), 1.0, rtol=1e-5)
    mean = group.patterns.mean(axis=0)
    np.testing.assert_allclose(template.pattern, mean / np.linalg.norm(mean), atol=0.02)
    assert template.two_theta_deg == pytest.approx(30.0)
    leader = next(one for one in only if one.id == template.members[0])
    assert leader.structure.framework is not None
    np.testing.assert_array_equal(template.coordinates, leader.structure.framework.coordinates)


def test_fewer_than_four_are_no_template() -> None:
    assert all_of([one for part in planted(1, sizes=(3, 3)) for one in part]) == []
    assert LEAST_MEMBERS == 4


def test_one_pattern_with_two_structures_is_two_templates() -> None:
    rng = np.random.default_rng(2)
    pattern = sticks(rng)
    first, second = (family(rng, 5, pattern, random_structure(rng, 4, m)) for m in (6, 8))
    assert sorted(map(sorted, members(all_of(first + second), "global"))) == sorted(
        [sorted(ids(first)), sorted(ids(second))]
    )


def test_one_structure_with_two_patterns_is_two_templates() -> None:
    rng = np.random.default_rng(3)
    structure = random_structure(rng, 4, 6)
    first, second = (family(rng, 5, sticks(rng), structure) for _ in range(2))
    for kind in KINDS:
        assert sorted(map(sorted, members(all_of(first + second), kind))) == sorted(
            [sorted(ids(first)), sorted(ids(second))]
        )


def test_a_polyhedron_may_recur_where_no_framework_does() -> None:
    rng = np.random.default_rng(4)
    pattern, shared = sticks(rng), random_structure(rng, 4, 6).polyhedra
    mixed = [
        Member(one.id, one.pattern, Structure(one.structure.framework, shared))
        for n in range(1, 6)
        for one in family(rng, 1, pattern, random_structure(rng, n, 7))
    ]
    templates = all_of(mixed)
    assert [(one.kind, set(one.members)) for one in templates] == [("local", ids(mixed))]


def test_entries_with_two_polyhedra_found_two_templates() -> None:
    rng = np.random.default_rng(5)
    both = random_structure(rng, 2, 6).polyhedra + random_structure(rng, 2, 8).polyhedra
    pair = [
        Member(one.id, one.pattern, Structure(None, both))
        for one in family(rng, 5, sticks(rng), random_structure(rng, 2, 6))
    ]
    templates = all_of(pair)
    assert [set(one.members) for one in templates] == [ids(pair)] * 2
    assert [len(one.coordinates) for one in templates] == [7, 9]
    assert templates[0].id != templates[1].id


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_left_to_do(seed: int) -> None:
    """No entry that waits could join, and no four that wait could found (by brute force)."""
    rng = np.random.default_rng(seed)
    patterns, structures = (
        [sticks(rng) for _ in range(3)],
        [random_structure(rng, 3, 6) for _ in range(3)],
    )
    mixed = [
        family(rng, 1, patterns[rng.integers(3)], structures[rng.integers(3)])[0] for _ in range(60)
    ]
    group = group_of(mixed)
    templates = grow(group, found(group))
    assert content(grow(group, templates)) == content(templates)
    assert len(templates) > 6
    for kind in KINDS:
        own = [one for one in templates if one.kind == kind]
        placed = [member for one in own for member in one.members]
        assert len(set(placed)) == len(placed)
        waiting = [i for i, one in enumerate(group.ids) if one not in placed]
        for template in own:
            assert len(template.members) >= LEAST_MEMBERS
            centroid = remaining(template.pattern[None], 300)[0]
            for member in template.members:
                assert agrees(group, group.ids.index(member), template, kind)
            for row in waiting:
                close = group.compared[row] @ centroid >= CLOSE
                assert not (close and agrees(group, row, template, kind))
        for leader in waiting:
            (shape,) = group.structures[leader].of(kind)
            alike = [
                row
                for row in waiting
                if group.compared[row] @ group.compared[leader] >= CLOSE
                and agree(shape, group.structures[row].of(kind)[0])
            ]
            assert len(alike) < LEAST_MEMBERS


def agrees(group: Group, row: int, template: Template, kind: Kind) -> bool:
    return any(agree(template.shape, shape) for shape in group.structures[row].of(kind))


class TestGrowing:
    """What additions do; k-means has no part in it."""

    def test_an_entry_joins_the_template_that_it_is_like(self) -> None:
        *families, alone = planted(6)
        *first, newcomer = families[1]
        known = all_of([*families[0], *first, *alone])
        grown = grow(group_of([*families[0], *first, *alone, newcomer]), known)
        assert [one.id for one in grown] == [one.id for one in known]
        for before, after in zip(known, grown, strict=True):
            own = newcomer.id in after.members
            assert own == (set(before.members) == ids(first))
            assert after.members == before.members + ((newcomer.id,) if own else ())
            assert after.pattern is before.pattern
            assert after.shape is before.shape

    def test_it_joins_the_nearest_of_several(self) -> None:
        rng = np.random.default_rng(7)
        structure, pattern = random_structure(rng, 3, 6), sticks(rng)
        other = pattern.copy()
        lines = np.flatnonzero((pattern > 0) & (pattern < 1))
        other[lines[:2]] = 0.0
        first, second = family(rng, 4, pattern, structure), family(rng, 4, other, structure)
        known = [*found(group_of(first)), *found(group_of(second))]
        assert len(known) == 4
        (newcomer,) = family(rng, 1, other, structure)
        compared = [remaining(one.pattern[None], 300)[0] for one in known]
        assert all(group_of([newcomer]).compared[0] @ one > CLOSE for one in compared)
        grown = grow(group_of([*first, *second, newcomer]), known)
        assert [newcomer.id in one.members for one in grown] == [False, False, True, True]

    @pytest.mark.parametrize("alike", ["pattern", "structure"])
    def test_one_of_both_is_not_enough(self, alike: str) -> None:
        rng = np.random.default_rng(8)
        pattern, structure = sticks(rng), random_structure(rng, 3, 6)
        known = found(group_of(four := family(rng, 4, pattern, structure)))
        newcomer = (
            family(rng, 1, pattern, random_structure(rng, 4, 7))
            if alike == "pattern"
            else family(rng, 1, sticks(rng), structure)
        )
        assert content(grow(group_of(four + newcomer), known)) == content(known)

    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
    def test_the_fourth_that_waits_opens_a_template(self, order: tuple[int, ...]) -> None:
        *families, alone = planted(9, sizes=(5, 4))
        templates = all_of(settled := [*families[0], *alone])
        known = [one.id for one in templates]
        for count, which in enumerate(order, start=1):
            settled = [*settled, families[1][which]]
            templates = grow(group_of(settled), templates)
            assert [one.id for one in templates[:2]] == known
            assert len(templates) == (2 if count < LEAST_MEMBERS else 4)
        assert members(templates[2:], "global") == [ids(families[1])]
        assert {one.id for one in templates[2:]} == {
            one.id
            for one in grow(group_of([*families[0], *alone, *families[1]]), templates[:2])[2:]
        }

    def test_a_fifth_does_not_alter_the_id(self) -> None:
        (five,) = planted(10, sizes=(5,), loners=0)[:1]
        first = grow(group_of(five[:4]), [])
        assert [one.id for one in grow(group_of(five), first)] == [one.id for one in first]
        assert [len(one.members) for one in grow(group_of(five), first)] == [5, 5]


def test_equal_patterns_are_one_cluster() -> None:
    (ten,) = planted(12, sizes=(10,), loners=0)[:1]
    equal = [Member(one.id, ten[0].pattern, one.structure) for one in ten]
    for kind in KINDS:
        assert members(all_of(equal), kind) == [ids(ten)]


def test_entries_without_shapes_are_in_no_template() -> None:
    (six,) = planted(11, sizes=(6,), loners=0)[:1]
    bare = [Member(one.id, one.pattern, Structure(None, ())) for one in six]
    assert all_of(bare) == []
