"""The towers without torch: what look-up runs, and what the towers look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from indexer.encoders.inference import one_blas_thread
from indexer.sheets.axes import PERIODS
from indexer.sheets.tokens import Geometry, Texture

HEADS = 4
_FLOAT = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Read:
    """What a tower made of some tokens.

    Attributes:
        vectors: unit vectors. Shape (B, dimension).
        attention: of each layer, how much each token (second last axis) looks at each (last), where
            it was asked for. Shape (B, heads, T, T) each; tokens as in `labels`.
    """

    vectors: _FLOAT
    attention: tuple[_FLOAT, ...] = ()


class NumpyTowers:
    """`model.Towers` with matrix products alone, from its weights on disk."""

    def __init__(self, weights: dict[str, _FLOAT]) -> None:
        """Weights under the names that torch gives them."""
        self._weights = weights
        self.dimension = len(weights["texture.join.bias"])

    @classmethod
    def load(cls, path: Path) -> NumpyTowers:
        """From a safetensors file."""
        return cls({name: value.astype(np.float32) for name, value in load_file(path).items()})

    def sheets(self, sheets: Sequence[Geometry], *, attention: bool = False) -> Read:
        """Sheets in, unit vectors out. Tokens: rods, cell, sites, and the two of the tower."""
        weights, tower = self._weights, "geometry"
        rods, rods_there = _padded([one.rods for one in sheets])
        sites, there = _padded([one.sites for one in sheets])
        elements, _ = _padded([one.elements[:, None] for one in sheets])
        numbers = elements[..., 0].astype(np.int64)
        of_rods = self._peaks(tower, rods[..., 0], rods[..., 1])
        cell = np.stack([one.cell for one in sheets]).astype(np.float32)
        of_cell = self._linear(f"{tower}.cell", waves(cell)) + weights[f"{tower}.which"]
        of_sites = self._linear(f"{tower}.site", sites)
        of_sites = of_sites * (1 + weights[f"{tower}.gate.weight"][numbers])
        of_sites += weights[f"{tower}.element.weight"][numbers]
        tokens = np.concatenate([of_rods, of_cell, of_sites], axis=1)
        kept = np.concatenate([rods_there, np.ones(cell.shape, bool), there], axis=1)
        return self._read(tower, tokens, kept, rods.shape[1], attention=attention)

    def patterns(self, patterns: Sequence[Texture], *, attention: bool = False) -> Read:
        """Patterns in, unit vectors out. Tokens: peaks, and the two of the tower."""
        pairs = [np.column_stack([one.ln_q, one.log_strength]) for one in patterns]
        peaks, there = _padded(pairs)
        tokens = self._peaks("texture", peaks[..., 0], peaks[..., 1])
        return self._read("texture", tokens, there, tokens.shape[1], attention=attention)

    def _peaks(self, tower: str, ln_q: _FLOAT, log_strength: _FLOAT) -> _FLOAT:
        more = np.stack([log_strength / 4, np.exp(log_strength / 2)], axis=2)
        return self._linear(f"{tower}.peak", np.concatenate([waves(ln_q), more], axis=2))

    def _read(
        self, tower: str, tokens: _FLOAT, there: NDArray[np.bool_], peaks: int, *, attention: bool
    ) -> Read:
        weights, batch = self._weights, len(tokens)
        ends = np.stack([weights[f"{tower}.first"], weights[f"{tower}.last"]])
        tokens = np.concatenate([tokens, np.broadcast_to(ends, (batch, *ends.shape))], axis=1)
        kept = np.concatenate([there, np.ones((batch, 2), bool)], axis=1)
        seen = []
        with one_blas_thread():
            layer = 0
            while f"{tower}.layers.{layer}.ask.weight" in weights:
                tokens, looked = self._block(f"{tower}.layers.{layer}", tokens, kept)
                seen += [looked] if attention else []
                layer += 1
            read = self._norm(f"{tower}.norm", tokens)
            part = there[:, :peaks, None]
            mean = (read[:, :peaks] * part).sum(axis=1) / np.maximum(part.sum(axis=1), 1)
            joined = np.concatenate([read[:, -2], read[:, -1], mean], axis=1)
            vectors = self._linear(f"{tower}.join", joined)
        norm = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Read(np.asarray(vectors / norm, np.float32), tuple(seen))

    def _block(self, name: str, tokens: _FLOAT, kept: NDArray[np.bool_]) -> tuple[_FLOAT, _FLOAT]:
        batch, count, width = tokens.shape
        asked = self._linear(f"{name}.ask", self._norm(f"{name}.norms.0", tokens))
        query, key, value = asked.reshape(batch, count, 3, HEADS, -1).transpose(2, 0, 3, 1, 4)
        logits = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[3])
        logits = np.where(kept[:, None, None], logits, -1e4)
        looked = np.exp(logits - logits.max(axis=3, keepdims=True))
        looked /= looked.sum(axis=3, keepdims=True)
        seen = (looked @ value).transpose(0, 2, 1, 3).reshape(batch, count, width)
        tokens = tokens + self._linear(f"{name}.answer", seen)
        wide = self._linear(f"{name}.widen", self._norm(f"{name}.norms.1", tokens))
        return tokens + self._linear(f"{name}.narrow", np.maximum(wide, 0.0)), looked

    def _linear(self, name: str, x: _FLOAT) -> _FLOAT:
        product: _FLOAT = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return product

    def _norm(self, name: str, x: _FLOAT) -> _FLOAT:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return np.asarray(centred / spread * weight + bias)


def waves(values: _FLOAT) -> _FLOAT:
    """Sines and cosines of logarithms of lengths. Shape (..., 2 · periods)."""
    turns = 2 * np.pi * values[..., None] / PERIODS.astype(np.float32)
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=-1).astype(np.float32)


def _padded(rows: Sequence[NDArray[np.generic]]) -> tuple[_FLOAT, NDArray[np.bool_]]:
    """Arrays of unlike length as one, and where it is no padding. (B, T, features) and (B, T)."""
    most = max(1, *(len(one) for one in rows))
    whole = np.zeros((len(rows), most, rows[0].shape[1]), np.float32)
    there = np.zeros((len(rows), most), bool)
    for at, one in enumerate(rows):
        whole[at, : len(one)] = one
        there[at, : len(one)] = True
    return whole, there
