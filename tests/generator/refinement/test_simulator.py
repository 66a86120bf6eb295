"""The differentiable pattern is the pattern that the compiled loops calculate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from data.canonical import operations_of, standardize
from data.crystal import Crystal
from data.diffraction import lines_of
from data.preparation import Prepared, prepare
from data.profile import simulate_pattern
from generator.contacts import closest_contact
from generator.refinement.freedom import Freedom
from generator.refinement.simulator import Axis, CrystalBatch, Parameters, cosines, profiles
from search.profile_fit import draw_profile
from tests import crystals

NAMES = ("silicon", "rutile", "quartz", "calcite", "baddeleyite", "chalcanthite")
D_MIN_ANGSTROM = 1.2


def standard(name: str) -> Crystal:
    return standardize(crystals.ALL[name]).crystal


def batch_of(them: Sequence[Crystal], d_min_angstrom: float = D_MIN_ANGSTROM) -> CrystalBatch:
    freedoms = [Freedom.of(one) for one in them]
    return CrystalBatch.of(them, freedoms, [0.0] * len(them), d_min_angstrom=d_min_angstrom)


@pytest.fixture(scope="module")
def batch() -> CrystalBatch:
    return batch_of([standard(name) for name in NAMES])


@pytest.fixture(scope="module")
def parameters(batch: CrystalBatch) -> Parameters:
    return Parameters.zeros(len(NAMES), batch.moves.shape[1])


@pytest.mark.parametrize("row", range(len(NAMES)))
def test_lines_are_those_of_the_compiled_loops(
    batch: CrystalBatch, parameters: Parameters, row: int
) -> None:
    crystal = standard(NAMES[row])
    operations = operations_of(crystal.space_group_number)
    wanted = lines_of(crystal, d_min_angstrom=D_MIN_ANGSTROM, operations=operations)
    inv_d2, strength = (one[row].numpy() for one in batch.lines(parameters))
    n = len(wanted)
    np.testing.assert_allclose(inv_d2[:n], wanted.inv_d2, rtol=1e-5)
    np.testing.assert_allclose(strength[:n], wanted.strength, atol=1e-5 * wanted.strength.max())
    assert not strength[n:].any()


def test_moves_change_lines_as_the_moved_crystal_has_them(batch: CrystalBatch) -> None:
    row = NAMES.index("quartz")
    crystal = standard("quartz")
    freedom = Freedom.of(crystal)
    rng = np.random.default_rng(1)
    by, cell = rng.normal(size=len(freedom.moves)) * 0.1, np.array([0.01, -0.02, 0, 0, 0, 0])
    parameters = Parameters.zeros(len(NAMES), batch.moves.shape[1])
    parameters.coordinates[row, : len(by)] = torch.tensor(by)
    parameters.cell[row] = torch.tensor(cell)
    inv_d2, strength = (one[row].numpy() for one in batch.lines(parameters))
    moved = freedom.moved(crystal, by, cell)
    # Lines of the moved crystal, plane by plane; scattering stays as it was at the old d.
    operations = operations_of(crystal.space_group_number)
    wanted = lines_of(moved, d_min_angstrom=D_MIN_ANGSTROM, operations=operations)
    at = {tuple(hkl): i for i, hkl in enumerate(batch.hkl[row].int().tolist())}
    rows = [at.get(tuple(hkl), -1) for hkl in wanted.hkl.tolist()]
    known = np.array(rows) >= 0
    mine = np.array(rows)[known]
    np.testing.assert_allclose(inv_d2[mine], wanted.inv_d2[known], rtol=1e-5)
    top = wanted.strength.max()
    np.testing.assert_allclose(strength[mine], wanted.strength[known], atol=0.02 * top)


def test_gradients_are_those_of_small_differences(batch: CrystalBatch) -> None:
    row = NAMES.index("baddeleyite")

    def total(x: torch.Tensor) -> torch.Tensor:
        parameters = Parameters.zeros(len(NAMES), batch.moves.shape[1])
        coordinates = parameters.coordinates.clone()
        coordinates[row, 0] = x
        _, strength = batch.lines(
            Parameters(coordinates, parameters.cell, *[parameters.u_angstrom2] * 3)
        )
        return strength[row, 5:60].sum()

    x = torch.tensor(0.03, requires_grad=True)
    torch.autograd.backward(total(x))
    slope = (total(torch.tensor(0.04)) - total(torch.tensor(0.02))) / 0.02
    assert x.grad is not None
    assert float(x.grad) == pytest.approx(float(slope), rel=0.02)


def prepared(crystal: Crystal) -> Prepared:
    pattern = simulate_pattern(crystal, background_counts=100.0, rng=np.random.default_rng(3))
    return prepare(pattern).up_to(6.0)


def test_profiles_are_drawn_as_the_final_fit_draws_them() -> None:
    crystal = standard("rutile")
    pattern = prepared(crystal)
    batch = batch_of([crystal], d_min_angstrom=1.0)
    drawn = profiles(batch, Parameters.zeros(1, 1), Axis.of(pattern))[0].numpy()
    operations = operations_of(crystal.space_group_number)
    lines = lines_of(crystal, d_min_angstrom=1.0, operations=operations)
    wanted = draw_profile(pattern, lines.inv_d2, lines.strength, strain=0.0, zero_shift_deg=0.0)
    drawn, wanted = drawn / np.linalg.norm(drawn), wanted / np.linalg.norm(wanted)
    # Lines lie between points here, and their tails end nowhere.
    assert drawn @ wanted > 0.998
    cosine = float(cosines(batch, Parameters.zeros(1, 1), Axis.of(pattern))[0])
    assert 0.93 < cosine <= 1.0


def test_contacts_are_the_shortest(batch: CrystalBatch, parameters: Parameters) -> None:
    found = batch.contacts(parameters).amin(1)
    wanted = [closest_contact(standard(name)) for name in NAMES]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4)


def test_crystals_beside_others_are_as_alone(batch: CrystalBatch) -> None:
    row = NAMES.index("rutile")
    alone = batch_of([standard("rutile")])
    some = batch.take(torch.tensor([row, row]))
    axis = Axis.of(prepared(standard("rutile")))
    wanted = cosines(alone, Parameters.zeros(1, alone.moves.shape[1]), axis)
    found = cosines(some, Parameters.zeros(2, some.moves.shape[1]), axis)
    np.testing.assert_allclose(found.numpy(), [float(wanted[0])] * 2, rtol=1e-5)
