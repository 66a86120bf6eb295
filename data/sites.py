"""Atom sites: what a label names, the orbit of a site under symmetry, sites that coincide."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data import site_kernels
from data.formula import is_element

COINCIDENT_ANGSTROM = 0.05
"""Atoms nearer to each other than this share a site."""

_WATER = re.compile(r"^(wat|wa\d|h2o|hoh|oh2|h3o)", re.IGNORECASE)
_DUMMY = re.compile(
    r"^(\?|\.|-|x|xx|q|du|dum|dummy|vac|va|vacancy|lp|bq|cg|cen|cnt)[\d+\-_]*$", re.IGNORECASE
)


@lru_cache(maxsize=65536)
def element_of(text: str, *, among: frozenset[str] = frozenset()) -> str | None:
    """The element that a type symbol or site label such as "Fe3+", "CA1" or "Wat" names.

    Deuterium is hydrogen; water and hydroxyl are their oxygen, ammonium its nitrogen.

    Args:
        text: type symbol or label.
        among: elements of the formula, which settle labels such as CA1 (calcium, or carbon A).

    Returns:
        The symbol; None when it names a dummy atom, "" when it is not understood.
    """
    text = text.strip().lstrip("0123456789")
    if not text or _DUMMY.match(text):
        return None
    if _WATER.match(text):
        return "O"
    letters = re.match(r"[A-Za-z]*", text)
    name = letters[0] if letters else ""
    one, two = name[:1].upper(), name[:2].capitalize()
    if re.match(r"NH[345]", text, re.IGNORECASE):
        return "N"
    if name[:2] in ("OH", "OW", "Oh", "Ow"):
        return "O"
    candidates = [two, one] if name[1:2].islower() or name[:2].isupper() else [one]
    if name[:2] in ("HO", "HE", "HF"):
        candidates = [one, two]
    if one == "D":
        candidates = [two, "H"] if two == "Dy" else ["H"]
    known = [symbol for symbol in candidates if is_element(symbol)]
    preferred = [symbol for symbol in known if symbol in among]
    return (preferred or known or [""])[0]


def orbits(
    fractional: NDArray[np.float64],
    operations: tuple[NDArray[np.float64], NDArray[np.float64]],
    lattice: NDArray[np.float64],
    *,
    limit: int,
    tolerance_angstrom: float = COINCIDENT_ANGSTROM,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """All images of every site, each site first moved onto its special position.

    A site is replaced by the mean of its images that lie within the tolerance of it, which
    is the nearest point of its site symmetry, so that 0.3333 becomes 1/3.

    Args:
        fractional: Shape (m, 3).
        operations: rotations, shape (k, 3, 3), acting on fractional columns, and translations,
            shape (k, 3).
        lattice: rows a, b, c in Å. Shape (3, 3).
        limit: stop when there are more images than this.
        tolerance_angstrom: images nearer than this are one.

    Returns:
        Images in [0, 1), shape (n, 3), and the site each comes from, shape (n,). n is above
        `limit` when that was too low.
    """
    rotations, translations = operations
    images, site_of = site_kernels.orbits(
        np.ascontiguousarray(fractional, dtype=np.float64),
        (rotations, translations),
        np.ascontiguousarray(lattice),
        tolerance_angstrom**2,
        limit,
    )
    return images, site_of


def grouped(
    fractional: NDArray[np.float64],
    lattice: NDArray[np.float64],
    tolerance_angstrom: float = COINCIDENT_ANGSTROM,
) -> NDArray[np.int64]:
    """Number of the site of each row: rows nearer than the tolerance share one.

    Sites are counted in the order of their first row.

    Args:
        fractional: Shape (n, 3).
        lattice: rows a, b, c in Å. Shape (3, 3).
        tolerance_angstrom: in Å.

    Returns:
        Shape (n,), from 0 without gaps.
    """
    if not np.linalg.det(lattice):
        raise ValueError("the cell has no volume")
    return site_kernels.grouped(np.array(fractional), np.array(lattice), tolerance_angstrom)


def equivalent_displacements(
    tensors: NDArray[np.float64], lattice: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Ueq of anisotropic displacements, in their unit (Fischer & Tillmanns, Acta Cryst. C44, 1988).

    Args:
        tensors: U11, U22, U33, U12, U13, U23 of each atom. Shape (n, 6).
        lattice: rows a, b, c in Å. Shape (3, 3).

    Returns:
        One third of Σ U_ij a*_i a*_j a_i·a_j. Shape (n,).
    """
    reciprocal = np.linalg.norm(np.linalg.inv(lattice), axis=0)
    weight = (lattice @ lattice.T) * np.outer(reciprocal, reciprocal) / 3
    factors = [weight[0, 0], weight[1, 1], weight[2, 2]]
    factors += [2 * weight[0, 1], 2 * weight[0, 2], 2 * weight[1, 2]]
    return np.asarray(tensors @ np.array(factors), dtype=np.float64)
