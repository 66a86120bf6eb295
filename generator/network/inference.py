"""The trained network asked about one pattern: first guesses, structures, verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.crystal import Crystal
from data.preparation import Prepared
from generator.network.cells import cell_logarithm, lattice_of
from generator.network.model import (
    CELL_SPREAD,
    ELEMENTS,
    MOST_ATOMS,
    MULTIPLES,
    ROW,
    TEMPLATES,
    GeneratorNetwork,
    Question,
    Reading,
    Structures,
    row_of,
)
from generator.network.network_file import read_network
from generator.network.sampling import denoised, noised
from generator.network.weights_file import shipped
from generator.torch_use import one_torch_thread
from indexer.encoders.profile import profile_of_pattern
from indexer.learned import LearnedChannel

WEIGHTS = "generator.safetensors"
SEED = 0
JUDGED_TOGETHER = 64
GUESSED = 0.85
"""When structures of the first guess join: places are spread almost evenly by then."""


@dataclass(frozen=True, eq=False)
class TemplateRow:
    """A template as the network reads it.

    Attributes:
        vector: of its pattern, in the learned space. Shape (256,).
        primitive: its structure; None where it is too large to be read.
    """

    vector: NDArray[np.float32]
    primitive: Crystal | None


@dataclass(frozen=True, eq=False)
class Guess:
    """What pattern and formula alone say.

    Attributes:
        space_group: probabilities of numbers 1 to 230. Shape (230,).
        multiple: probabilities of 1, 2, … formula units in the primitive cell. Shape (MULTIPLES,).
    """

    space_group: NDArray[np.float64]
    multiple: NDArray[np.float64]


class Questioned:
    """A network that has read a pattern, a formula and templates."""

    @one_torch_thread()
    def __init__(
        self,
        prepared: Prepared,
        composition: Mapping[str, float],
        templates: Sequence[TemplateRow] = (),
        *,
        network: GeneratorNetwork | None = None,
    ) -> None:
        """Read them.

        Args:
            prepared: the pattern.
            composition: atoms of each element in a formula unit.
            templates: at most `TEMPLATES` are read.
            network: the one that comes with Braggle when left out.
        """
        self.network = network or shipped_network()
        self.generator = torch.Generator().manual_seed(SEED)
        self.unit = [
            number
            for symbol, amount in composition.items()
            for number in [gemmi.Element(symbol).atomic_number] * round(amount)
        ]
        rows = torch.zeros(1, 1 + TEMPLATES, ROW)
        rows[0, 0] = _row(TemplateRow(LearnedChannel().embed_pattern(prepared)[0], None))
        for i, one in enumerate(templates[:TEMPLATES]):
            rows[0, 1 + i] = _row(one)
        share = torch.zeros(1, ELEMENTS)
        for symbol, amount in composition.items():
            share[0, gemmi.Element(symbol).atomic_number] = amount / sum(composition.values())
        profile = torch.from_numpy(profile_of_pattern(prepared))[None]
        with torch.no_grad():
            self.reading: Reading = self.network.read(Question(profile, rows, share))

    @property
    def most_units(self) -> int:
        """Formula units of a primitive cell that the network has room for."""
        return min(MOST_ATOMS // max(len(self.unit), 1), MULTIPLES)

    @one_torch_thread()
    def guess(self) -> Guess:
        """Space group and formula units."""
        with torch.no_grad():
            seen = self.network.coarse(self.reading, torch.tensor([len(self.unit)]))
        return Guess(_probabilities(seen.space_group), _probabilities(seen.multiple))

    @one_torch_thread()
    def from_noise(self, units: int, count: int) -> list[Crystal]:
        """Structures of so many formula units, from noise alone."""
        number = self._numbers(units, count)
        begin = Structures(
            number,
            torch.rand(*number.shape, 3, generator=self.generator),
            torch.randn(1, count, 6, generator=self.generator),
        )
        return self._crystals(denoised(self.network, self.reading, begin, self.generator))

    @one_torch_thread()
    def from_guess(self, units: int, count: int) -> list[Crystal]:
        """The same from the cell that is guessed first, at a time when places hardly count yet."""
        number = self._numbers(units, count)
        with torch.no_grad():
            seen = self.network.coarse(self.reading, torch.tensor([number.shape[2]]))
        cell = seen.cell[:, None].expand(1, count, 6)
        clean = Structures(number, torch.zeros(*number.shape, 3), cell)
        begin = noised(clean, self.generator, time=GUESSED, keep_places=False)
        return self._crystals(
            denoised(self.network, self.reading, begin, self.generator, time=GUESSED)
        )

    @one_torch_thread()
    def from_structures(self, primitives: Sequence[Crystal], *, time: float) -> list[Crystal]:
        """Structures near others of this formula, which are noised to a time first."""
        begin = noised(self._structures(primitives), self.generator, time=time)
        return self._crystals(
            denoised(self.network, self.reading, begin, self.generator, time=time)
        )

    @one_torch_thread()
    def verdicts(self, primitives: Sequence[Crystal]) -> NDArray[np.float64]:
        """Probabilities that structures of at most `MOST_ATOMS` atoms are right. Shape (n,)."""
        found = [np.zeros(0)]
        for at in range(0, len(primitives), JUDGED_TOGETHER):
            asked = self._structures(primitives[at : at + JUDGED_TOGETHER])
            with torch.no_grad():
                seen = self.network(self.reading, asked, torch.zeros(1, asked.number.shape[1]))
            found.append(seen.verdict[0].sigmoid().numpy().astype(np.float64))
        return np.concatenate(found)

    def _numbers(self, units: int, count: int) -> Tensor:
        return torch.tensor(self.unit * units)[None, None].expand(1, count, -1)

    def _structures(self, primitives: Sequence[Crystal]) -> Structures:
        """(1, n, A), padded to the largest."""
        most = max(len(one) for one in primitives)
        number = torch.zeros(1, len(primitives), most, dtype=torch.long)
        fractional = torch.zeros(1, len(primitives), most, 3)
        for i, one in enumerate(primitives):
            number[0, i, : len(one)] = _numbers_of(one)
            fractional[0, i, : len(one)] = torch.tensor(one.fractional).float()
        lattice = torch.from_numpy(np.stack([one.lattice for one in primitives]))
        cell = cell_logarithm(lattice).float()[None]
        cell = (cell - self.network.expected_cell(number)) / CELL_SPREAD
        return Structures(number, fractional, cell)

    def _crystals(self, structures: Structures) -> list[Crystal]:
        lattices = lattice_of(self.network.cell_of(structures)[0].double()).numpy()
        made = []
        for i, lattice in enumerate(lattices):
            kept = (structures.number[0, i] > 0).numpy()
            species = [gemmi.Element(int(z)).name for z in structures.number[0, i][kept]]
            fractional = structures.fractional[0, i].double().numpy()[kept]
            made.append(
                Crystal(
                    lattice,
                    tuple(species),
                    np.ones(len(species)),
                    fractional,
                    np.full(len(species), math.nan),
                )
            )
        return made


@cache
def shipped_network() -> GeneratorNetwork:
    """The network that comes with Braggle."""
    with shipped("generator.network", WEIGHTS) as path:
        return read_network(Path(path))


def _row(template: TemplateRow) -> Tensor:
    """Shape (ROW,)."""
    vector = torch.tensor(template.vector)[None]
    one = template.primitive
    if one is None or len(one) > MOST_ATOMS or not one.is_ordered:
        nothing = torch.zeros(1, 1, dtype=torch.long)
        return row_of(vector, torch.zeros(1, 6), nothing, torch.zeros(1, 1, 3))[0]
    cell = cell_logarithm(torch.tensor(one.lattice)[None]).float()
    fractional = torch.tensor(one.fractional).float()[None]
    return row_of(vector, cell, _numbers_of(one)[None], fractional)[0]


def _numbers_of(crystal: Crystal) -> Tensor:
    return torch.tensor([gemmi.Element(symbol).atomic_number for symbol in crystal.species])


def _probabilities(logits: Tensor) -> NDArray[np.float64]:
    return logits[0].softmax(0).numpy().astype(np.float64)
