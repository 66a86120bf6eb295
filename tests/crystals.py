"""Literal little crystals that every test may lean on, a few of them in odd settings.

The values are textbook ones, rounded. Each crystal is expanded from its asymmetric unit with
gemmi's operations.
"""

from __future__ import annotations

import gemmi
import numpy as np

from data.crystal import Crystal

Site = tuple[str, float, float, float] | tuple[str, float, float, float, float]


def expand(
    cell: tuple[float, float, float, float, float, float], hall_or_hm: str, sites: list[Site]
) -> Crystal:
    """All atoms of the cell from (species, x, y, z[, occupancy]) of the asymmetric unit."""
    group = gemmi.SpaceGroup(hall_or_hm)
    rows: list[tuple[str, float, tuple[float, float, float]]] = []
    for symbol, x, y, z, *occupancy in sites:
        images: list[tuple[float, float, float]] = []
        for operation in group.operations():
            image = np.array(operation.apply_to_xyz([x, y, z]))
            image = np.maximum(image - np.floor(image + 1e-9), 0.0)
            if all(np.abs((d := image - other) - np.round(d)).max() > 1e-3 for other in images):
                images.append(tuple(image))
        rows += [(symbol, occupancy[0] if occupancy else 1.0, image) for image in images]
    orthogonal = np.array(gemmi.UnitCell(*cell).orth.mat.tolist())
    return Crystal(
        lattice=orthogonal.T,
        species=tuple(symbol for symbol, _, _ in rows),
        occupancies=np.array([share for _, share, _ in rows]),
        fractional=np.array([image for _, _, image in rows]),
        u_iso_angstrom2=np.full(len(rows), np.nan),
        space_group_number=group.number,
    )


ROCK_SALT = expand(
    (5.6402, 5.6402, 5.6402, 90, 90, 90), "F m -3 m", [("Na", 0, 0, 0), ("Cl", 0.5, 0.5, 0.5)]
)
CAESIUM_CHLORIDE = expand(
    (4.123, 4.123, 4.123, 90, 90, 90), "P m -3 m", [("Cs", 0, 0, 0), ("Cl", 0.5, 0.5, 0.5)]
)
SILICON = expand((5.4309, 5.4309, 5.4309, 90, 90, 90), "F d -3 m:2", [("Si", 0.125, 0.125, 0.125)])
FLUORITE = expand(
    (5.4626, 5.4626, 5.4626, 90, 90, 90), "F m -3 m", [("Ca", 0, 0, 0), ("F", 0.25, 0.25, 0.25)]
)
RUTILE = expand(
    (4.5937, 4.5937, 2.9587, 90, 90, 90),
    "P 42/m n m",
    [("Ti", 0, 0, 0), ("O", 0.3053, 0.3053, 0)],
)
ANATASE = expand(
    (3.7842, 3.7842, 9.5146, 90, 90, 90),
    "I 41/a m d:2",
    [("Ti", 0, 0.75, 0.125), ("O", 0, 0.75, 0.3331)],
)
QUARTZ = expand(
    (4.9134, 4.9134, 5.4052, 90, 90, 120),
    "P 32 2 1",
    [("Si", 0.4697, 0, 2 / 3), ("O", 0.4135, 0.2669, 0.7858)],
)
CALCITE = expand(
    (4.9896, 4.9896, 17.061, 90, 90, 120),
    "R -3 c:H",
    [("Ca", 0, 0, 0), ("C", 0, 0, 0.25), ("O", 0.2568, 0, 0.25)],
)
# Monoclinic: ZrO2.
BADDELEYITE = expand(
    (5.1505, 5.2116, 5.3173, 90, 99.230, 90),
    "P 1 21/c 1",
    [
        ("Zr", 0.2754, 0.0395, 0.2083),
        ("O", 0.0700, 0.3317, 0.3447),
        ("O", 0.4496, 0.7569, 0.4792),
    ],
)
# Triclinic: CuSO4·5H2O, its hydrogen not placed.
CHALCANTHITE = expand(
    (6.141, 10.736, 5.986, 82.27, 107.43, 102.67),
    "P -1",
    [
        ("Cu", 0, 0, 0),
        ("Cu", 0.5, 0.5, 0),
        ("S", 0.014, 0.287, 0.625),
        ("O", 0.907, 0.152, 0.673),
        ("O", 0.245, 0.317, 0.797),
        ("O", 0.860, 0.372, 0.637),
        ("O", 0.046, 0.302, 0.385),
        ("O", 0.818, 0.074, 0.154),
        ("O", 0.288, 0.118, 0.149),
        ("O", 0.465, 0.406, 0.299),
        ("O", 0.756, 0.416, 0.018),
        ("O", 0.434, 0.125, 0.630),
    ],
)
# Disordered, and in a setting (Pbnm) that is not the standard one of Pnma: olivine.
OLIVINE = expand(
    (4.762, 10.225, 5.994, 90, 90, 90),
    "P b n m",
    [
        ("Mg", 0, 0, 0, 0.9),
        ("Fe", 0, 0, 0, 0.1),
        ("Mg", 0.9915, 0.2774, 0.25, 0.85),
        ("Fe", 0.9915, 0.2774, 0.25, 0.15),
        ("Si", 0.4262, 0.0940, 0.25),
        ("O", 0.7657, 0.0919, 0.25),
        ("O", 0.2215, 0.4474, 0.25),
        ("O", 0.2775, 0.1631, 0.0330),
    ],
)
# A large cell, 424 atoms (106 primitive): MOF-5, its linkers idealised.
MOF_5 = expand(
    (25.832, 25.832, 25.832, 90, 90, 90),
    "F m -3 m",
    [
        ("Zn", 0.2934, 0.2934, 0.2934),
        ("O", 0.25, 0.25, 0.25),
        ("O", 0.1336, 0.2804, 0.2804),
        ("C", 0.1113, 0.25, 0.25),
        ("C", 0.0538, 0.25, 0.25),
        ("C", 0.0269, 0.2830, 0.2830),
        ("H", 0.0478, 0.3086, 0.3086),
    ],
)

ALL = {
    "rock salt": ROCK_SALT,
    "caesium chloride": CAESIUM_CHLORIDE,
    "silicon": SILICON,
    "fluorite": FLUORITE,
    "rutile": RUTILE,
    "anatase": ANATASE,
    "quartz": QUARTZ,
    "calcite": CALCITE,
    "baddeleyite": BADDELEYITE,
    "chalcanthite": CHALCANTHITE,
    "olivine": OLIVINE,
    "MOF-5": MOF_5,
}
