"""The symmetry that a CIF block states: its operations, or what its symbols mean."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray

from data import site_kernels
from data.cif_document import Block, BlockError, plain
from data.errors import CrystalError

_log = logging.getLogger(__name__)
_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_SYMBOLS = (
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_alt",
    "_space_group_name_h-m_full",
    "_space_group_name_h-m_ref",
)
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")

MAX_OPERATIONS = 192 * 4
"""Cubic face-centred groups have 192; a few files state them in a multiple cell."""


MAX_SYMBOL = 200
"""Characters of a symbol or an operation; what was parsed is kept in memory, by its text."""


@dataclass(frozen=True, eq=False)
class StatedSymmetry:
    """What a block says of its symmetry.

    Attributes:
        rotations: acting on fractional columns. Shape (k, 3, 3), float64.
        translations: Shape (k, 3).
        number: of the space group, 0 where the operations belong to no tabulated setting.
    """

    rotations: NDArray[np.float64]
    translations: NDArray[np.float64]
    number: int

    def fits(self, lattice: NDArray[np.float64], tolerance: float = 0.12) -> bool:
        """Whether every rotation leaves the metric of the lattice (rows, Å) as it is."""
        return bool(site_kernels.keep_metric(self.rotations, lattice @ lattice.T, tolerance))


@lru_cache(maxsize=4096)
def from_operations(triplets: tuple[str, ...]) -> StatedSymmetry:
    """Symmetry from operations such as "x+1/2, -y, z", in quotes or not.

    Raises:
        CrystalError: a triplet that is no operation.
    """
    named = [plain(triplet) for triplet in triplets]
    parsed = [_parse_triplet(triplet) for triplet in named]
    rotations = np.array([rotation for rotation, _ in parsed])
    translations = np.array([translation for _, translation in parsed])
    try:
        group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps([gemmi.Op(t) for t in named]))
    except (RuntimeError, ValueError):
        group = None
    return StatedSymmetry(rotations, translations, group.number if group else 0)


@lru_cache(maxsize=4096)
def from_group(xhm: str) -> StatedSymmetry:
    """Symmetry of gemmi's space-group table, named by its extended Hermann-Mauguin symbol."""
    group = gemmi.SpaceGroup(xhm)
    operations = list(group.operations())
    return StatedSymmetry(
        np.array([operation.rot for operation in operations], dtype=np.float64) / gemmi.Op.DEN,
        np.array([operation.tran for operation in operations], dtype=np.float64) / gemmi.Op.DEN,
        group.number,
    )


@lru_cache(maxsize=4096)
def groups_named(
    symbol: str, hall: str, number: int, alpha: float, gamma: float
) -> tuple[gemmi.SpaceGroup, ...]:
    """The space group that a block names, or its two origins where it does not say which.

    Args:
        symbol: Hermann-Mauguin, in any of the usual ways of writing it; "" where not given.
        hall: Hall symbol; "" where not given.
        number: in the International Tables; 0 where not given.
        alpha: angle in degrees, which tells rhombohedral axes from hexagonal ones.
        gamma: angle in degrees, likewise.
    """
    if hall and (meant := _by_hall(hall)):
        return (meant,)
    plain = re.sub(r"[_()]", "", symbol).strip()
    marked = re.fullmatch(r"(.*?)\s*(?::?\s*([12HRSZ]))", plain)
    found: gemmi.SpaceGroup | None = gemmi.find_spacegroup_by_name(plain, alpha, gamma)
    if found is None and marked:
        extension = {"S": "1", "Z": "2"}.get(marked[2], marked[2])
        found = gemmi.find_spacegroup_by_name(f"{marked[1]}:{extension}", alpha, gamma)
        found = found or gemmi.find_spacegroup_by_name(marked[1], alpha, gamma)
    if found is None and 1 <= number <= 230:
        found = gemmi.find_spacegroup_by_number(number)
        if found.ext == "H" and abs(gamma - 120) > 1:
            found = gemmi.find_spacegroup_by_name(f"{found.hm}:R")
    if found is None:
        return ()
    if found.ext in ("1", "2") and ":" not in plain:
        return tuple(gemmi.SpaceGroup(f"{found.hm}:{origin}") for origin in (2, 1))
    return (found,)


def _by_hall(hall: str) -> gemmi.SpaceGroup | None:
    try:
        return gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall))
    except (RuntimeError, ValueError):
        return None


