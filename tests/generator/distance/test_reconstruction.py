"""From a crystal's own distances its structure comes back; slopes are those of small steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.canonical import standardize
from data.crystal import Crystal
from generator.candidate import Sought
from generator.direct.assignment import assignments
from generator.direct.chemistry import Chemistry
from generator.direct.descent import best_of
from generator.direct.frame import Frame, centrings_of
from generator.direct.misfit import Model
from generator.direct.setup import model_of
from generator.distance.examples import free_of
from generator.distance.inference import STEPS, Formula, Spread, cell_of_shape
from generator.distance.matrices import distance_matrix
from generator.distance.mismatch import Target, mismatch
from generator.distance.model import SHAPE, DistanceNetwork
from generator.distance.reconstruction import crystal_of, hypotheses, target_of
from generator.known import lattice_of_cell
from generator.matching import same_structure
from tests import crystals


def true_spreads(primitive: Crystal) -> list[Spread]:
    """The distances of a crystal as a network would foresee them, were it always right."""
    distances = distance_matrix(primitive.lattice, primitive.fractional)
    species, elements = np.array(primitive.species), sorted(set(primitive.species))
    found = []
    for i, one in enumerate(elements):
        for other in elements[i:]:
            own = distances[np.ix_(species == one, species == other)]
            values = np.sort(own[~np.eye(len(own), dtype=bool)] if one == other else own.ravel())
            if len(values):
                at = ((np.arange(100 * STEPS) + 0.5) / (100 * STEPS) * len(values)).astype(int)
                sums = np.concatenate([[0.0], np.cumsum(values[at]) / len(at)])[::100]
                found.append(Spread((one, other), sums))
    return found


def made(crystal: Crystal) -> list[tuple[Target, Model, Frame]]:
    """A crystal's own distances, and every way of putting its atoms on the sites of its group."""
    standard = standardize(crystal)
    primitive, number = standard.primitive, standard.crystal.space_group_number
    chemistry = Chemistry.of(standard.crystal.composition)
    frame = Frame.of(number, standard.crystal.lattice)
    target = target_of(true_spreads(primitive), chemistry.elements, frame.basis)
    orbits = frame.orbits()
    counts = {one: primitive.species.count(one) for one in set(primitive.species)}
    return [
        (target, model_of(frame, [(symbol, orbits[k]) for symbol, k in sites], chemistry), frame)
        for sites in assignments(number, counts, 12)
    ]


def test_the_slope_is_that_of_small_steps() -> None:
    target, model, _ = max(made(crystals.QUARTZ), key=lambda one: one[1].free)
    assert model.free
    at = np.random.default_rng(1).random(model.free)
    slope, ignored = np.empty(model.free), np.empty(model.free)
    mismatch(target, model, 0, at, slope)
    step = 1e-6
    for k in range(model.free):
        moved = np.zeros(model.free)
        moved[k] = step
        up, _ = mismatch(target, model, 0, at + moved, ignored)
        down, _ = mismatch(target, model, 0, at - moved, ignored)
        assert slope[k] == pytest.approx((up - down) / (2 * step), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("crystal", [crystals.RUTILE, crystals.ANATASE, crystals.CALCITE])
def test_true_distances_make_the_crystal_again(crystal: Crystal) -> None:
    found: list[tuple[float, Crystal]] = []
    for target, model, frame in made(crystal):
        starts = np.random.default_rng(3).random((12 if model.free else 1, model.free))
        parameters, worth = best_of(target, model, 0, 40, starts, 1)
        elements = sorted(set(crystal.species))
        again = crystal_of(frame, model, parameters[0], elements)
        found.append((float(worth[0, 0]), again))
    misfit, best = min(found, key=lambda one: one[0])
    assert misfit < 1e-3
    assert same_structure(standardize(crystal).crystal, best)


@given(
    number=st.integers(1, 230), shape=st.lists(st.floats(-4.0, 4.0), min_size=SHAPE, max_size=SHAPE)
)
def test_every_guess_is_a_cell_of_its_system(number: int, shape: list[float]) -> None:
    free = np.array(free_of(number))
    cell = cell_of_shape(np.array(shape) * free, number)
    lattice = lattice_of_cell(cell)
    assert np.linalg.det(lattice) > 0.01 * float(np.prod(cell[:3]))
    frame = Frame.of(number, lattice)
    assert abs(np.linalg.det(frame.primitive)) == pytest.approx(1 / centrings_of(number))


def test_hypotheses_agree_with_what_is_known(network: DistanceNetwork) -> None:
    formula = Formula({"Ti": 1.0, "O": 2.0}, network=network)
    assert formula.numbers(2) == [22, 22, 8, 8, 8, 8]
    known = Sought({"Ti": 1.0, "O": 2.0}, space_group=136, formula_units=2)
    found = hypotheses(
        known, formula, space_groups=formula.space_groups, multiple=formula.multiple, most_atoms=12
    )
    assert {(one.units, one.space_group) for one in found} == {(2, 136)}
    for one in found:
        assert one.cell[0] == one.cell[1] == 1.0
        assert one.cell[3:] == pytest.approx((90.0, 90.0, 90.0))
    spreads = formula.distances(2, [0, 136])
    assert len(spreads) == 2
    assert {one.pair for one in spreads[0]} == {("Ti", "Ti"), ("Ti", "O"), ("O", "O")}
    for spread in spreads[1]:
        rises = np.diff(spread.sums)
        assert (rises > 0).all()
        assert (np.diff(rises) >= -1e-9).all()  # quantiles ascend
