from __future__ import annotations

import dataclasses

import gemmi
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.crystal import Crystal
from data.diffraction import lines_of, lines_table
from data.errors import CrystalError
from data.form_factors import form_factor
from data.lines import Lines
from tests import crystals as literal
from tests.data.made_crystals import crystals, every_reflection, of_group, summed_by_d

P1 = (np.eye(3, dtype=np.int64)[None], np.zeros((1, 3)))


def same(one: Lines, other: Lines, factor: float = 1.0) -> None:
    x1, y1 = summed_by_d(one.inv_d2, one.strength)
    x2, y2 = summed_by_d(other.inv_d2, other.strength)
    np.testing.assert_allclose(x1, x2, rtol=1e-6)
    np.testing.assert_allclose(y1, factor * y2, rtol=1e-5, atol=1e-6 * y1.max())


@settings(max_examples=60, deadline=None)
@given(crystals())
@example(of_group(8, 210774))  # an absent line 4e-7 beside another
def test_lines_are_the_sum_over_every_reflection_of_the_sphere(crystal: Crystal) -> None:
    lines = lines_of(crystal, d_min_angstrom=1.6, default_u=0.01)
    x1, y1 = summed_by_d(lines.inv_d2, lines.strength)
    x2, y2 = summed_by_d(*every_reflection(crystal, 1.6, default_u=0.01))
    np.testing.assert_allclose(x1, x2, rtol=1e-9)
    np.testing.assert_allclose(y1, y2, rtol=1e-6, atol=1e-9 * y2.max())


@pytest.mark.parametrize("name", ["quartz", "calcite", "baddeleyite", "chalcanthite", "olivine"])
def test_literal_crystals_agree_with_the_definition(name: str) -> None:
    crystal = literal.ALL[name]
    lines = lines_of(crystal, d_min_angstrom=1.2, default_u=0.006)
    x1, y1 = summed_by_d(lines.inv_d2, lines.strength)
    x2, y2 = summed_by_d(*every_reflection(crystal, 1.2, default_u=0.006))
    np.testing.assert_allclose(x1, x2, rtol=1e-9)
    np.testing.assert_allclose(y1, y2, rtol=1e-6, atol=1e-9 * y2.max())


@settings(max_examples=15, deadline=None)
@given(crystals(groups=range(2, 231)))
def test_symmetry_saves_work_and_changes_nothing(crystal: Crystal) -> None:
    reduced = lines_of(crystal, d_min_angstrom=1.8)
    full = lines_of(crystal, d_min_angstrom=1.8, operations=P1)
    assert len(reduced) <= len(full)
    same(reduced, full)


@settings(max_examples=20, deadline=None)
@given(crystals(), st.tuples(*[st.floats(0, 1)] * 3))
def test_the_origin_does_not_matter(crystal: Crystal, shift: tuple[float, float, float]) -> None:
    moved = dataclasses.replace(crystal, fractional=(crystal.fractional + shift) % 1.0)
    same(lines_of(moved, d_min_angstrom=1.8), lines_of(crystal, d_min_angstrom=1.8))


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(range(1, 75)),
    st.integers(0, 1000),
    st.sampled_from(
        [
            [[1, 1, 0], [0, 1, 0], [0, 0, 1]],
            [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
            [[2, 0, 0], [0, 1, 0], [0, 0, 1]],
            [[1, 1, 0], [-1, 1, 0], [0, 1, 1]],
        ]
    ),
)
def test_another_cell_has_the_same_lines_stronger_by_its_size_squared(
    number: int, seed: int, change: list[list[int]]
) -> None:
    crystal = of_group(number, seed, volume_angstrom3=80.0)
    size = round(abs(np.linalg.det(change)))
    inverse = np.linalg.inv(change)
    steps = np.array([(i, j, 0) for i in range(size) for j in range(size)])
    images = ((crystal.fractional[None] + steps[:, None]) @ inverse).reshape(-1, 3) % 1.0
    rows = np.tile(np.arange(len(crystal)), len(steps))
    _, first = np.unique(
        np.column_stack([rows, np.round(images * 1e6) % 1e6]), axis=0, return_index=True
    )
    assert len(first) == size * len(crystal)
    rows = rows[first]
    larger = Crystal(
        np.array(change) @ crystal.lattice,
        tuple(crystal.species[row] for row in rows),
        crystal.occupancies[rows],
        images[first],
        crystal.u_iso_angstrom2[rows],
    )
    same(
        lines_of(larger, d_min_angstrom=1.8),
        lines_of(crystal, d_min_angstrom=1.8),
        factor=float(size**2),
    )


