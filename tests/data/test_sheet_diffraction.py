from __future__ import annotations

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.diffraction import lines_of
from data.errors import CrystalError
from data.form_factors import DEFAULT_U_ISO, form_factor
from data.profile import lorentz_polarisation
from data.sheet_diffraction import ROD_INV_ANGSTROM, amplitudes, rods_of, sheet_lines
from data.sheets import pairs_of
from data.thermal import CELLS, diffuse, snapshot_lines
from tests import crystals, layered


@pytest.mark.parametrize("name", layered.LAYERED)
def test_without_length_rods_are_the_reflections_of_the_plane(name: str) -> None:
    sheet = layered.sheet(layered.LAYERED[name])
    rods = rods_of(sheet, points=1)
    lines = rods.lines(np.abs(amplitudes(sheet, rods)) ** 2)
    every = lines_of(sheet)
    flat = every.hkl[:, 2] == 0
    assert lines.inv_d2 == pytest.approx(every.inv_d2[flat])
    by_d = lines.strength / np.sqrt(lines.inv_d2)
    assert by_d == pytest.approx(every.strength[flat], rel=1e-6, abs=1e-6)


def test_a_rod_is_integrated_over_what_the_slits_let_through() -> None:
    (pair,) = pairs_of(layered.MOLYBDENITE)
    rods = rods_of(pair, points=3)
    few = np.abs(amplitudes(pair, rods)) ** 2 @ rods.weights
    many = rods_of(pair, points=40)
    exact = np.abs(amplitudes(pair, many)) ** 2 @ many.weights
    assert few == pytest.approx(exact, rel=1e-4)
    assert np.abs(rods.vectors[..., 2]).max() < ROD_INV_ANGSTROM
    assert rods.weights.sum() == pytest.approx(1.0)


def test_the_lorentz_factor_of_a_powder_makes_that_of_a_sheet() -> None:
    # Equation 1: I = A·P / sin 2θ · |F|², for each hk and its equivalents alike.
    sheet, wavelength = layered.sheet(layered.MOLYBDENITE), 1.5406
    lines = sheet_lines(sheet)
    theta = np.arcsin(wavelength * np.sqrt(lines.inv_d2) / 2)
    drawn = lines.strength * lorentz_polarisation(np.degrees(2 * theta))
    net = sheet.lattice[:2, :2]
    expected = []
    for inv_d2 in lines.inv_d2:
        total = 0.0
        for h in range(-4, 5):
            for k in range(-4, 5):
                vector = np.linalg.inv(net) @ [h, k]
                if abs(vector @ vector - inv_d2) > 1e-6:
                    continue
                factor = 0j
                for symbol, place in zip(sheet.species, sheet.fractional, strict=True):
                    u = DEFAULT_U_ISO[42 if symbol == "Mo" else 16]
                    f = form_factor(symbol, np.array([inv_d2]))[0]
                    factor += (
                        f
                        * np.exp(-2 * np.pi**2 * u * inv_d2)
                        * np.exp(2j * np.pi * (h * place[0] + k * place[1]))
                    )
                total += abs(factor) ** 2
        expected.append(total)
    polarisation = 1 + np.cos(2 * theta) ** 2
    one = np.array(expected) * polarisation / np.sin(2 * theta)
    # A rod's ends lie a little farther out than its middle, where atoms scatter less.
    assert drawn / drawn[0] == pytest.approx(one / one[0], rel=0.01)


@pytest.mark.parametrize("crystal", [layered.MOLYBDENITE, layered.MOLYBDITE])
def test_lines_do_not_depend_on_the_cell_and_carry_its_indices(crystal: Crystal) -> None:
    sheet = layered.sheet(crystal)
    stored = standardize(sheet).crystal
    own, other = sheet_lines(sheet), sheet_lines(stored)
    assert other.inv_d2 == pytest.approx(own.inv_d2, rel=1e-4)
    assert other.strength == pytest.approx(own.strength, rel=1e-2, abs=1e-2)
    vectors = other.hkl @ np.linalg.inv(stored.lattice).T
    assert (vectors**2).sum(axis=1) == pytest.approx(other.inv_d2, rel=1e-6)


def test_weak_lines_are_dropped_where_asked() -> None:
    sheet = layered.sheet(layered.MOLYBDITE)
    every, strong = sheet_lines(sheet), sheet_lines(sheet, floor=0.05)
    assert 0 < len(strong) < len(every)


def test_what_fills_space_has_no_lines_of_a_sheet() -> None:
    with pytest.raises(CrystalError, match=r"no sheet: .* exfoliate it first"):
        sheet_lines(crystals.ROCK_SALT)


def test_nets_beyond_reason_are_refused() -> None:
    sheet = layered.sheet(layered.GRAPHITE)
    with pytest.raises(CrystalError, match="too many rods"):
        rods_of(sheet, d_min_angstrom=0.01)


def test_many_snapshots_are_the_sheet_and_what_it_scatters_diffusely() -> None:
    sheet = layered.sheet(layered.MOLYBDENITE)
    rng = np.random.default_rng(0)
    some = np.array([snapshot_lines(sheet, rng).strength for _ in range(400)])
    cells = CELLS[0] * CELLS[1]
    rods = rods_of(sheet)
    expected = sheet_lines(sheet).strength + diffuse(sheet, rods).strength / cells
    error = some.std(axis=0) / np.sqrt(len(some))
    assert (np.abs(some.mean(axis=0) - expected) < 4 * error).all()


def test_a_colder_sheet_scatters_more_and_an_unmoved_one_without_loss() -> None:
    sheet = layered.sheet(layered.MOLYBDENITE)
    still = snapshot_lines(sheet, np.random.default_rng(1), warmth=0.0)
    assert (still.strength > sheet_lines(sheet).strength).all()
    assert still.inv_d2 == pytest.approx(sheet_lines(sheet).inv_d2)
