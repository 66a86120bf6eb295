"""What is known of a sample: crystals that agree with it, and cells in other settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import Standard, standardize
from data.crystal import Crystal
from data.errors import QueryError
from data.preparation import prepare
from data.profile import simulate_pattern
from generator.candidate import Cell, Task
from generator.known import agrees, check_known, in_known_cell, lattice_of_cell
from generator.ligands import holds_ligands
from tests import crystals

# Pbnm, as olivine is written in mineralogy; the standard setting is Pnma.
PBNM: Cell = (4.762, 10.225, 5.994, 90.0, 90.0, 90.0)


def standard(name: str) -> Crystal:
    return standardize(crystals.ALL[name]).crystal


@pytest.fixture(scope="module")
def task() -> Task:
    return Task({"Ti": 1.0, "O": 2.0}, prepared=prepare(simulate_pattern(crystals.RUTILE)))


def cell_of(lattice: np.ndarray) -> Cell:
    return replace(crystals.RUTILE, lattice=lattice).cell


def test_nothing_known_agrees_with_everything(task: Task) -> None:
    assert agrees(task, standard("quartz"))


def test_the_space_group_is_the_known_one_or_its_mirror_image(task: Task) -> None:
    quartz = standard("quartz")
    assert quartz.space_group_number in {152, 154}
    assert all(agrees(replace(task, space_group=one), quartz) for one in (152, 154))
    assert not agrees(replace(task, space_group=155), quartz)


def test_formula_units_are_counted(task: Task) -> None:
    assert agrees(replace(task, formula_units=2), standard("rutile"))
    assert not agrees(replace(task, formula_units=4), standard("rutile"))
    assert agrees(replace(task, formula_units=4), standard("anatase"))


@pytest.mark.parametrize("name", ["rutile", "anatase", "quartz", "baddeleyite", "chalcanthite"])
def test_a_cell_is_known_in_any_setting(task: Task, name: str) -> None:
    crystal = standard(name)
    for lattice in (
        crystal.lattice,
        crystal.lattice[[2, 0, 1]],
        np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1]]) @ crystal.lattice,
        Standard.from_stored(crystal).primitive.lattice,
    ):
        cell = cell_of(lattice * 1.01)
        assert agrees(replace(task, cell=cell), crystal), cell
    longer = crystal.lattice * np.array([[1.0], [1.0], [1.08]])
    assert not agrees(replace(task, cell=cell_of(longer)), crystal)
    assert not agrees(replace(task, cell=cell_of(crystal.lattice * 1.05)), crystal)


def test_a_cell_is_laid_out_like_the_crystal_it_is_for() -> None:
    olivine = standard("olivine")
    assert olivine.space_group_number == 62
    lattice = in_known_cell(olivine, PBNM)
    assert lattice is not None
    np.testing.assert_allclose(np.linalg.norm(lattice, axis=1), olivine.cell[:3])
    # A hexagonal cell, not quite as it should be.
    quartz = standard("quartz")
    lattice = in_known_cell(quartz, (4.91, 4.92, 5.41, 90.1, 90.0, 119.9))
    assert lattice is not None
    found = replace(quartz, lattice=lattice).cell
    assert found[:2] == pytest.approx([np.sqrt(4.91 * 4.92)] * 2)
    assert found[3:] == pytest.approx((90.0, 90.0, 120.0))
    assert in_known_cell(quartz, PBNM) is None
    assert in_known_cell(standard("rutile"), (4.6, 4.6, 2.4, 90, 90, 90)) is None


def test_a_lattice_has_the_cell_it_was_made_of() -> None:
    cell = (5.0, 6.0, 7.0, 80.0, 95.0, 110.0)
    assert cell_of(lattice_of_cell(cell)) == pytest.approx(cell)


def test_cells_that_cannot_be_are_refused(task: Task) -> None:
    check_known(replace(task, cell=PBNM, space_group=62), 30.0)
    with pytest.raises(QueryError, match="it is not cubic, as space group Fm-3m is"):
        check_known(replace(task, cell=PBNM, space_group=225), 30.0)
    with pytest.raises(QueryError, match="no room for 20 x TiO2, which takes about 800 Å³"):
        check_known(replace(task, cell=PBNM, formula_units=20), 40.0)


def test_ligands_are_found_as_molecules() -> None:
    mof = standard("MOF-5")
    terephthalate = {"C": 8.0, "H": 4.0, "O": 4.0}
    assert holds_ligands(mof, [terephthalate, {"O": 1.0}])
    assert not holds_ligands(mof, [{"C": 6.0, "H": 6.0}])
    assert not holds_ligands(mof, [terephthalate, {"N": 1.0}])
    assert holds_ligands(standard("calcite"), [{"C": 1.0, "O": 3.0}])
    assert holds_ligands(standard("silicon"), [])
    assert holds_ligands(standard("silicon"), [{"H": 2.0}])  # hydrogen is not looked for