def test_the_primitive_cell_of_mof_5_has_the_lines_of_the_conventional_one() -> None:
    basis = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    images = literal.MOF_5.fractional @ np.linalg.inv(basis) % 1.0
    _, rows = np.unique(np.round(images * 1e4) % 1e4, axis=0, return_index=True)
    primitive = Crystal(
        basis @ literal.MOF_5.lattice,
        tuple(literal.MOF_5.species[row] for row in rows),
        literal.MOF_5.occupancies[rows],
        images[rows],
        literal.MOF_5.u_iso_angstrom2[rows],
    )
    assert len(primitive) == 106
    conventional = lines_of(literal.MOF_5, d_min_angstrom=1.5)
    assert len(lines_of(primitive, d_min_angstrom=1.5)) == len(conventional)
    same(conventional, lines_of(primitive, d_min_angstrom=1.5), factor=16.0)


def test_multiplicities_of_a_point_scatterer_count_the_lattice_points() -> None:
    crystal = Crystal(
        5.0 * np.eye(3), ("C",), np.ones(1), np.zeros((1, 3)), np.zeros(1), space_group_number=221
    )
    lines = lines_of(crystal, d_min_angstrom=1.0)
    multiplicities = lines.strength / form_factor("C", lines.inv_d2) ** 2
    points = [
        (h, k, m)
        for h in range(-5, 6)
        for k in range(-5, 6)
        for m in range(-5, 6)
        if 0 < h * h + k * k + m * m <= 25
    ]
    assert multiplicities.sum() == pytest.approx(len(points))
    of = {tuple(hkl): round(m) for hkl, m in zip(lines.hkl.tolist(), multiplicities, strict=True)}
    assert (of[1, 0, 0], of[1, 1, 0], of[1, 1, 1], of[3, 2, 1]) == (6, 12, 8, 48)
    assert (of[2, 2, 1], of[3, 0, 0]) == (24, 6)


def test_rock_salt_by_hand() -> None:
    lines = lines_of(literal.ROCK_SALT, d_min_angstrom=1.6, default_u=0.0)
    assert lines.hkl.tolist() == [[1, 1, 1], [2, 0, 0], [2, 2, 0], [3, 1, 1], [2, 2, 2]]
    sodium, chlorine = (form_factor(symbol, lines.inv_d2) for symbol in ("Na", "Cl"))
    signs = np.array([-1, 1, 1, -1, 1])
    expected = np.array([8, 6, 12, 24, 8]) * (4 * sodium + signs * 4 * chlorine) ** 2
    np.testing.assert_allclose(lines.strength, expected, rtol=1e-10)
    np.testing.assert_allclose(lines.inv_d2, np.array([3, 4, 8, 11, 12]) / 5.6402**2, rtol=1e-12)


@pytest.mark.parametrize(
    "number", [14, 36, 61, 70, 88, 122, 161, 194, 205, 206, 220, 227, 228, 230]
)
def test_absent_reflections_are_those_of_the_space_group(number: int) -> None:
    crystal = of_group(number, seed=number)
    group = gemmi.find_spacegroup_by_number(number)
    if group.ext == "1":
        group = gemmi.find_spacegroup_by_name(f"{group.hm}:2")
    operations = group.operations()
    lines = lines_of(crystal, d_min_angstrom=1.5)
    seen = {tuple(hkl) for hkl in lines.hkl.tolist()}
    assert not any(operations.is_systematically_absent(list(hkl)) for hkl in seen)
    unit = gemmi.UnitCell(*crystal.cell)
    unique = {
        tuple(hkl)
        for hkl in gemmi.make_miller_array(unit, group, 1.5, unique=True)
        if not operations.is_systematically_absent(hkl)
    }
    # gemmi keeps Friedel pairs together, too
    assert len(unique) == len(seen)


