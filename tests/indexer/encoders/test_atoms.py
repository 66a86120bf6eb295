"""The tower over atoms, with torch and without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data.canonical import Standard, standardize
from data.crystal import Crystal
from indexer.encoders.atoms import AtomsEncoder
from indexer.encoders.atoms_inference import NumpyAtomsEncoder
from indexer.encoders.axis import MOST_WAVES, Q_MAX_INV_ANGSTROM, Q_MIN_INV_ANGSTROM
from indexer.encoders.model import ProfileEncoder
from indexer.encoders.pack import Pack
from indexer.encoders.training import AtomsTraining, Recipe
from indexer.encoders.waves import waves_of
from tests.crystals import ALL, CALCITE, MOF_5, OLIVINE, QUARTZ, ROCK_SALT
from tests.indexer.encoders.test_training import RECIPE, TINY


@pytest.fixture(scope="module")
def encoder() -> AtomsEncoder:
    torch.manual_seed(0)
    encoder = AtomsEncoder()
    for weight in encoder.parameters():
        weight.data += 0.02 * torch.randn_like(weight)
    return encoder


@pytest.fixture(scope="module")
def plain(encoder: AtomsEncoder) -> NumpyAtomsEncoder:
    return NumpyAtomsEncoder({name: w.numpy() for name, w in encoder.state_dict().items()})


def vector(plain: NumpyAtomsEncoder, crystal: Crystal) -> NDArray[np.float32]:
    return np.asarray(plain(plain.profiles(crystal)[None])[0])


def waves_by_hand(lattice: NDArray[np.float64]) -> set[tuple[int, int, int]]:
    """Every wave of the range, both of each pair."""
    most = 1 + np.ceil(Q_MAX_INV_ANGSTROM * np.linalg.norm(lattice, axis=1) / 6).astype(int)
    reciprocal = 2 * np.pi * np.linalg.inv(lattice).T
    found = set()
    for h in range(-most[0], most[0] + 1):
        for k in range(-most[1], most[1] + 1):
            for l in range(-most[2], most[2] + 1):  # noqa: E741
                q = np.linalg.norm(np.array([h, k, l]) @ reciprocal)
                if Q_MIN_INV_ANGSTROM <= q <= Q_MAX_INV_ANGSTROM:
                    found.add((h, k, l))
    return found


@pytest.mark.parametrize("crystal", [ROCK_SALT, QUARTZ, OLIVINE], ids=["NaCl", "SiO2", "olivine"])
def test_one_of_each_pair_of_waves_is_read(crystal: Crystal) -> None:
    waves = waves_of(torch.tensor(crystal.lattice))
    chosen = {(int(h), int(k), int(l)) for h, k, l in waves}  # noqa: E741
    assert len(chosen) == len(waves)
    mirrored = {(-h, -k, -l) for h, k, l in chosen}  # noqa: E741
    assert not chosen & mirrored
    assert chosen | mirrored == waves_by_hand(crystal.lattice)


def test_of_a_large_cell_the_longest_waves_are_read() -> None:
    waves = waves_of(torch.tensor(MOF_5.lattice))
    assert len(waves) == MOST_WAVES
    q = 2 * np.pi * np.linalg.norm(waves.numpy() @ np.linalg.inv(MOF_5.lattice).T, axis=1)
    assert (np.diff(q) >= -1e-5).all()


def test_numpy_reads_what_torch_reads(
    encoder: AtomsEncoder, plain: NumpyAtomsEncoder, pack: Pack
) -> None:
    import gemmi

    rows = pack.training_rows[torch.diff(pack.atom_offsets)[pack.training_rows] > 0][::7][:12]
    atoms = pack.atoms(rows)
    with torch.no_grad():
        profiles, vectors = encoder.profiles(atoms).numpy(), encoder(atoms).numpy()
    for i in range(len(rows)):
        there = (atoms.number[i] > 0).numpy()
        crystal = Crystal(
            atoms.lattice[i].double().numpy(),
            tuple(gemmi.Element(int(n)).name for n in atoms.number[i][there]),
            atoms.occupancy[i].double().numpy()[there],
            atoms.fractional[i].double().numpy()[there],
            np.full(int(there.sum()), np.nan),
        )
        np.testing.assert_allclose(plain.profiles(crystal), profiles[i], atol=5e-3)
        np.testing.assert_allclose(vector(plain, crystal), vectors[i], atol=1e-4)


@pytest.mark.parametrize("name", [name for name in ALL if name != "MOF-5"])
def test_origin_order_orientation_and_cell_do_not_matter(
    plain: NumpyAtomsEncoder, name: str
) -> None:
    crystal = ALL[name]
    here = vector(plain, crystal)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(crystal))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = Crystal(
        crystal.lattice @ turn,
        tuple(crystal.species[i] for i in order),
        crystal.occupancies[order],
        (crystal.fractional[order] + [0.1, 0.2, 0.3]) % 1.0,
        crystal.u_iso_angstrom2[order],
    )
    np.testing.assert_allclose(vector(plain, moved), here, atol=2e-4)
    primitive = Standard.from_stored(standardize(crystal).crystal).primitive
    np.testing.assert_allclose(vector(plain, primitive), here, atol=2e-2)
    doubled = Crystal(
        crystal.lattice * [[2], [1], [1]],
        crystal.species * 2,
        np.tile(crystal.occupancies, 2),
        np.concatenate([(crystal.fractional + np.array([i, 0, 0])) / [2, 1, 1] for i in range(2)]),
        np.tile(crystal.u_iso_angstrom2, 2),
    )
    np.testing.assert_allclose(vector(plain, doubled), here, atol=2e-3)


def test_elements_occupancies_places_and_cells_do_matter(plain: NumpyAtomsEncoder) -> None:
    here = vector(plain, CALCITE)
    fractional = CALCITE.fractional.copy()
    fractional[0, 0] += 0.1
    for other in (
        replace(CALCITE, species=tuple("Ba" if s == "Ca" else s for s in CALCITE.species)),
        replace(CALCITE, occupancies=np.where(np.array(CALCITE.species) == "Ca", 0.4, 1.0)),
        replace(CALCITE, fractional=fractional),
        replace(CALCITE, lattice=CALCITE.lattice * 1.03),
    ):
        assert vector(plain, other) @ here < 0.999


def test_it_learns_beside_a_profile_encoder_that_stays(pack: Pack) -> None:
    torch.manual_seed(0)
    beside = ProfileEncoder(TINY)
    recipe: Recipe = replace(RECIPE, steps=12, batch=12, rate=2e-3)
    training = AtomsTraining(pack, recipe, beside)
    kept = {name: weight.clone() for name, weight in beside.state_dict().items()}
    losses = [training.advance() for _ in range(12)]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    for name, weight in beside.state_dict().items():
        assert torch.equal(weight, kept[name])
    state: dict[str, Any] = training.state()
    again = AtomsTraining(pack, recipe, beside)
    again.resume(state)
    assert again.step == 12
    assert 0 <= again.validate()[1] <= 1
