"""One standard form for a crystal however it was written, and an id that follows from it."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import gemmi
import moyopy
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from data import site_kernels
from data.crystal import Crystal
from data.errors import CrystalError
from data.sites import grouped

logging.getLogger("moyo").setLevel(logging.ERROR)  # it warns of each atom that it idealises

SYMPREC_ANGSTROM = 0.01
OCCUPANCY_STEP = 0.001
"""Occupancies nearer to each other than this count as equal when symmetry is looked for."""

CRYSTAL_SYSTEMS = (
    "triclinic",
    "monoclinic",
    "orthorhombic",
    "tetragonal",
    "trigonal",
    "hexagonal",
    "cubic",
)
"""By growing symmetry."""

MAX_COMPARISONS = 20_000_000
"""Sites times those of the rarest content, each of which a lattice vector might reach from one."""

MAX_PAIRS = 50_000_000
"""Of atoms as near as the sums of an id reach; a crystal of 20 000 atoms has 6 million."""

SHORTEST_VECTOR_ANGSTROM = 0.5
"""Of a lattice. Where the tolerance is no longer small beside it, moyopy's search for the lattice's
symmetry finds rotations that make no finite group, and multiplies them until memory is full."""
SHORTEST_VECTOR_TOLERANCES = 3.0
"""The same, in tolerances, where these are large."""

_FINER = (1.0, 0.3, 0.1, 0.01, 0.001)
_REACH_ANGSTROM = 7.0
_WAVE_NUMBERS = np.array([4.1, 5.3, 6.7, 8.3])
_IRRATIONALS = np.sqrt([2.0, 3.0, 5.0, 7.0])
_SUM_STEP = 0.25
_LOG_VOLUME_STEP = 0.0029
_AMOUNT_STEP = 0.01
_OFF_THE_DECIMALS = 0.54637
_MIRROR_IMAGE = {
    78: 76, 95: 91, 96: 92, 145: 144, 153: 151, 154: 152,
    170: 169, 172: 171, 179: 178, 181: 180, 213: 212,
}  # fmt: skip


def unhanded(number: int) -> int:
    """The space group itself, or of two that are mirror images of each other always the same."""
    return _MIRROR_IMAGE.get(number, number)


@dataclass(frozen=True, eq=False)
class Standard:
    """A crystal in the standard setting of its space group.

    The setting is moyopy's `Setting.standard`: unique axis b and cell choice 1, hexagonal axes
    for rhombohedral groups, the origin on an inversion centre where there are two.

    Attributes:
        crystal: conventional cell, coordinates idealised to the symmetry.
        primitive: the same crystal in its Niggli-reduced primitive cell.
        hall_number: 1 to 530.
        rotations: of the conventional cell, centrings included. Shape (k, 3, 3), int64.
        translations: Shape (k, 3).
    """

    crystal: Crystal
    primitive: Crystal
    hall_number: int
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]

    @classmethod
    def from_stored(cls, crystal: Crystal) -> Standard:
        """A crystal that is in the standard setting already, as `standardize` made it.

        Nothing is searched for and nothing is moved: the operations follow from the number.
        """
        setting = _setting(crystal.space_group_number)
        return cls(crystal, _primitive(crystal, setting.centring), setting.hall_number,
                   setting.rotations, setting.translations)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Setting:
    hall_number: int
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    centring: NDArray[np.float64]


@cache
def _setting(number: int) -> _Setting:
    standard = moyopy.Setting.standard()
    primitive = moyopy.operations_from_number(number, setting=standard, primitive=True)
    group = moyopy.SpaceGroup(primitive.rotations, primitive.translations, setting=standard)
    rotations, translations = operations_of(number)
    centring = moyopy.HallSymbolEntry(group.hall_number).centering
    # moyopy's columns are the conventional vectors in terms of the primitive ones.
    linear = np.linalg.inv(np.array(centring.linear, dtype=np.float64)).T
    return _Setting(group.hall_number, rotations, translations, linear)


@cache
def operations_of(number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rotations (k, 3, 3) and translations (k, 3) of a space group in the standard setting.

    They act on fractional columns of the conventional cell; centrings are included.
    """
    operations = moyopy.operations_from_number(number, setting=moyopy.Setting.standard())
    rotations = np.array(operations.rotations, dtype=np.int64)
    translations = np.array(operations.translations, dtype=np.float64)
    rotations.setflags(write=False)
    translations.setflags(write=False)
    return rotations, translations