def test_a_floor_drops_the_weakest_lines_only() -> None:
    every = lines_of(literal.OLIVINE)
    height = every.strength / every.inv_d2
    some = lines_of(literal.OLIVINE, floor=1e-2)
    kept = height >= 1e-2 * height.max()
    assert 0 < kept.sum() < len(every)
    np.testing.assert_array_equal(some.hkl, every.hkl[kept])


def test_the_smallest_d_is_included_and_lines_ascend() -> None:
    crystal = dataclasses.replace(literal.CAESIUM_CHLORIDE, lattice=4.0 * np.eye(3))
    lines = lines_of(crystal, d_min_angstrom=1.0)
    assert [4, 0, 0] in lines.hkl.tolist()
    assert lines.inv_d2[-1] == pytest.approx(1.0)
    assert (np.diff(lines.inv_d2) >= 0).all()


def test_displacement_weakens_lines_as_debye_and_waller_say() -> None:
    still, moving = (
        lines_of(literal.SILICON, default_u=u, d_min_angstrom=0.8) for u in (0.0, 0.02)
    )
    expected = np.exp(-4 * np.pi**2 * 0.02 * still.inv_d2)
    np.testing.assert_allclose(moving.strength, still.strength * expected, rtol=1e-9)


def test_a_cell_without_a_reflection_in_reach_has_no_lines() -> None:
    assert len(lines_of(literal.SILICON, d_min_angstrom=50.0)) == 0


def test_oblique_cells_are_not_cut_short() -> None:
    oblique = np.array([[1, 0, 0], [7, 1, 0], [-5, 4, 1]])
    turned = Crystal(
        oblique @ literal.BADDELEYITE.lattice,
        literal.BADDELEYITE.species,
        literal.BADDELEYITE.occupancies,
        literal.BADDELEYITE.fractional @ np.linalg.inv(oblique) % 1.0,
        literal.BADDELEYITE.u_iso_angstrom2,
    )
    same(lines_of(turned, d_min_angstrom=1.2), lines_of(literal.BADDELEYITE, d_min_angstrom=1.2))


def test_a_table_holds_the_lines_of_each_crystal() -> None:
    some = [literal.RUTILE, literal.QUARTZ, literal.OLIVINE, literal.MOF_5]
    table = lines_table(some, d_min_angstrom=1.4, workers=2)
    assert len(table) == len(some)
    for row, crystal in enumerate(some):
        alone = lines_of(crystal, d_min_angstrom=1.4, floor=1e-4)
        np.testing.assert_array_equal(table[row].hkl, alone.hkl)
        np.testing.assert_allclose(table[row].strength, alone.strength, rtol=1e-6)
    assert len(lines_table([])) == 0


def test_a_table_takes_operations_of_some() -> None:
    table = lines_table([literal.RUTILE] * 2, operations=[P1, None])
    assert len(table[0]) > len(table[1])


def test_an_unknown_element_is_refused() -> None:
    crystal = dataclasses.replace(literal.SILICON, species=("Es",) * len(literal.SILICON))
    with pytest.raises(CrystalError, match="no X-ray form factor for 'Es'"):
        lines_of(crystal)


@pytest.mark.parametrize("lattice", [200.0 * np.eye(3), np.diag([5e4, 2.0, 2.0])])
def test_an_absurd_cell_is_refused(lattice: np.ndarray) -> None:
    crystal = dataclasses.replace(literal.CAESIUM_CHLORIDE, lattice=lattice)
    with pytest.raises(CrystalError, match="give a larger smallest d"):
        lines_of(crystal)
    assert len(lines_of(crystal, d_min_angstrom=30.0)) > 0


def test_a_smallest_d_of_nothing_is_refused() -> None:
    with pytest.raises(CrystalError, match="not positive"):
        lines_of(literal.SILICON, d_min_angstrom=0.0)


def test_form_factors_start_at_the_number_of_electrons() -> None:
    for number in range(1, 99):
        symbol = gemmi.Element(number).name
        assert form_factor(symbol, np.zeros(1))[0] == pytest.approx(number, abs=0.06)


def test_deuterium_scatters_as_hydrogen() -> None:
    axis = np.linspace(0, 1, 5)
    np.testing.assert_array_equal(form_factor("D", axis), form_factor("H", axis))
