from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.canonical import (
    CRYSTAL_SYSTEMS,
    Standard,
    crystal_id,
    crystal_system,
    operations_of,
    space_group_symbol,
    standardize,
)
from data.crystal import Crystal
from data.sites import grouped
from tests import crystals
from tests.data.settings import general_crystal, rewritten, wrapped

IDS = {name: crystal_id(crystal) for name, crystal in crystals.ALL.items()}
SMALL = sorted(set(crystals.ALL) - {"MOF-5"})
SEEDS = st.integers(0, 2**32 - 1)


def unmatched(crystal: Crystal, images: NDArray[np.float64], tolerance_angstrom: float) -> int:
    """How many of the images, one for each row, are no atom of the same kind."""
    kinds = np.array(
        [f"{s} {n:.4f}" for s, n in zip(crystal.species, crystal.occupancies, strict=True)]
    )
    apart = images[:, None] - crystal.fractional[None]
    distance = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=-1)
    distance[kinds[:, None] != kinds[None]] = np.inf
    return int((distance.min(axis=1) > tolerance_angstrom).sum())


def assert_obeys(standard: Standard) -> None:
    crystal = standard.crystal
    metric = crystal.lattice @ crystal.lattice.T
    step = max(len(standard.rotations) // 12, 1)
    for rotation, translation in zip(
        standard.rotations[::step], standard.translations[::step], strict=True
    ):
        np.testing.assert_allclose(rotation.T @ metric @ rotation, metric, atol=1e-6)
        assert unmatched(crystal, crystal.fractional @ rotation.T + translation, 1e-4) == 0


@pytest.mark.parametrize("name", sorted(crystals.ALL))
def test_literal_crystals_keep_their_space_group(name: str) -> None:
    crystal = crystals.ALL[name]
    standard = standardize(crystal)
    assert standard.crystal.space_group_number == crystal.space_group_number
    assert standard.primitive.space_group_number == crystal.space_group_number
    assert gemmi.SpaceGroup(crystal.space_group_number).number == crystal.space_group_number


@pytest.mark.parametrize("number", range(1, 231))
def test_operations_by_number_fit_the_standard_cell_of_every_space_group(number: int) -> None:
    standard = standardize(general_crystal(number))
    assert standard.crystal.space_group_number == number
    assert len(standard.rotations) * 2 == len(standard.crystal)
    assert_obeys(standard)
    share = len(standard.primitive) / len(standard.crystal)
    volumes = standard.primitive.volume_angstrom3 / standard.crystal.volume_angstrom3
    assert share == pytest.approx(volumes)


@pytest.mark.parametrize("name", SMALL)
def test_special_positions_and_disorder_obey_the_operations(name: str) -> None:
    assert_obeys(standardize(crystals.ALL[name]))


def test_conventional_and_primitive_cells_have_the_textbook_sizes() -> None:
    standard = standardize(crystals.MOF_5)
    assert (len(standard.crystal), len(standard.primitive)) == (424, 106)
    assert standard.crystal.cell == pytest.approx((25.832, 25.832, 25.832, 90, 90, 90))
    assert standard.primitive.cell == pytest.approx((*[25.832 / 2**0.5] * 3, 60, 60, 60))
    assert standard.hall_number == 523


def test_a_stored_crystal_needs_no_search() -> None:
    standard = standardize(crystals.OLIVINE)
    again = Standard.from_stored(standard.crystal)
    assert again.crystal is standard.crystal
    assert again.hall_number == standard.hall_number
    np.testing.assert_array_equal(again.rotations, standard.rotations)
    np.testing.assert_array_equal(again.primitive.fractional, standard.primitive.fractional)


def test_coordinates_are_idealised() -> None:
    rough = replace(crystals.RUTILE, fractional=wrapped(crystals.RUTILE.fractional + 1e-4))
    noise = np.random.default_rng(3).normal(size=(6, 3)) * 1e-4
    rough = replace(rough, fractional=wrapped(rough.fractional + noise))
    assert standardize(rough).crystal.space_group_number == 136
    assert_obeys(standardize(rough))


def test_displacements_and_shared_sites_come_through() -> None:
    crystal = crystals.OLIVINE
    u_iso = np.array([{"Mg": 0.004, "Fe": 0.005, "Si": np.nan, "O": 0.007}[s]
                      for s in crystal.species])  # fmt: skip
    standard = standardize(rewritten(replace(crystal, u_iso_angstrom2=u_iso),
                                     np.random.default_rng(1), copies=2))  # fmt: skip
    for form in (standard.crystal, standard.primitive):
        assert form.composition == pytest.approx(crystal.composition)
        found = dict(zip(form.species, form.u_iso_angstrom2, strict=True))
        assert found == pytest.approx({"Mg": 0.004, "Fe": 0.005, "Si": np.nan, "O": 0.007},
                                      nan_ok=True)  # fmt: skip
        assert grouped(form.fractional, form.lattice).max() + 1 == 28


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(SMALL), seed=SEEDS, copies=st.integers(1, 3))
def test_the_id_does_not_depend_on_how_the_cell_is_chosen(
    name: str, seed: int, copies: int
) -> None:
    other = rewritten(crystals.ALL[name], np.random.default_rng(seed), copies=copies)
    assert crystal_id(other) == IDS[name]