@cache
def space_group_symbol(number: int) -> str:
    """Short Hermann-Mauguin symbol of the standard setting, such as "Fm-3m" or "P21/c"."""
    name = str(gemmi.find_spacegroup_by_number(number).short_name())
    return "R" + name[1:] if name.startswith("H") else name  # gemmi marks hexagonal axes by H


@cache
def crystal_system(number: int) -> str:
    """One of `CRYSTAL_SYSTEMS`, of a space group."""
    return str(gemmi.find_spacegroup_by_number(number).crystal_system_str())


def standardize(crystal: Crystal, *, symprec_angstrom: float = SYMPREC_ANGSTROM) -> Standard:
    """The crystal in the standard setting of the space group that its atoms obey.

    Symmetry is found by moyopy (github.com/spglib/moyo), where what occupies a site counts as
    its type. Where no symmetry can be found, the crystal comes back as P1 in the Niggli-reduced
    form of the cell it has.

    Args:
        crystal: in any cell.
        symprec_angstrom: how far atoms may be from where symmetry would have them.

    Raises:
        CrystalError: a supercell so large that the search for a smaller one would take minutes, or
            a crystal that repeats within half an Å, in which the search would never end.
    """
    sites = _sites(crystal)
    types, contents = _types(sites)
    _refuse_repetition(types)
    fractional = crystal.fractional[[site[0].row for site in sites]]
    limit = max(SHORTEST_VECTOR_ANGSTROM, SHORTEST_VECTOR_TOLERANCES * symprec_angstrom)
    _refuse_short_vectors(crystal.lattice, fractional, np.array(types), limit)
    dataset = _dataset(crystal.lattice, fractional, types, symprec_angstrom)
    if dataset is None:
        return _without_symmetry(crystal)
    u_iso = _displacements(sites, dataset.mapping_std_prim, dataset.prim_std_cell.num_atoms)
    numbers = dataset.std_cell.numbers
    copies = len(numbers) // len(u_iso)  # moyopy repeats each primitive site by the centrings
    rows = [
        (symbol, occupancy, site, u_iso[site // copies].get(symbol, math.nan))
        for site, kind in enumerate(numbers)
        for symbol, occupancy in contents[kind - 1]
    ]
    return Standard.from_stored(
        Crystal(
            lattice=np.array(dataset.std_cell.basis),
            species=tuple(symbol for symbol, _, _, _ in rows),
            occupancies=np.array([occupancy for _, occupancy, _, _ in rows]),
            fractional=_wrapped(np.array(dataset.std_cell.positions))[[row[2] for row in rows]],
            u_iso_angstrom2=np.array([displacement for _, _, _, displacement in rows]),
            space_group_number=dataset.number,
        )
    )


def crystal_id(crystal: Crystal | Standard) -> str:
    """Twenty hexadecimal digits that stand for the crystal however its cell is chosen.

    Hashed are few quantities that no choice of origin, axes, cell or order can alter: the space
    group, the content and the volume of the primitive cell, and four smooth sums over the
    distances between atoms, each with weights of its own for the elements. Displacements do not
    enter, and mirror images, which a powder pattern cannot tell apart, share an id.

    Each quantity is rounded. Moving one atom of a cell by 0.02 Å, stretching a cell by 0.1 %, or
    a few percent on an occupancy makes another id. So do numbers that are less precise: noise of
    1e-6 Å on every atom alters fewer than one id in a hundred, 1e-5 Å three in a hundred, and
    1e-4 Å, as in coordinates of four or five decimals, one in eight.

    Args:
        crystal: a `Standard` saves the search for the symmetry.

    Raises:
        CrystalError: atoms are so close together that their distances would take minutes.
    """
    standard = crystal if isinstance(crystal, Standard) else standardize(crystal)
    primitive = standard.primitive
    _refuse_crowding(primitive)
    number = primitive.space_group_number
    sums = site_kernels.pair_sums(
        np.array(primitive.fractional),
        _weights(primitive),
        np.array(primitive.lattice),
        (_WAVE_NUMBERS, _REACH_ANGSTROM),
    )
    said = [
        f"group {unhanded(number)}",
        *(f"{symbol} {_rounded(n, _AMOUNT_STEP)}"
          for symbol, n in sorted(primitive.composition.items())),
        f"volume {_rounded(math.log(primitive.volume_angstrom3), _LOG_VOLUME_STEP)}",
        *(f"sum {_rounded(float(total), _SUM_STEP)}" for total in sums),
    ]  # fmt: skip
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:20]


def _rounded(value: float, step: float) -> int:
    """Number of the step that the value falls in; the edges lie off the short decimals."""
    return math.floor(value / step + _OFF_THE_DECIMALS)


def _weights(crystal: Crystal) -> NDArray[np.float64]:
    """Weight of each row in each of the sums, between 1 and 2 when fully occupied."""
    number = {symbol: gemmi.Element(symbol).atomic_number for symbol in set(crystal.species)}
    parts = np.outer(_IRRATIONALS, [number[symbol] for symbol in crystal.species]) % 1.0
    return np.ascontiguousarray((1.0 + parts) * crystal.occupancies)


class _Share(NamedTuple):
    """What one species holds of a site."""

    row: int
    symbol: str
    occupancy: float
    u_iso_angstrom2: float


def _sites(crystal: Crystal) -> list[list[_Share]]:
    """The species of each site, rows of one species on one site added."""
    site_of_row = grouped(crystal.fractional, crystal.lattice)
    sites: list[dict[str, _Share]] = [{} for _ in range(int(site_of_row.max()) + 1)]
    values = zip(site_of_row.tolist(), crystal.species, crystal.occupancies.tolist(),
                 crystal.u_iso_angstrom2.tolist(), strict=True)  # fmt: skip
    for row, (site, symbol, occupancy, u_iso) in enumerate(values):
        known = sites[site].get(symbol)
        total = min(occupancy + (known.occupancy if known else 0.0), 1.0)
        sites[site][symbol] = _Share(row, symbol, total, u_iso)
    return [sorted(site.values(), key=lambda share: share.symbol) for site in sites]


def _refuse_repetition(types: list[int]) -> None:
    """Refuse what would take minutes and gigabytes to be searched for lattice vectors."""
    rarest = min(Counter(types).values())
    if len(types) * rarest > MAX_COMPARISONS:
        raise CrystalError(
            f"{len(types)} sites, {rarest} of the rarest kind, are too many to look for a smaller "
            "cell among; give the primitive cell"
        )


def _refuse_short_vectors(
    lattice: NDArray[np.float64],
    fractional: NDArray[np.float64],
    types: NDArray[np.int64],
    limit_angstrom: float,
) -> None:
    """Refuse a crystal that a shift by less than the limit takes onto itself."""
    reduced = np.array(moyopy.niggli_reduce(lattice.tolist())[0])
    shortest = float(np.linalg.norm(reduced, axis=1).min())
    if shortest >= limit_angstrom:
        rarest = fractional[types == np.argmin(np.bincount(types)[1:]) + 1]
        shifts = rarest[1:] - rarest[0]
        shifts -= np.round(shifts)
        lengths = np.linalg.norm(shifts @ lattice, axis=1)
        near = np.flatnonzero(lengths < limit_angstrom)
        repeats = (row for row in near if _repeats(fractional, types, shifts[row], lattice))
        row = next(repeats, None)
        if row is None:
            return
        shortest = float(lengths[row])
    raise CrystalError(
        f"the crystal repeats after {shortest:.2g} Å, which none does; correct the cell or the "
        "symmetry"
    )


def _repeats(
    fractional: NDArray[np.float64],
    types: NDArray[np.int64],
    shift: NDArray[np.float64],
    lattice: NDArray[np.float64],
) -> bool:
    """Whether every site, shifted, lies on one of its kind."""
    tolerance = 2 * SYMPREC_ANGSTROM / float(np.linalg.norm(lattice, axis=1).max())
    for kind in np.unique(types):
        places = fractional[types == kind]
        # A hair below one would be rounded onto it, where the box has ended.
        tree = cKDTree(np.minimum(places % 1.0, 1.0 - 1e-12), boxsize=1.0)
        apart, _ = tree.query((places + shift) % 1.0, distance_upper_bound=tolerance)
        if not np.isfinite(apart).all():
            return False
    return True


def _refuse_crowding(crystal: Crystal) -> None:
    """Refuse a cell so full that each atom has thousands of neighbours."""
    within_reach = 4 / 3 * math.pi * _REACH_ANGSTROM**3 / crystal.volume_angstrom3
    if len(crystal) ** 2 * within_reach > MAX_PAIRS:
        raise CrystalError(
            f"{len(crystal)} atoms in {crystal.volume_angstrom3:.4g} Å³ are too close to each "
            "other for a crystal; correct the cell, the coordinates or the symmetry"
        )


def _types(sites: list[list[_Share]]) -> tuple[list[int], list[list[tuple[str, float]]]]:
    """A number from 1 for each site, equal for equal content; and what each number stands for."""
    by_symbol: dict[str, set[float]] = {}
    for site in sites:
        for share in site:
            by_symbol.setdefault(share.symbol, set()).add(share.occupancy)
    level: dict[tuple[str, float], float] = {}
    for symbol, values in by_symbol.items():
        lowest = previous = -1.0
        for value in sorted(values):
            if value - previous > OCCUPANCY_STEP:
                lowest = value
            level[symbol, value] = lowest
            previous = value
    numbers: dict[tuple[tuple[str, float], ...], int] = {}
    types = []
    for site in sites:
        content = tuple((share.symbol, level[share.symbol, share.occupancy]) for share in site)
        types.append(numbers.setdefault(content, len(numbers) + 1))
    return types, [list(content) for content in numbers]


def _dataset(
    lattice: NDArray[np.float64], fractional: NDArray[np.float64], types: list[int], symprec: float
) -> moyopy.MoyoDataset | None:
    """Moyopy's view of the crystal, with a finer tolerance where the wanted one fails."""
    cell = moyopy.Cell(lattice.tolist(), fractional.tolist(), types)
    for factor in _FINER:
        try:
            return moyopy.MoyoDataset(
                cell, symprec=symprec * factor, setting=moyopy.Setting.standard()
            )
        except ValueError:
            continue
    return None


def _displacements(
    sites: list[list[_Share]], primitive_site: Sequence[int], n: int
) -> list[dict[str, float]]:
    """Mean square displacement of each species on each primitive site, averaged over its images."""
    found: list[dict[str, list[float]]] = [{} for _ in range(n)]
    for site, target in zip(sites, primitive_site, strict=True):
        for share in site:
            if math.isfinite(share.u_iso_angstrom2):
                found[target].setdefault(share.symbol, []).append(share.u_iso_angstrom2)
    return [
        {symbol: math.fsum(values) / len(values) for symbol, values in site.items()}
        for site in found
    ]


def _wrapped(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Into [0, 1), with a hair below one taken as zero."""
    wrapped = fractional - np.floor(fractional)
    wrapped[wrapped > 1.0 - 1e-10] = 0.0
    return wrapped


def _primitive(crystal: Crystal, centring: NDArray[np.float64]) -> Crystal:
    """The Niggli-reduced primitive cell; rows of `centring` are its vectors before reduction."""
    reduced, _ = moyopy.niggli_reduce((centring @ crystal.lattice).tolist())
    lattice = np.array(reduced)
    fractional = _wrapped(crystal.fractional @ crystal.lattice @ np.linalg.inv(lattice))
    seen: dict[tuple[int, str], int] = {}
    for row, site in enumerate(grouped(fractional, lattice).tolist()):
        seen.setdefault((site, crystal.species[row]), row)
    rows = list(seen.values())
    return Crystal(
        lattice=lattice,
        species=tuple(crystal.species[row] for row in rows),
        occupancies=crystal.occupancies[rows],
        fractional=fractional[rows],
        u_iso_angstrom2=crystal.u_iso_angstrom2[rows],
        space_group_number=crystal.space_group_number,
    )


def _without_symmetry(crystal: Crystal) -> Standard:
    reduced = _primitive(
        Crystal(
            crystal.lattice, crystal.species, crystal.occupancies, crystal.fractional,
            crystal.u_iso_angstrom2,
        ),
        np.eye(3),
    )  # fmt: skip
    return Standard.from_stored(reduced)
