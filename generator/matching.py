"""Whether two crystals are the same structure, by pymatgen's `StructureMatcher`."""

from __future__ import annotations

import warnings
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from data.canonical import Standard
from data.crystal import Crystal
from data.pymatgen_bridge import to_pymatgen

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core.structure import Structure

LOOSE, STRICT = (0.3, 0.5, 10.0), (0.2, 0.3, 5.0)
"""Tolerances of lengths, sites and angles (degrees): the literature's, and pymatgen's defaults."""


def rms_distance(
    one: Crystal, other: Crystal, tolerances: tuple[float, float, float] = STRICT
) -> float | None:
    """Root mean square distance of the atoms of two structures; None where they are two.

    Normalised by the cube root of the volume an atom; see pymatgen's `StructureMatcher`.

    Args:
        one: in the standard setting of its space group.
        other: likewise.
        tolerances: of lengths, sites and angles.
    """
    if one.composition.keys() != other.composition.keys():
        return None
    if len(_primitive(one)) != len(_primitive(other)):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matcher: Any = _matcher(tolerances)
        found = matcher.get_rms_dist(_primitive(one), _primitive(other))
    return None if found is None else float(found[0])


@lru_cache(maxsize=65536)
def same_structure(
    one: Crystal, other: Crystal, tolerances: tuple[float, float, float] = STRICT
) -> bool:
    """Whether two structures are one, as `rms_distance` says, but several times faster.

    Their primitive cells are Niggli-reduced already, and are not reduced again.
    """
    if one.composition.keys() != other.composition.keys():
        return False
    mine, theirs = _primitive(one), _primitive(other)
    if len(mine) != len(theirs):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(_matcher(tolerances).fit(mine, theirs, skip_structure_reduction=True))


@lru_cache(maxsize=1024)
def _primitive(crystal: Crystal) -> Structure:
    return to_pymatgen(Standard.from_stored(crystal).primitive)


@cache
def _matcher(tolerances: tuple[float, float, float]) -> StructureMatcher:
    from pymatgen.analysis.structure_matcher import StructureMatcher as Matcher

    length, site, angle = tolerances
    return Matcher(ltol=length, stol=site, angle_tol=angle, primitive_cell=False)