_TERM = re.compile(r"([+-]?)(?:(\d+\.?\d*|\.\d+)(?:/(\d+\.?\d*))?)?\*?([xyz]?)")


def _parse_triplet(triplet: str) -> tuple[list[list[float]], list[float]]:
    """Rotation and translation of a triplet; fractions need not be multiples of 1/24."""
    parts = re.sub(r"[\s'\"]", "", triplet).lower().split(",")
    rotation = [[0.0] * 3 for _ in range(3)]
    translation = [0.0] * 3
    for row, part in enumerate(parts[:3]):
        end = 0
        while end < len(part):
            term = _TERM.match(part, end)
            if term is None or term.end() == end or not (term[2] or term[4]):
                raise _not_understood(triplet)
            denominator = float(term[3] or 1) or math.nan
            value = float(term[2] or 1) / denominator * (-1 if term[1] == "-" else 1)
            if term[4]:
                rotation[row]["xyz".index(term[4])] += value
            else:
                translation[row] += _simple_fraction(value)
            end = term.end()
    sound = len(parts) == 3 and np.isfinite([*translation]).all() and np.isfinite(rotation).all()
    if not sound or abs(abs(float(np.linalg.det(rotation))) - 1) > 1e-6:
        raise _not_understood(triplet)
    return rotation, translation


def _not_understood(triplet: str) -> CrystalError:
    return CrystalError(
        f"symmetry operation {triplet!r} is not understood; write it as in 'x+1/2,-y,z'"
    )


def _simple_fraction(value: float) -> float:
    """0.3333 is meant to be 1/3."""
    if math.isnan(value):
        return value
    nearest = round(value * 24) / 24
    return nearest if abs(value - nearest) < 1e-3 else value


def stated(block: Block) -> tuple[list[StatedSymmetry], int]:
    """What the symmetry of a block may be, and the line of the file that says it.

    Operations win over symbols, the Hall symbol over the Hermann-Mauguin one, and both over the
    number. A symbol that leaves the origin open gives two. A block without any is P1.

    Raises:
        BlockError: operations or a symbol that are not understood.
    """
    line = block.line_of(*_OPERATIONS)
    if block.rows(*_OPERATIONS) > MAX_OPERATIONS:
        raise BlockError(
            f"{block.rows(*_OPERATIONS)} symmetry operations are more than {MAX_OPERATIONS}; "
            "write the crystal in its conventional cell",
            line,
        )
    operations = block.column(*_OPERATIONS)
    if operations and max(map(len, operations)) > MAX_SYMBOL:
        raise BlockError(
            f"a symmetry operation of {max(map(len, operations))} characters; correct the file",
            line,
        )
    if operations and not all(map(gemmi.cif.is_null, operations)):
        try:
            return [from_operations(tuple(operations))], line
        except CrystalError as error:
            raise BlockError(str(error), line) from error
    symbol = block.text(*_SYMBOLS)[: MAX_SYMBOL + 1]
    hall = block.text("_space_group_name_hall", "_symmetry_space_group_name_hall")[:MAX_SYMBOL]
    alpha, gamma = (
        float(np.nan_to_num(gemmi.cif.as_number(block.text(f"_cell_angle_{angle}")), nan=90.0))
        for angle in ("alpha", "gamma")
    )
    groups = groups_named(symbol, hall, stated_number(block), alpha, gamma)
    line = block.line_of(*_SYMBOLS, *_NUMBERS)
    if not groups:
        if symbol:
            raise BlockError(
                f"space group {symbol!r} is not known; give the symmetry operations", line
            )
        _log.info("%s: states no symmetry and is read as P1", block.where)
        groups = (gemmi.SpaceGroup("P 1"),)
    return [from_group(group.xhm()) for group in groups], line


def stated_number(block: Block) -> int:
    """Space-group number that the block writes down, 0 where it writes none."""
    number = gemmi.cif.as_number(block.text(*_NUMBERS))
    return int(number) if 1 <= number <= 230 else 0


def metric_lattice(cell: Sequence[float]) -> NDArray[np.float64]:
    """Rows a, b, c in Å from lengths in Å and angles in degrees; a along x, b in the xy plane."""
    orthogonal = gemmi.UnitCell(*cell).orth.mat.tolist()
    return np.array(orthogonal, dtype=np.float64).T.copy()
