"""The learned channels: two towers over crystals and one over patterns, trained contrastively.

The space is that of XtalNet's CPCP and DD2D's twin towers: a pattern and its crystal meet in it.
How they were trained is in the model card beside their weights, `indexer/encoders/weights`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.lines import LinesTable
from indexer.encoders.atoms_inference import NumpyAtomsEncoder
from indexer.encoders.inference import NumpyProfileEncoder, one_blas_thread
from indexer.encoders.profile import profile_of_lines, profile_of_pattern
from indexer.encoders.strongest import LINES_KEPT, strongest_lines

if TYPE_CHECKING:
    from data.preparation import Prepared

PROFILE_WEIGHTS, ATOMS_WEIGHTS = "profile.safetensors", "atoms.safetensors"
TOGETHER = 32
"""Crystals that a thread takes at a time."""
DIMENSION = 256


class LearnedChannel:
    """Patterns and `Lines`: one network reads the profiles of both."""

    id: str = "learned"
    version: str = "2"
    dimension: int = DIMENSION

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return _sha256(PROFILE_WEIGHTS)

    def embed_lines(self, lines: LinesTable) -> NDArray[np.float32]:
        """Unit vectors of N crystals. Shape (N, 256)."""

        def some(rows: range) -> NDArray[np.float32]:
            profiles = [profile_of_lines(strongest_lines(lines[row], LINES_KEPT)) for row in rows]
            return _profile_encoder()(np.stack(profiles))

        return _in_batches(some, len(lines))

    def embed_pattern(self, prepared: Prepared) -> NDArray[np.float32]:
        """The unit vector of a pattern. Shape (1, 256)."""
        return _pattern_vector(prepared)


class AtomsChannel:
    """Patterns as `LearnedChannel` has them, and atoms and lattice in the same space."""

    id: str = "atoms"
    version: str = "2"
    dimension: int = DIMENSION

    @property
    def sha256(self) -> str:
        """Hash of the weights of both towers."""
        both = _sha256(PROFILE_WEIGHTS) + _sha256(ATOMS_WEIGHTS)
        return hashlib.sha256(both.encode()).hexdigest()

    def embed_crystals(self, crystals: Sequence[Standard]) -> NDArray[np.float32]:
        """Unit vectors of N crystals. Shape (N, 256)."""
        encoder = _atoms_encoder()

        def some(rows: range) -> NDArray[np.float32]:
            return encoder(np.stack([encoder.profiles(crystals[row].primitive) for row in rows]))

        return _in_batches(some, len(crystals))

    def embed_pattern(self, prepared: Prepared) -> NDArray[np.float32]:
        """The unit vector of a pattern. Shape (1, 256)."""
        return _pattern_vector(prepared)


def _pattern_vector(prepared: Prepared) -> NDArray[np.float32]:
    return _profile_encoder()(profile_of_pattern(prepared)[None])


def _in_batches(embed: Callable[[range], NDArray[np.float32]], count: int) -> NDArray[np.float32]:
    """Vectors of rows 0 to count, some on each core at a time. Shape (count, 256).

    Cores are those that compiled code is given, too: one, in a process of many.
    """
    parts = [range(at, min(at + TOGETHER, count)) for at in range(0, count, TOGETHER)]
    with one_blas_thread(), ThreadPoolExecutor(numba.get_num_threads()) as pool:
        return np.concatenate([np.zeros((0, DIMENSION), np.float32), *pool.map(embed, parts)])


@cache
def _sha256(name: str) -> str:
    content = (files("indexer") / "encoders" / "weights" / name).read_bytes()
    return hashlib.sha256(content).hexdigest()


def profile_weights() -> AbstractContextManager[Path]:
    """The file of the profile encoder's weights, for as long as it is looked at."""
    return as_file(files("indexer") / "encoders" / "weights" / PROFILE_WEIGHTS)


@cache
def _profile_encoder() -> NumpyProfileEncoder:
    with profile_weights() as path:
        return NumpyProfileEncoder.load(path)


@cache
def _atoms_encoder() -> NumpyAtomsEncoder:
    with as_file(files("indexer") / "encoders" / "weights" / ATOMS_WEIGHTS) as path:
        return NumpyAtomsEncoder.load(path)
