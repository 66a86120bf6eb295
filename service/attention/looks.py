"""Attention of the towers over sheets, with names for what was looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.errors import QueryError
from data.preparation import Prepared, prepare
from indexer.library import Library
from indexer.profiles import SHEETS
from indexer.sheets.axes import CELL_TOKENS
from indexer.sheets.channel import geometry_in_frame, shipped_towers
from indexer.sheets.tokens import Geometry, Texture, texture_of
from search.result import Hit, LookupResult

ENDS = ("start", "end")
"""The two tokens of a tower, which sum up what all others say."""


@dataclass(frozen=True, eq=False)
class Looks:
    """What one tower looked at.

    Attributes:
        labels: of the tokens, those of the tower last.
        groups: names of the kinds of tokens, with how many there are, in order.
        layers: by layer, how much each token looks at each. Shape (heads, T, T) each.
    """

    labels: tuple[str, ...]
    groups: tuple[tuple[str, int], ...]
    layers: tuple[NDArray[np.float32], ...]

    @property
    def summed_up(self) -> NDArray[np.float32]:
        """How much the two tokens of the tower look at the others in the last layer, by head.

        Shape (heads, 2, T - 2).
        """
        return self.layers[-1][:, -2:, :-2]


@dataclass(frozen=True, eq=False)
class Attention:
    """A query and the sheet that was found for it, as their towers read them.

    Attributes:
        prepared: the query.
        texture: its peaks as tokens.
        pattern: what the tower over peaks looked at.
        hit: the first one; None without.
        sheet: what the tower over sheets looked at.
        cosine: between the two vectors.
    """

    prepared: Prepared
    texture: Texture
    pattern: Looks
    hit: Hit
    sheet: Looks
    cosine: float


def attention_of(result: LookupResult, library: Library) -> Attention:
    """What the towers looked at in a query and in its first hit.

    Raises:
        QueryError: the library is not of sheets, or nothing was found.
    """
    if library.profile != SHEETS:
        raise QueryError(
            f"{library.path}: attention is of the towers over sheets, and the library is none of "
            "sheets; make one with `braggle library build SOURCE... --profile 2d`"
        )
    if not result.hits:
        raise QueryError(f"{result.query.name}: no sheet was found; there is nothing to draw")
    prepared = prepare(result.query)
    texture = texture_of(prepared)
    if not len(texture.ln_q):
        raise QueryError(f"{result.query.name}: no peak is where the towers read them")
    hit = result.hits[0]
    stored = library.entry(library.row(hit.id)).crystal
    geometry = geometry_in_frame(Standard.from_stored(stored))
    towers = shipped_towers()
    one = towers.patterns([texture], attention=True)
    other = towers.sheets([geometry], attention=True)
    peaks = tuple(f"{value:.2f}" for value in np.exp(texture.ln_q))
    return Attention(
        prepared,
        texture,
        Looks((*peaks, *ENDS), (("peaks, Q in 1/Å", len(peaks)),), _first(one.attention)),
        hit,
        Looks((*_labels(geometry), *ENDS), _groups(geometry), _first(other.attention)),
        float((one.vectors @ other.vectors.T)[0, 0]),
    )


def _labels(geometry: Geometry) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    sites = []
    for number in geometry.elements.tolist():
        symbol = gemmi.Element(number).name
        seen[symbol] += 1
        sites.append(f"{symbol} {seen[symbol]}")
    rods = [f"{value:.2f}" for value in np.exp(geometry.rods[:, 0])]
    return (*rods, *CELL_TOKENS, *sites)


def _groups(geometry: Geometry) -> tuple[tuple[str, int], ...]:
    return (
        ("rods, Q in 1/Å", len(geometry.rods)),
        ("cell", len(CELL_TOKENS)),
        ("sites", len(geometry.elements)),
    )


def _first(layers: tuple[NDArray[np.float32], ...]) -> tuple[NDArray[np.float32], ...]:
    """Of a batch of one."""
    return tuple(layer[0] for layer in layers)
