from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.periodic_table import DummySpecies
from pymatgen.core.structure import Structure

from data.canonical import crystal_id
from data.crystal import Crystal
from data.errors import CrystalError
from data.formula import density_g_cm3
from data.pymatgen_bridge import from_pymatgen, to_pymatgen
from tests import crystals


@pytest.mark.parametrize("name", sorted(crystals.ALL))
def test_there_and_back(name: str) -> None:
    crystal = crystals.ALL[name]
    structure = to_pymatgen(crystal)
    back = from_pymatgen(structure, space_group_number=crystal.space_group_number)
    assert crystal_id(back) == crystal_id(crystal)
    np.testing.assert_array_equal(back.lattice, crystal.lattice)
    assert structure.composition.as_dict() == pytest.approx(crystal.composition)
    assert structure.density == pytest.approx(density_g_cm3(crystal), rel=1e-3)
    assert structure.volume == pytest.approx(crystal.volume_angstrom3)


def test_species_on_one_site_become_one_site() -> None:
    structure = to_pymatgen(crystals.OLIVINE)
    assert len(structure) == 28
    assert {str(s): n for s, n in structure[0].species.items()} == {"Mg": 0.9, "Fe": 0.1}


def test_displacements_travel() -> None:
    u_iso = np.where(np.array(crystals.RUTILE.species) == "Ti", 0.005, np.nan)
    crystal = replace(crystals.RUTILE, u_iso_angstrom2=u_iso)
    back = from_pymatgen(to_pymatgen(crystal))
    np.testing.assert_array_equal(back.u_iso_angstrom2, u_iso)


def test_charges_are_dropped_and_deuterium_is_hydrogen() -> None:
    structure = Structure(Lattice.cubic(4), ["Na+", "D"], np.array([[0, 0, 0], [1.5, -0.25, 0.5]]))
    crystal = from_pymatgen(structure)
    assert crystal.species == ("Na", "H")
    np.testing.assert_allclose(crystal.fractional[1], [0.5, 0.75, 0.5])


def test_what_is_no_element_is_refused() -> None:
    structure = Structure(Lattice.cubic(4), [DummySpecies("X")], [[0, 0, 0]])
    with pytest.raises(CrystalError, match="no element"):
        from_pymatgen(structure)
    with pytest.raises(CrystalError, match="no atoms"):
        from_pymatgen(Structure(Lattice.cubic(4), [], np.zeros((0, 3))))


def test_a_site_filled_more_than_once_is_scaled() -> None:
    crystal = Crystal(np.eye(3) * 4, ("Cd", "O"), np.ones(2), np.zeros((2, 3)), np.full(2, np.nan))
    assert to_pymatgen(crystal)[0].species.as_dict() == {"Cd": 0.5, "O": 0.5}
