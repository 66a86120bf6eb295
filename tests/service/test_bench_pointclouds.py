"""Reconstructions and drawn structures are counted as they should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.canonical import standardize
from data.crystal import Crystal
from generator.chemistry import AtomicVolumes
from generator.network.weights_file import write_weights
from generator.pointcloud.cloud import CellScale
from generator.pointcloud.model import CloudNetwork, CloudShape
from generator.pointcloud.training import CloudRecipe
from service.bench import drawn_structures
from service.bench.drawn_structures import DRAWN, EXCHANGED, RANDOM, chosen_systems, exchanged_mould
from service.bench.pointclouds import AS_IT_IS, MEANS, NETWORK, figures, means_of
from tests import crystals
from tests.generator.pointcloud.clouds import Drawing, cloud_of
from tests.service.bench_crystals import library_of, renamed, scaled
from tests.service.conftest import Braggle

SMALL = CloudShape(width=32, heads=2, layers=2, told=24)
PEROVSKITE = Crystal(
    lattice=3.9 * np.eye(3),
    species=("Sr", "Ti", "O", "O", "O"),
    occupancies=np.ones(5),
    fractional=np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]),
    u_iso_angstrom2=np.full(5, np.nan),
    space_group_number=221,
)
KNOWN = {
    "periclase": scaled(renamed(crystals.ROCK_SALT, Na="Mg", Cl="O"), 4.21 / 5.64),
    "perovskite": PEROVSKITE,
    "rutile": crystals.RUTILE,
    "cassiterite": renamed(crystals.RUTILE, Ti="Sn"),
}


def plain(crystal: Crystal) -> Crystal:
    return replace(standardize(crystal).primitive, space_group_number=1)


def moved(crystal: Crystal, atom: int, by: list[float]) -> Crystal:
    places = crystal.fractional.copy()
    places[atom] = (places[atom] + by) % 1.0
    return replace(crystal, fractional=places)


def test_errors_are_those_of_the_nearest_image() -> None:
    truth = plain(PEROVSKITE)
    zero = int(np.abs(truth.fractional).sum(axis=1).argmin())
    found = figures(truth, moved(truth, zero, [-0.01, 0.0, 0.0]))
    assert [found["atoms_right"], found["formula_right"], found["same"]] == [True] * 3
    # The atom at 0 is now at 0.99: one percent of the cell, not ninety-nine.
    assert max(found["away_angstrom"]) == pytest.approx(0.039, abs=1e-3)
    assert np.abs(found["places_percent"]).max() == pytest.approx(1.0, abs=1e-6)
    longer = figures(truth, replace(truth, lattice=truth.lattice * 1.02))
    np.testing.assert_allclose(longer["lengths_percent"], 2.0, atol=1e-3)


def test_atoms_are_paired_whatever_their_order() -> None:
    truth = plain(PEROVSKITE)
    order = [4, 2, 0, 1, 3]
    shuffled = replace(
        truth,
        species=tuple(truth.species[i] for i in order),
        fractional=truth.fractional[order],
    )
    assert max(figures(truth, shuffled)["away_angstrom"]) < 1e-6
    fewer = replace(
        truth, species=truth.species[1:], fractional=truth.fractional[1:],
        occupancies=truth.occupancies[1:], u_iso_angstrom2=truth.u_iso_angstrom2[1:],
    )  # fmt: skip
    assert figures(truth, fewer) == {"atoms_right": False, "formula_right": False, "same": False}
    assert not figures(truth, None)["atoms_right"]


def test_the_means_of_points_are_told_whose_they_are() -> None:
    truth = plain(PEROVSKITE)
    found = means_of(truth, cloud_of(PEROVSKITE, scatter=0.08))
    assert found is not None
    assert figures(truth, found)["atoms_right"]


def test_an_exchange_keeps_the_type_and_the_oxygen() -> None:
    ten = dict.fromkeys(("La", "Ni", "O"), 10.0)
    volumes = AtomicVolumes({"salt": ten, "metal": ten, "molecules": ten})
    made = exchanged_mould(("La", "Ni", "O"), [PEROVSKITE], volumes, np.random.default_rng(0))
    assert sorted(made.composition.values()) == [1, 1, 3]
    assert made.composition["O"] == 3
    assert made.volume_angstrom3 == pytest.approx(50.0)
    systems = chosen_systems(40)
    assert len(set(systems)) == 40
    assert all(one[2] == "O" for one in systems)


@pytest.mark.usefixtures("one_thread")
def test_the_network_stands_beside_its_controls(
    braggle: Braggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn_structures, "has_chgnet", lambda: False)
    monkeypatch.setattr(drawn_structures, "drawn", Drawing([PEROVSKITE]))
    monkeypatch.setattr(
        drawn_structures, "chosen_systems", lambda count: [("Sr", "Ti", "O")] * count
    )
    library = library_of(KNOWN, tmp_path / "made")
    torch.manual_seed(0)
    network = CloudNetwork(SMALL)
    mean = torch.tensor([1.5, 1.5, 1.5, 90.0, 90.0, 90.0])
    network.set_scale(CellScale(mean, torch.tensor([0.3, 0.3, 0.3, 15.0, 15.0, 15.0])))
    write_weights(network, CloudRecipe(shape=SMALL), tmp_path / "small.safetensors")
    (tmp_path / "formulas.txt").write_text("MgO SnO2\n")
    asked = (
        "bench", "pointclouds", tmp_path / "formulas.txt", "-l", library.path,
        "--weights", tmp_path / "small.safetensors", "--structures", 4, "--systems", 2,
        "--noise", 0.02, "--keep", tmp_path / "kept.jsonl",
    )  # fmt: skip
    done = braggle(*asked, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["reconstruction"]["crystals"] == 2
    assert told["reconstruction"]["longer_than_15_angstrom"] == 0
    groups = told["reconstruction"]["times"]["0.02"]
    assert groups.keys() == {"all", "to_15_angstrom"}
    assert groups["all"].keys() == {NETWORK, AS_IT_IS, MEANS}
    # So little noise hides nothing: clusters see all atoms, and the means are where they were.
    for name in (AS_IT_IS, MEANS):
        row = groups["all"][name]
        assert row["atoms_right"] == row["formula_right"] == 1.0
        assert row["away_angstrom"]["median"] < 0.1
        assert row["within_a"] == 1.0
    drawn = told["generation"]
    assert drawn["energies"].startswith("not measured")
    assert drawn[DRAWN]["structures"] == 4
    assert drawn["clouds"] == 6  # a call draws one: two clouds, then the one that is missing
    assert drawn[DRAWN]["structure_known"] == 1.0
    assert drawn[EXCHANGED]["structures"] == 4
    assert drawn[RANDOM]["structures"] <= 4
    again = braggle(*asked)
    assert again.exit_code == 0, again.stderr
    assert "2 crystals out of their noise" in again.stdout
    assert {"network", "noised", "mean", "symmetric"} <= set(again.stdout.split())


@pytest.mark.parametrize(
    "words, said",
    [
        (("--weights", "missing.safetensors"), "missing.safetensors: no such file of weights"),
        ((), "has no ordered crystal of these formulas of at most 3 elements"),
    ],
)
def test_what_is_missing_is_said(
    braggle: Braggle, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    library = library_of({"rutile": crystals.RUTILE}, tmp_path / "made")
    (tmp_path / "formulas.txt").write_text("CaO\n")
    done = braggle("bench", "pointclouds", tmp_path / "formulas.txt", "-l", library.path, *words)
    assert done.exit_code == 1
    assert said in done.stderr
