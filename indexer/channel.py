"""A channel: one way to turn patterns and crystals into vectors of one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.lines import LinesTable

if TYPE_CHECKING:
    from data.preparation import Prepared


class Channel(Protocol):
    """Patterns and crystals in, unit vectors of one space out.

    What a crystal is read by, its lines or its atoms, `ReadsLines` and `ReadsAtoms` say.

    Every stored vector names the channel that made it, by `id`, `version` and `sha256` (of
    whatever the vectors depend on: parameters, weights), so that vectors of two makes never meet.
    """

    @property
    def id(self) -> str:
        """Short name: "physical"."""
        ...

    @property
    def version(self) -> str:
        """Counts up when vectors change."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of everything the vectors depend on."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed_pattern(self, prepared: Prepared) -> NDArray[np.float32]:
        """Unit vectors of one pattern, several when the channel asks more than one question of it
        (strains, say); an entry's score is its best over them. Shape (m, dimension).
        """
        ...


@runtime_checkable
class ReadsLines(Channel, Protocol):
    """A channel that knows a crystal by where and how strongly it diffracts."""

    def embed_lines(self, lines: LinesTable) -> NDArray[np.float32]:
        """Unit vectors of N crystals. Shape (N, dimension)."""
        ...


@runtime_checkable
class ReadsAtoms(Channel, Protocol):
    """A channel that knows a crystal by its atoms and lattice."""

    def embed_crystals(self, crystals: Sequence[Standard]) -> NDArray[np.float32]:
        """Unit vectors of N crystals. Shape (N, dimension)."""
        ...


AnyChannel = ReadsLines | ReadsAtoms
