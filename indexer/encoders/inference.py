"""The profile encoder without torch: what look-up runs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from threadpoolctl import ThreadpoolController

from indexer.encoders.axis import BINS
from indexer.encoders.short_convolution import ShortConvolution

_FLOAT = NDArray[np.float32]

BATCH = 8
"""Profiles a pass; what a pass works on then stays in the cache of a core."""


class NumpyProfileEncoder:
    """`model.ProfileEncoder` with matrix products alone, from its weights on disk.

    Places come before channels here, (B, P, C). A convolution whose kernel is m strides long is one
    over m places of strides · C channels, and is worked out by `ShortConvolution`.
    """

    def __init__(self, weights: dict[str, _FLOAT]) -> None:
        """Weights under the names that torch gives them."""
        self._weights = weights
        self._stride = _stem_stride(weights)
        head, channels = weights["join.weight"], len(weights["reduce.weight"])
        joined = head.reshape(len(head), channels, -1).transpose(2, 1, 0)
        self._join = np.ascontiguousarray(joined.reshape(-1, len(head)))
        self._convolutions = {
            name.removesuffix(".weight"): ShortConvolution.of(
                _taps(value, self._stride_of(name)), weights[name.replace("weight", "bias")]
            )
            for name, value in weights.items()
            if value.ndim == 3
        }
        self.dimension = len(head)

    @classmethod
    def load(cls, path: Path) -> NumpyProfileEncoder:
        """From a safetensors file."""
        return cls({name: value.astype(np.float32) for name, value in load_file(path).items()})

    def __call__(self, profiles: _FLOAT) -> _FLOAT:
        """(B, channels, BINS) to unit vectors (B, dimension), on the calling thread alone.

        Products this small gain little from a second core, and lose a hundredfold where their
        threads wait for a core that another process has.
        """
        with one_blas_thread():
            parts = [profiles[at : at + BATCH] for at in range(0, len(profiles), BATCH)]
            read = np.concatenate([self._read(part) for part in parts])
            vectors = read @ self._join + self._weights["join.bias"]
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def _read(self, profiles: _FLOAT) -> _FLOAT:
        """What the last layer joins. (B, channels, BINS) to (B, places · channels)."""
        x = self._convolve(
            profiles.transpose(0, 2, 1), "stem", (self._kernel("stem") - self._stride) // 2
        )
        stage = 0
        while True:
            block = 0
            while f"blocks.{stage}.{block}.mix.weight" in self._weights:
                x = self._block(x, f"blocks.{stage}.{block}")
                block += 1
            halving = f"halvings.{stage}"
            if f"{halving}.weight" not in self._weights:
                break
            x = self._convolve(x, halving, self._kernel(halving) // 2 - 1)
            stage += 1
        return self._convolve(x, "reduce", 0).reshape(len(x), -1)

    def _kernel(self, name: str) -> int:
        return int(self._weights[f"{name}.weight"].shape[2])

    def _stride_of(self, name: str) -> int:
        if name.startswith("stem"):
            return self._stride
        return 2 if name.startswith("halvings") else 1

    def _block(self, x: _FLOAT, name: str) -> _FLOAT:
        along = self._convolve(x, f"{name}.along", self._kernel(f"{name}.along") // 2)
        mixed = along @ self._convolutions[f"{name}.mix"].products[0]
        mixed += self._weights[f"{name}.mix.bias"]
        mixed += x
        return np.asarray(np.maximum(mixed, 0.0, out=mixed))

    def _convolve(self, x: _FLOAT, name: str, padding: int) -> _FLOAT:
        """A convolution along places and a rectifier; (B, P, C) to (B, P / stride, O)."""
        convolution, stride = self._convolutions[name], self._stride_of(name)
        count, places, channels = x.shape
        room = convolution.places_read(places // stride) * stride
        padded = np.zeros((count, room, channels), np.float32)
        padded[:, padding : padding + places] = x[:, : room - padding]
        return convolution(padded.reshape(count, -1, stride * channels), places // stride)


def one_blas_thread() -> AbstractContextManager[object]:
    """Matrix products on the calling thread while this lasts."""
    limited: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limited


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _stem_stride(weights: dict[str, _FLOAT]) -> int:
    """From how many places are left at the end, each stage but the first having halved them."""
    places = weights["join.weight"].shape[1] // len(weights["reduce.weight"])
    halvings = sum(name.startswith("halvings.") and name.endswith("weight") for name in weights)
    return int(BINS // (places * 2**halvings))


def _taps(weight: _FLOAT, stride: int) -> _FLOAT:
    """(O, C, K) as K / stride matrices of (stride · C, O)."""
    out, channels, kernel = weight.shape
    parts = weight.transpose(2, 1, 0).reshape(kernel // stride, stride * channels, out)
    return np.ascontiguousarray(parts)
