"""The 2D materials that the package mat3ra-standata ships (Apache-2.0)."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from typing import Any

import gemmi
import numpy as np

from data.crystal import Crystal
from data.errors import CrystalError, MissingExtraError
from data.record import Problem, Record, Source

COLLECTION = "standata"
LICENCE = "Apache-2.0"


def installed_materials() -> list[dict[str, Any]]:
    """Its 2D materials, as the package describes them.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if importlib.util.find_spec("mat3ra") is None or not importlib.util.find_spec(
        "mat3ra.standata"
    ):
        raise MissingExtraError(
            "the source standata needs the package mat3ra-standata; install it with "
            "pip install 'braggle[sheets]'"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its classes are written for an older pydantic
        from mat3ra.standata.materials import Materials

    materials: list[dict[str, Any]] = Materials.get_by_categories("2D")
    return materials


def read_standata(materials: list[dict[str, Any]]) -> Iterator[Record | Problem]:
    """Records of materials as `installed_materials` gives them."""
    for one in materials:
        name = str(one.get("name", "a material without a name"))
        try:
            yield _record(name, one)
        except (CrystalError, KeyError, TypeError, ValueError) as error:
            yield Problem(f"{COLLECTION}, {name}", 0, f"not read ({error}); reinstall the package")


def _record(name: str, material: dict[str, Any]) -> Record:
    cell = [float(material["lattice"][key]) for key in ("a", "b", "c", "alpha", "beta", "gamma")]
    lattice = np.array(gemmi.UnitCell(*cell).orth.mat.tolist()).T
    basis = material["basis"]
    places = np.array([one["value"] for one in basis["coordinates"]], dtype=np.float64)
    if basis.get("units") == "cartesian":
        places = places @ np.linalg.inv(lattice)
    n = len(places)
    crystal = Crystal(
        lattice,
        tuple(str(one["value"]) for one in basis["elements"]),
        np.ones(n),
        places - np.floor(places),
        np.full(n, np.nan),
    )
    outside = material.get("external") or {}
    reference = " ".join(str(outside[key]) for key in ("source", "doi") if outside.get(key))
    identifier = str(outside.get("id") or name)
    title = ", ".join(part.strip() for part in name.split(",")[:2])
    return Record(crystal, (title,), Source(COLLECTION, identifier, reference, LICENCE))