@settings(max_examples=40, deadline=None)
@given(number=st.integers(1, 230), seed=SEEDS)
def test_the_id_does_not_depend_on_the_setting_in_any_space_group(number: int, seed: int) -> None:
    crystal = general_crystal(number)
    assert crystal_id(rewritten(crystal, np.random.default_rng(seed))) == crystal_id(crystal)


def test_the_id_of_a_large_cell_does_not_depend_on_its_setting() -> None:
    rng = np.random.default_rng(5)
    assert crystal_id(rewritten(crystals.MOF_5, rng)) == IDS["MOF-5"]
    assert crystal_id(standardize(crystals.MOF_5).primitive) == IDS["MOF-5"]


@pytest.mark.parametrize("name", SMALL)
def test_floating_point_noise_does_not_alter_the_id(name: str) -> None:
    rng = np.random.default_rng(11)
    for _ in range(5):
        noisy = rewritten(crystals.ALL[name], rng, noise_angstrom=1e-7)
        assert crystal_id(noisy) == IDS[name]


@pytest.mark.parametrize("name", SMALL)
def test_canonical_forms_of_one_crystal_share_the_id(name: str) -> None:
    standard = standardize(crystals.ALL[name])
    assert crystal_id(standard) == IDS[name]
    assert crystal_id(standard.primitive) == IDS[name]
    assert crystal_id(standardize(standard.crystal)) == IDS[name]


def test_mirror_images_share_an_id() -> None:
    left = replace(crystals.QUARTZ, fractional=wrapped(-crystals.QUARTZ.fractional))
    assert standardize(left).crystal.space_group_number == 152
    assert crystal_id(left) == IDS["quartz"]


def test_different_crystals_have_different_ids() -> None:
    assert len(set(IDS.values())) == len(IDS)


@pytest.mark.parametrize("name", SMALL)
def test_an_atom_moved_by_a_fiftieth_of_an_angstrom_makes_another_crystal(name: str) -> None:
    crystal = crystals.ALL[name]
    fractional = np.array(crystal.fractional)
    fractional[-1] += np.array([0.012, 0.010, -0.012]) @ np.linalg.inv(crystal.lattice)
    assert crystal_id(replace(crystal, fractional=wrapped(fractional))) != IDS[name]


@pytest.mark.parametrize("name", SMALL)
def test_other_cells_occupancies_and_elements_make_other_crystals(name: str) -> None:
    crystal = crystals.ALL[name]
    assert crystal_id(replace(crystal, lattice=crystal.lattice * 1.001)) != IDS[name]
    shares = np.where(np.array(crystal.species) == crystal.species[0], 0.95, 1.0)
    assert crystal_id(replace(crystal, occupancies=crystal.occupancies * shares)) != IDS[name]
    heavier = tuple("Tl" if s == crystal.species[0] else s for s in crystal.species)
    assert crystal_id(replace(crystal, species=heavier)) != IDS[name]


@pytest.mark.parametrize("name", ["rutile", "anatase", "fluorite", "quartz", "calcite", "olivine"])
def test_swapped_elements_make_another_crystal(name: str) -> None:
    crystal = crystals.ALL[name]
    first, second = sorted(set(crystal.species))[:2]
    swap = {first: second, second: first}
    swapped = replace(crystal, species=tuple(swap.get(s, s) for s in crystal.species))
    assert crystal_id(swapped) != IDS[name]


def test_atoms_in_one_place_without_symmetry_still_have_a_form() -> None:
    crystal = Crystal(
        lattice=np.diag([4.0, 5.0, 6.0]),
        species=("Fe", "Fe", "O"),
        occupancies=np.array([0.7, 0.6, 0.2]),
        fractional=np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]),
        u_iso_angstrom2=np.full(3, np.nan),
    )
    assert standardize(crystal).crystal.composition == pytest.approx({"Fe": 1.0, "O": 0.2})


def test_where_no_symmetry_is_found_the_given_cell_is_reduced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("data.canonical._dataset", lambda *_: None)
    skewed = rewritten(crystals.RUTILE, np.random.default_rng(2))
    standard = standardize(skewed)
    assert standard.crystal.space_group_number == 1
    assert sorted(standard.crystal.cell[:3]) == pytest.approx([2.9587, 4.5937, 4.5937])
    assert crystal_id(skewed) == crystal_id(crystals.RUTILE)


@pytest.mark.parametrize(
    "number, symbol", [(2, "P-1"), (14, "P21/c"), (62, "Pnma"), (167, "R-3c"), (225, "Fm-3m")]
)
def test_symbols_are_the_short_ones(number: int, symbol: str) -> None:
    assert space_group_symbol(number) == symbol


def test_systems_are_cut_where_the_tables_cut_them() -> None:
    # First numbers in International Tables A; trigonal and hexagonal are two systems.
    first = [1, 3, 16, 75, 143, 168, 195, 231]
    for system, start, end in zip(CRYSTAL_SYSTEMS, first, first[1:], strict=False):
        assert {crystal_system(number) for number in range(start, end)} == {system}


def test_operations_include_the_centrings() -> None:
    rotations, translations = operations_of(225)
    assert rotations.shape == (192, 3, 3)
    assert translations.shape == (192, 3)
