from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.bonds import bonds, has_sheet, layered_pieces, score_of
from data.canonical import crystal_id, standardize
from data.crystal import Crystal
from data.errors import CrystalError
from data.sheets import (
    LAYERED,
    VACUUM_ANGSTROM,
    axis_across,
    is_sheet,
    layers_of,
    pairs_of,
    sheet_of,
    sheets_in,
    sheets_of,
    thickness_angstrom,
)
from data.stacking import CONTACT, matches, stacked
from tests import crystals, layered


def nearest(one: Crystal, cells: int = 2) -> float:
    """The shortest distance between atoms, by going through all of them. In Å."""
    steps = [(u, v, 0) for u in range(-cells, cells + 1) for v in range(-cells, cells + 1)]
    shortest = np.inf
    for step in steps:
        apart = (one.fractional[None] + step - one.fractional[:, None]) @ one.lattice
        distance = np.linalg.norm(apart, axis=2)
        shortest = min(shortest, float(distance[distance > 1e-6].min(initial=np.inf)))
    return shortest


def test_bonds_are_those_that_going_through_all_cells_finds() -> None:
    crystal = crystals.RUTILE
    first, second, _, ratio = bonds(crystal, 1.2)
    radii = {"Ti": 1.60, "O": 0.66}
    found = 0
    for i in range(len(crystal)):
        for j in range(len(crystal)):
            for step in np.ndindex(5, 5, 5):
                apart = crystal.fractional[j] + np.array(step) - 2 - crystal.fractional[i]
                distance = float(np.linalg.norm(apart @ crystal.lattice))
                most = 1.2 * (radii[crystal.species[i]] + radii[crystal.species[j]])
                found += 1e-6 < distance <= most
    assert 2 * len(ratio) == found  # each pair was counted from both ends
    assert len(first) == len(second) == len(ratio)


@pytest.mark.parametrize("name", layered.LAYERED)
def test_layered_crystals_score_above_what_is_asked(name: str) -> None:
    pieces = layered_pieces(standardize(layered.LAYERED[name]).primitive)
    assert pieces is not None
    assert pieces.score > LAYERED
    assert pieces.from_ratio < 1.1 < pieces.to_ratio


def test_scores_of_molybdenite_by_hand() -> None:
    # Mo-S 2.41 Å over 1.54 + 1.05; the next contact is S-S, 3.50 Å over 2.10.
    pieces = layered_pieces(standardize(layered.MOLYBDENITE).primitive)
    assert pieces is not None
    assert pieces.from_ratio == pytest.approx(2.413 / 2.59, abs=0.01)
    assert pieces.to_ratio == pytest.approx(3.49 / 2.10, abs=0.02)
    x = ((pieces.to_ratio - 1) / 0.15) ** 2
    assert pieces.score == pytest.approx(x / (1 + x))
    assert score_of(0.9, np.inf) == 1.0


@pytest.mark.parametrize(
    "crystal", [crystals.ROCK_SALT, crystals.SILICON, crystals.QUARTZ, crystals.CALCITE]
)
def test_crystals_that_fill_space_have_no_layers(crystal: Crystal) -> None:
    assert layers_of(crystal) == ()
    assert pairs_of(crystal) == ()
    assert sheets_of(layered.record("it", crystal)) == ()
    assert not has_sheet(crystal, 1.3)


def test_a_layer_of_molybdenite() -> None:
    layer = layered.sheet(layered.MOLYBDENITE)
    assert layer.composition == {"Mo": 1.0, "S": 2.0}
    thickness = 12.294 * 2 * (0.25 - (0.621 - 0.5))
    assert thickness_angstrom(layer) == pytest.approx(thickness, abs=1e-3)
    expected = (3.1602, 3.1602, thickness + VACUUM_ANGSTROM, 90, 90, 120)
    assert layer.cell == pytest.approx(expected, abs=1e-3)
    assert standardize(layer).crystal.space_group_number == 187
    assert nearest(layer) == pytest.approx(nearest(layered.MOLYBDENITE), abs=1e-3)
    assert is_sheet(layer)


def test_a_layer_without_thickness_is_a_sheet() -> None:
    layer = layered.sheet(layered.GRAPHITE)
    assert thickness_angstrom(layer) == 0.0
    assert standardize(layer).crystal.space_group_number == 191


def test_a_pair_of_layers_keeps_how_they_lie() -> None:
    (pair,) = pairs_of(layered.GRAPHITE)
    assert len(pair) == 4
    assert thickness_angstrom(pair) == pytest.approx(6.711 / 2, abs=1e-3)
    assert nearest(pair) == pytest.approx(2.464 / np.sqrt(3), abs=1e-3)


def test_layers_may_lie_across_any_axis() -> None:
    layer = layered.sheet(layered.MOLYBDITE)
    assert layer.composition == {"Mo": 2.0, "O": 6.0}
    assert layer.cell[:2] == pytest.approx([3.6964, 3.9628], abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(layered.LAYERED)))
