from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.canonical import standardize
from data.pattern import Pattern
from data.preparation import prepare
from data.profile import simulate
from data.radiation import CU_KA
from data.sheet_diffraction import sheet_lines
from data.sheets import sheet_of
from indexer.sheets.axes import CELL_TOKENS, MOST_PEAKS, MOST_RODS, SITE_FEATURES
from indexer.sheets.channel import geometry_in_frame
from indexer.sheets.tokens import FAINTEST, Geometry, geometry_of, texture_of
from tests import layered

NAMES = sorted([*layered.LAYERED, "molybdite"])


def crystal_named(name: str) -> object:
    return layered.MOLYBDITE if name == "molybdite" else layered.LAYERED[name]


def as_a_set(geometry: Geometry) -> np.ndarray:
    """Sites in an order of their own."""
    rows = np.column_stack([geometry.elements, geometry.sites])
    return np.asarray(rows[np.lexsort(np.round(rows, 3).T[::-1])])


def agree(one: Geometry, other: Geometry) -> None:
    assert one.cell == pytest.approx(other.cell, abs=2e-3)
    assert one.rods == pytest.approx(other.rods, abs=2e-2)
    assert as_a_set(one) == pytest.approx(as_a_set(other), abs=2e-2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(NAMES))
def test_tokens_do_not_depend_on_how_a_sheet_is_described(seed: int, name: str) -> None:
    sheet = layered.sheet(crystal_named(name))  # type: ignore[arg-type]
    other = sheet_of(layered.turned(sheet, np.random.default_rng(seed)))
    assert other is not None
    agree(geometry_of(other), geometry_of(sheet))


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_sheet_has_the_tokens_of_the_sheet(name: str) -> None:
    sheet = layered.sheet(crystal_named(name))  # type: ignore[arg-type]
    agree(geometry_in_frame(standardize(sheet)), geometry_of(sheet))


def test_tokens_of_molybdenite() -> None:
    sheet = layered.sheet(layered.MOLYBDENITE)
    geometry = geometry_of(sheet)
    cell = dict(zip(CELL_TOKENS, geometry.cell, strict=True))
    assert np.exp([cell["a"], cell["b"]]) == pytest.approx([3.1602, 3.1602], abs=1e-3)
    assert np.degrees(cell["γ"]) == pytest.approx(120.0)
    rows = 3.1602 * np.sqrt(3) / 2
    assert np.exp([cell["d(10)"], cell["d(01)"], cell["d(1-1)"]]) == pytest.approx(rows, abs=1e-3)
    assert geometry.elements.tolist() == [16, 16, 42]
    assert geometry.sites.shape == (3, SITE_FEATURES)


@pytest.mark.parametrize("name", NAMES)
def test_rods_are_the_largest_lines_of_the_sheet(name: str) -> None:
    sheet = layered.sheet(crystal_named(name))  # type: ignore[arg-type]
    rods = geometry_of(sheet).rods
    lines = sheet_lines(sheet, floor=FAINTEST)
    kept = np.sort(np.argsort(-lines.strength / lines.inv_d2)[:MOST_RODS])
    assert rods[:, 0] == pytest.approx(np.log(lines.q_inv_angstrom[kept]), abs=1e-6)
    strength = lines.strength[kept]
    assert rods[:, 1] == pytest.approx(np.log(strength / strength.max()), abs=1e-3)
    assert rods[:, 1].max() == 0.0


def test_phases_of_sites_add_up_to_the_strength_of_a_reflection() -> None:
    geometry = geometry_of(layered.sheet(layered.MOLYBDENITE))
    weights = geometry.elements / geometry.elements.sum()
    # Σ Z_j Re(phase_j · conj(F)) / Σ Z is |F|² over (Σ Z)²; all imaginary parts cancel.
    shares = weights @ geometry.sites[:, :24]
    assert (shares[:12] >= -1e-9).all()
    assert shares[12:] == pytest.approx(0.0, abs=1e-9)
    assert shares[0] == pytest.approx(abs(42 + 32 * np.exp(2j * np.pi / 3)) ** 2 / 74**2)


def test_tokens_of_a_pattern_are_its_lines() -> None:
    lines = sheet_lines(layered.sheet(layered.MOLYBDITE))
    axis = np.arange(5.0, 90.0, 0.02)
    profile = simulate(lines, CU_KA, two_theta_deg=axis)
    pattern = Pattern("two_theta", axis, 1e5 * profile / profile.max() + 20, None, CU_KA, "given")
    texture = texture_of(prepare(pattern))
    assert 10 < len(texture.ln_q) <= MOST_PEAKS
    assert (np.diff(texture.ln_q) > 0).all()
    assert texture.log_strength.max() == 0.0
    own = np.log(lines.q_inv_angstrom)
    strongest = texture.ln_q[np.argmax(texture.log_strength)]
    assert np.abs(own - strongest).min() < 1e-3
