"""Elements as eleven numbers: Table 1 of AlphaCrystal-II (Song et al., arXiv:2404.04810)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

FEATURES = 11


@cache
def element_features() -> NDArray[np.float32]:
    """Features by atomic number, each of mean 0 and spread 1 over the elements; row 0 is padding.

    `generator.distance.tabulate` says what they are. Shape (104, FEATURES).
    """
    table = np.array(list(_columns().values())).T
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    return np.vstack([np.zeros((1, FEATURES)), table]).astype(np.float32)


@cache
def rank_of_number() -> NDArray[np.int64]:
    """Place of every atomic number among elements by electronegativity. Shape (104,).

    Padding, number 0, comes last.
    """
    negativity = np.array(_columns()["electronegativity_pauling"])
    order = np.argsort(negativity, kind="stable")
    found = np.full(len(negativity) + 1, len(negativity), np.int64)
    found[order + 1] = np.arange(len(negativity))
    return found


@cache
def _columns() -> dict[str, list[float]]:
    content = json.loads((files("generator.distance") / "elements.json").read_text("utf-8"))
    columns: dict[str, list[float]] = content["features"]
    return columns
