from __future__ import annotations

from service.bench.speed import SMALL_ATOMS, beside_pymatgen, mof_5_primitive, small_crystals
from tests import crystals as literal


def test_mof_5_has_its_106_atoms() -> None:
    crystal = mof_5_primitive()
    assert crystal.composition == {"C": 48, "H": 24, "O": 26, "Zn": 8}


def test_small_crystals_are_ordered_and_around_twenty_atoms() -> None:
    chosen = small_crystals()
    assert len(chosen) == 60
    assert all(crystal.is_ordered and len(crystal) in SMALL_ATOMS for crystal in chosen)


def test_figures_stand_beside_their_reference() -> None:
    figures = beside_pymatgen([literal.RUTILE, literal.QUARTZ])
    assert (figures["crystals"], figures["atoms"]) == (2, 7.5)
    assert set(figures["braggle_ms"]) == set(figures["times_faster"])
    for key, milliseconds in figures["braggle_ms"].items():
        assert milliseconds > 0
        ratio = figures["pymatgen_ms"] / milliseconds
        assert abs(figures["times_faster"][key] / ratio - 1) < 0.05
