"""Distances are counted as they should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from generator.distance.model import DistanceNetwork, DistanceShape
from generator.distance.training import DistanceRecipe
from generator.network.weights_file import write_weights
from tests import crystals
from tests.service.bench_crystals import library_of, renamed, scaled
from tests.service.conftest import Braggle

SMALL = DistanceShape(groups=6, widths=(8,), outer=2, pair_width=8, pair_blocks=1, components=2)
KNOWN = {
    "periclase": scaled(renamed(crystals.ROCK_SALT, Na="Mg", Cl="O"), 4.21 / 5.64),
    "lime": scaled(renamed(crystals.ROCK_SALT, Na="Ca", Cl="O"), 4.81 / 5.64),
    "rutile": crystals.RUTILE,
    "cassiterite": renamed(crystals.RUTILE, Ti="Sn"),
}


def written(folder: Path) -> Path:
    torch.manual_seed(0)
    path = folder / "six.safetensors"
    write_weights(DistanceNetwork(SMALL), DistanceRecipe(shape=SMALL), path)
    return path


def test_networks_stand_beside_their_controls(braggle: Braggle, tmp_path: Path) -> None:
    library = library_of(KNOWN, tmp_path / "made")
    weights = written(tmp_path)
    (tmp_path / "formulas.txt").write_text("CaO SnO2\n")
    words = ("bench", "distances", tmp_path / "formulas.txt", "-l", library.path)
    done = braggle(*words, "--weights", weights, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["crystals"], told["formulas"]) == (2, 2)
    assert told["networks"].keys() == {"six", "six, space group told"}
    assert told["controls"].keys() == {"nearest_formula", "one_distance"}
    for table in (*told["networks"].values(), *told["controls"].values()):
        assert table["all"]["crystals"] == table["type_known"]["crystals"] == 2
        row = table["all"]
        assert row["rmse_angstrom"] ** 2 <= row["mse_angstrom2"] + 1e-3
        assert 0 <= row["overlap"] <= 1
    # An isotype of about the same size stands in the library for each.
    assert told["controls"]["nearest_formula"]["all"]["rmse_angstrom"] < 0.2
    assert told["within_8_angstrom"] == 1.0
    shown = braggle(*words, "--weights", weights)
    assert "control: nearest formula" in shown.stdout


def test_controls_know_no_crystal_of_the_formulas(braggle: Braggle, tmp_path: Path) -> None:
    library = library_of(KNOWN, tmp_path / "made")
    (tmp_path / "formulas.txt").write_text("CaO MgO\n")
    words = ("bench", "distances", tmp_path / "formulas.txt", "-l", library.path)
    done = braggle(*words, "--weights", written(tmp_path), "--json")
    assert done.exit_code == 0, done.stderr
    controls = json.loads(done.stdout)["controls"]
    # Each is the other's isotype, but may not be looked at: nothing of as many atoms is left.
    assert controls["nearest_formula"] == controls["one_distance"]
    assert controls["one_distance"].keys() == {"all", "type_unknown", "binary"}
    (tmp_path / "formulas.txt").write_text("CaO MgO TiO2 SnO2\n")
    nothing = braggle(*words, "--weights", written(tmp_path))
    assert nothing.exit_code == 1
    assert "has no crystal of other formulas for the controls" in nothing.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (("--weights", "missing.safetensors"), "missing.safetensors: no such file of weights"),
        ((), "has no ordered crystal of these formulas"),
    ],
)
def test_what_is_missing_is_said(
    braggle: Braggle, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    library = library_of({"rutile": crystals.RUTILE}, tmp_path / "made")
    (tmp_path / "formulas.txt").write_text("CaO\n")
    done = braggle("bench", "distances", tmp_path / "formulas.txt", "-l", library.path, *words)
    assert done.exit_code == 1
    assert said in done.stderr
