"""To and from pymatgen: its `Structure` appears here, at the edge, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.crystal import Crystal
from data.errors import CrystalError
from data.formula import is_element
from data.sites import grouped

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure


def from_pymatgen(structure: Structure, *, space_group_number: int = 1) -> Crystal:
    """The crystal of a pymatgen structure; charges are dropped, deuterium becomes hydrogen.

    A site property `u_iso` (Å²), as `to_pymatgen` writes it, is kept.

    Raises:
        CrystalError: the structure has no atoms, or a species that is no element.
    """
    species: list[str] = []
    occupancies: list[float] = []
    fractional: list[list[float]] = []
    u_iso: list[float] = []
    for site in structure:
        displacement = site.properties.get("u_iso")
        for specie, occupancy in site.species.items():
            symbol = "H" if specie.symbol in ("D", "T") else str(specie.symbol)
            if not is_element(symbol):
                raise CrystalError(f"species {specie} is no element; replace it or leave it out")
            species.append(symbol)
            occupancies.append(float(occupancy))
            fractional.append([float(x) for x in site.frac_coords])
            u_iso.append(np.nan if displacement is None else float(displacement))
    positions = np.array(fractional, dtype=np.float64).reshape(-1, 3)
    positions -= np.floor(positions)
    positions[positions >= 1.0] = 0.0
    return Crystal(
        lattice=np.array(structure.lattice.matrix, dtype=np.float64),
        species=tuple(species),
        occupancies=np.array(occupancies),
        fractional=positions,
        u_iso_angstrom2=np.array(u_iso),
        space_group_number=space_group_number,
    )


def to_pymatgen(crystal: Crystal) -> Structure:
    """The pymatgen structure of a crystal; species that share a site become one site.

    A site filled more than once is scaled to
    one. Displacements travel as the site property `u_iso` in Å² (None where there is none).
    """
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    site_of_row = grouped(crystal.fractional, crystal.lattice)
    contents: list[dict[str, float]] = [{} for _ in range(int(site_of_row.max()) + 1)]
    first = [-1] * len(contents)
    for row, site in enumerate(site_of_row):
        symbol = crystal.species[row]
        known = contents[site].get(symbol, 0.0)
        contents[site][symbol] = known + float(crystal.occupancies[row])
        first[site] = row if first[site] < 0 else first[site]
    for content in contents:
        total = max(sum(content.values()), 1.0)
        content.update({symbol: share / total for symbol, share in content.items()})
    displacements = crystal.u_iso_angstrom2[first]
    properties = {}
    if np.isfinite(displacements).any():
        properties["u_iso"] = [float(u) if np.isfinite(u) else None for u in displacements]
    return Structure(
        Lattice(crystal.lattice), contents, crystal.fractional[first], site_properties=properties
    )