def test_a_sheet_is_the_same_however_it_is_described(seed: int, name: str) -> None:
    layer = layered.sheet(layered.LAYERED[name])
    other = layered.turned(layer, np.random.default_rng(seed))
    again = sheet_of(other)
    assert again is not None
    assert again.cell == pytest.approx(layer.cell, abs=1e-6)
    assert crystal_id(again) == crystal_id(layer)
    assert float(again.fractional[:, 2].min() + again.fractional[:, 2].max()) == pytest.approx(1.0)


def test_a_sheet_as_a_library_stores_it_is_found_again() -> None:
    layer = layered.sheet(layered.MOLYBDITE)
    stored = standardize(layer)
    again = sheet_of(stored)
    assert again is not None
    assert again.cell == pytest.approx(layer.cell, abs=1e-4)


def test_records_become_sheets_and_sheets_stay_what_they_are() -> None:
    (one,) = sheets_of(layered.record("molybdenite", layered.MOLYBDENITE))
    assert one.names == ("molybdenite, layer",)
    (same,) = sheets_of(layered.record("its layer", one.crystal))
    assert same.names == ("its layer",)
    assert crystal_id(same.crystal) == crystal_id(one.crystal)


def test_atoms_that_hold_on_to_nothing_are_no_sheet() -> None:
    lone = Crystal(
        np.diag([4.0, 4.0, 20.0]), ("Ar",), np.ones(1), np.full((1, 3), 0.5), np.full(1, np.nan)
    )
    assert sheet_of(lone) is not None
    assert not is_sheet(lone)


@pytest.mark.parametrize("turned", [False, True])
def test_stacked_sheets_touch_and_do_not_overlap(turned: bool) -> None:  # noqa: FBT001
    lower, upper = layered.sheet(layered.GRAPHITE), layered.sheet(layered.BORON_NITRIDE)
    match = next(matches(lower, upper, most_atoms=10))
    both = stacked(lower, upper, match=match, registry=(1 / 3, 2 / 3), turned=turned)
    assert both.composition == {"C": 2.0, "B": 1.0, "N": 1.0}
    assert both.cell[0] == pytest.approx((2.464 + 2.504) / 2, abs=1e-3)
    heights = both.fractional[:, 2] * both.lattice[2, 2]
    # van der Waals: C 1.77, B 1.92, N 1.66 Å in the table that is used.
    assert 0.8 * CONTACT * 3.3 < np.ptp(heights) < 4.0
    assert nearest(both) < 1.5


def test_nets_that_do_not_agree_are_not_laid_on_each_other() -> None:
    lower, upper = layered.sheet(layered.GRAPHITE), layered.sheet(layered.MOLYBDENITE)
    assert [one.misfit for one in matches(lower, upper, most_atoms=6)] == []


def test_a_larger_cell_may_match() -> None:
    # √3 × √3 cells of graphite, 4.268 Å, on a net of that size.
    lower = layered.sheet(layered.GRAPHITE)
    wide = Crystal(
        np.diag([np.sqrt(3), np.sqrt(3), 1.0]) @ lower.lattice,
        lower.species,
        lower.occupancies,
        lower.fractional,
        lower.u_iso_angstrom2,
    )
    found = [one for one in matches(lower, wide, most_atoms=20) if one.misfit < 1e-6]
    assert len(found) == 1
    both = stacked(lower, wide, match=found[0])
    assert len(both) == 8
    assert both.cell[0] == pytest.approx(np.sqrt(3) * 2.464, abs=1e-3)


@pytest.mark.parametrize(
    "crystal, axis", [(layered.sheet(layered.MOLYBDENITE), 2), (layered.OBLIQUE, 1)]
)
def test_the_axis_across_a_sheet_is_the_one_that_no_bond_follows(
    crystal: Crystal, axis: int
) -> None:
    stored = standardize(crystal).crystal
    assert axis_across(stored) == axis
    # The others are in the plane: the normal is across them.
    in_plane = np.delete(stored.lattice, axis, axis=0)
    assert in_plane @ stored.lattice[axis] == pytest.approx(0.0, abs=1e-6)
    assert np.linalg.norm(stored.lattice[axis]) > VACUUM_ANGSTROM


def test_what_fills_space_has_no_axis_across() -> None:
    with pytest.raises(CrystalError, match="no sheet; exfoliate it first"):
        axis_across(standardize(layered.MOLYBDENITE).crystal)


def test_a_crystal_is_its_sheet_its_layers_or_nothing() -> None:
    sheet = layered.sheet(layered.GRAPHITE)
    for crystal in (layered.GRAPHITE, sheet, standardize(sheet)):
        (found,) = sheets_in(crystal)
        assert crystal_id(found) == crystal_id(sheet)
    carbon, nitride = sheets_in(layered.TWO_LAYERS)
    assert {frozenset(one.species) for one in (carbon, nitride)} == {
        frozenset({"C"}),
        frozenset({"B", "N"}),
    }
    assert sheets_in(crystals.ROCK_SALT) == ()
