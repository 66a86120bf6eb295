"""What a crystal is: lattice, species with occupancies, fractional coordinates, space group."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.errors import CrystalError


@dataclass(frozen=True, eq=False)
class Crystal:
    """All atoms of one unit cell. Immutable: the arrays are made read-only.

    A site shared by several species is several rows at the same position. Hydrogen that the
    source knows about but could not place (water written as its oxygen) is not there.

    Attributes:
        lattice: rows are a, b, c in Å. Shape (3, 3).
        species: element symbol of each row. Length n.
        occupancies: share of the site taken by the species, in (0, 1]. Shape (n,).
        fractional: coordinates in [0, 1). Shape (n, 3).
        u_iso_angstrom2: mean square displacement, NaN where the source gives none. Shape (n,).
        space_group_number: 1 to 230, in whatever setting `lattice` has.

    Raises:
        CrystalError: no atoms, shapes that disagree, or a cell without volume.
    """

    lattice: NDArray[np.float64]
    species: tuple[str, ...]
    occupancies: NDArray[np.float64]
    fractional: NDArray[np.float64]
    u_iso_angstrom2: NDArray[np.float64]
    space_group_number: int = 1

    def __post_init__(self) -> None:
        n = len(self.species)
        if n == 0:
            raise CrystalError("the crystal has no atoms; give at least one atom site")
        shapes = (self.lattice.shape, self.occupancies.shape, self.fractional.shape)
        if shapes != ((3, 3), (n,), (n, 3)) or self.u_iso_angstrom2.shape != (n,):
            raise CrystalError(f"arrays disagree in shape: {n} species, {shapes}")
        for name in ("lattice", "occupancies", "fractional"):
            if not np.isfinite(getattr(self, name)).all():
                raise CrystalError(f"{name} holds a value that is not a finite number")
        if not 1e-3 < self.volume_angstrom3 < 1e9:
            raise CrystalError(f"the cell has no usable volume: {self.volume_angstrom3:.3g} Å³")
        if not 1 <= self.space_group_number <= 230:
            raise CrystalError(f"space group {self.space_group_number} is not in 1 to 230")
        for name in ("lattice", "occupancies", "fractional", "u_iso_angstrom2"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.species)

    @cached_property
    def volume_angstrom3(self) -> float:
        """Volume of the unit cell in Å³."""
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = self.lattice.tolist()
        volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
        return abs(float(volume))

    @property
    def cell(self) -> tuple[float, float, float, float, float, float]:
        """a, b, c in Å and α, β, γ in degrees."""
        lengths = np.linalg.norm(self.lattice, axis=1)
        a, b, c = self.lattice / lengths[:, None]
        angles = np.degrees(np.arccos(np.clip([b @ c, a @ c, a @ b], -1.0, 1.0)))
        return (*map(float, lengths), *map(float, angles))  # type: ignore[return-value]

    @property
    def composition(self) -> dict[str, float]:
        """Atoms of each element in the cell, occupancies counted."""
        amounts: dict[str, float] = {}
        for symbol, occupancy in zip(self.species, self.occupancies.tolist(), strict=True):
            amounts[symbol] = amounts.get(symbol, 0.0) + occupancy
        return amounts

    @property
    def is_ordered(self) -> bool:
        """Whether every row is fully occupied."""
        return bool((self.occupancies > 0.999).all())
