"""The profile encoder without torch: what look-up runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import load_file

_FLOAT = NDArray[np.float32]


class NumpyProfileEncoder:
    """`model.ProfileEncoder` with matrix products alone, from its weights on disk.

    Places come before channels here, (B, P, C), so that every convolution is one product.
    """

    def __init__(self, weights: dict[str, _FLOAT]) -> None:
        """Weights under the names that torch gives them."""
        self._weights = {
            name: np.ascontiguousarray(value.transpose(2, 1, 0).reshape(-1, len(value)))
            if value.ndim == 3
            else value
            for name, value in weights.items()
        }
        self._stride = weights["stem.weight"].shape[2] // 2
        self._kernel = {name: w.shape[2] for name, w in weights.items() if w.ndim == 3}
        head = weights["join.weight"]
        channels = weights["reduce.weight"].shape[0]
        joined = head.reshape(len(head), channels, -1).transpose(2, 1, 0)
        self._join = np.ascontiguousarray(joined.reshape(-1, len(head)))
        self.dimension = len(head)

    @classmethod
    def load(cls, path: Path) -> NumpyProfileEncoder:
        """From a safetensors file."""
        return cls(load_file(path))

    def __call__(self, profiles: _FLOAT) -> _FLOAT:
        """(B, 2, BINS) to unit vectors (B, dimension)."""
        x = np.ascontiguousarray(profiles.transpose(0, 2, 1))
        width = self._kernel["stem.weight"]
        x = self._convolve(x, "stem", self._stride, (width - self._stride) // 2)
        stage = 0
        while True:
            block = 0
            while f"blocks.{stage}.{block}.mix.weight" in self._weights:
                name = f"blocks.{stage}.{block}"
                x = self._block(x, name)
                block += 1
            if f"halvings.{stage}.weight" not in self._weights:
                break
            kernel = self._kernel[f"halvings.{stage}.weight"]
            x = self._convolve(x, f"halvings.{stage}", 2, kernel // 2 - 1)
            stage += 1
        x = self._convolve(x, "reduce", 1, 0)
        vectors = x.reshape(len(x), -1) @ self._join + self._weights["join.bias"]
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def _block(self, x: _FLOAT, name: str) -> _FLOAT:
        along = self._convolve(x, f"{name}.along", 1, self._kernel[f"{name}.along.weight"] // 2)
        mixed = along @ self._weights[f"{name}.mix.weight"] + self._weights[f"{name}.mix.bias"]
        return np.asarray(np.maximum(x + mixed, 0.0))

    def _convolve(self, x: _FLOAT, name: str, stride: int, padding: int) -> _FLOAT:
        """A convolution along places and a rectifier."""
        kernel = self._kernel[f"{name}.weight"]
        if padding:
            x = np.pad(x, ((0, 0), (padding, padding), (0, 0)))
        windows = sliding_window_view(x, kernel, axis=1)[:, ::stride]  # (B, P, C, kernel)
        flat = windows.transpose(0, 1, 3, 2).reshape(len(x), windows.shape[1], -1)
        total = flat @ self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return np.asarray(np.maximum(total, 0.0))
