"""What the generator's network is trained on: packed crystals, noised, broken, with neighbours.

A crystal's templates are the crystals of other formulas whose patterns are nearest in the learned
space; in half of the draws those of its own structure type are passed over, as they will be where a
type is new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from generator.network.cells import cell_logarithm, lattice_of
from generator.network.model import (
    CELL_SPREAD,
    ELEMENTS,
    MOST_ATOMS,
    TEMPLATES,
    GeneratorNetwork,
    Question,
    Structures,
    row_of,
)
from indexer.encoders.drawing import Laboratory, lines_profiles, measured_profiles
from indexer.encoders.loop import parts
from indexer.encoders.model import ProfileEncoder
from indexer.encoders.pack import Pack

NEIGHBOURS = 48
"""Nearest crystals among which the templates of one are sought."""
NEW_TYPE = 0.5
"""Share of the draws in which templates are of other structure types."""
FEWER_TEMPLATES = 0.3
"""Share of the draws in which some templates are left out, so that none is needed."""
UNSTRAINED = (-6.0, -6.0)
PART = 256
WHOLE = 199
"""Occupancy, in 1/200, from which a site counts as full."""

_ATOM_JITTER_ANGSTROM, _CELL_JITTER = 0.03, 0.004
"""What a right structure may still be off by."""


@dataclass(frozen=True)
class Batch:
    """B samples with the truth.

    Attributes:
        question: what is known.
        truth: structures without noise, one for each sample.
        space_group, multiple: from 0, as logits count them. Shape (B,).
    """

    question: Question
    truth: Structures
    space_group: Tensor
    multiple: Tensor


class Examples:
    """Packed crystals of few atoms, their sites full, with neighbours in the learned space."""

    def __init__(self, pack: Pack, encoder: ProfileEncoder, laboratory: Laboratory) -> None:
        """Embed the crystals and find their neighbours.

        Args:
            pack: on the device that trains.
            encoder: of the learned channel; it stays as it is.
            laboratory: where patterns are measured; cells are not strained, for a sample's own
                cell is what is sought.
        """
        self.pack = pack
        self.laboratory = replace(laboratory, strain_decades=UNSTRAINED)
        self.encoder = encoder.to(pack.device).eval().requires_grad_(False)
        self.training = small_rows(pack, pack.training_rows, MOST_ATOMS)
        self.held_out = small_rows(pack, pack.held_out_rows, MOST_ATOMS)
        known = torch.cat([self.training, self.held_out])
        self._vectors = self._embedded(known)
        self._place = torch.full((len(pack),), -1, device=pack.device)
        self._place[known] = torch.arange(len(known), device=pack.device)
        self._near = self._neighbours(known)
        self._formula = _numbered(self._compositions(known))

    def _embedded(self, rows: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(self.pack.device.type, torch.bfloat16):
            vectors = [
                self.encoder(lines_profiles(self.pack.lines(part))) for part in parts(rows, PART)
            ]
        return torch.cat(vectors).float()

    def _neighbours(self, known: Tensor) -> Tensor:
        """Rows of the training crystals nearest to each known one. Shape (n, NEIGHBOURS)."""
        count = len(self.training)
        answers = self._vectors[:count]
        near = [
            (part @ answers.T).topk(min(NEIGHBOURS, count), dim=1).indices
            for part in parts(self._vectors, PART)
        ]
        return known[torch.cat(near)]

    def _compositions(self, rows: Tensor) -> Tensor:
        """Atoms of each element in a formula unit. Shape (n, ELEMENTS)."""
        counts = torch.cat(
            [counts_of(self.structures(part).number[:, 0]) for part in parts(rows, PART)]
        )
        return counts // divisor_of(counts)[:, None]

    def structures(self, rows: Tensor) -> Structures:
        """Crystals as the pack has them, cells as logarithms in natural units. (n, 1, A)."""
        number, fractional = padded_atoms(self.pack, rows)
        cell = cell_logarithm(self.pack.primitive[rows].double()).float()
        return Structures(number[:, None], fractional[:, None], cell[:, None])

    def draw(self, rows: Tensor, network: GeneratorNetwork, generator: torch.Generator) -> Batch:
        """Measured-like patterns of these crystals, with templates and the truth."""
        pack = self.pack
        with torch.no_grad():
            profiles = measured_profiles(pack, rows, self.laboratory, generator)
            truth = self.structures(rows)
            with torch.autocast(pack.device.type, torch.bfloat16):
                vectors = self.encoder(profiles).float()
            own = row_of(
                vectors,
                truth.cell.new_zeros(len(rows), 6),
                torch.zeros_like(truth.number[:, 0]),
                truth.fractional[:, 0],
            )
            templates = self._templates(rows, generator)
            counts = counts_of(truth.number[:, 0])
            units = divisor_of(counts)
            formula = counts / counts.sum(dim=1, keepdim=True)
            expected = network.expected_cell(truth.number)
            truth = replace(truth, cell=(truth.cell - expected) / CELL_SPREAD)
        question = Question(profiles, torch.cat([own[:, None], templates], dim=1), formula)
        return Batch(question, truth, pack.space_group[rows].long() - 1, units - 1)

    def _templates(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Rows of the templates of crystals. (B, TEMPLATES, ROW)."""
        pack, device = self.pack, self.pack.device
        place = self._place[rows]
        near = self._near[place]
        other = self._formula[self._place[near]] != self._formula[place][:, None]
        alike = pack.prototype[near] == pack.prototype[rows][:, None]
        new = _chance(len(rows), NEW_TYPE, generator, device)
        usable = other & ~(alike & new[:, None])
        # The first usable ones: those that are not come last.
        order = (~usable).long().argsort(dim=1, stable=True)[:, :TEMPLATES]
        chosen, there = near.gather(1, order), usable.gather(1, order)
        kept = torch.randint(0, TEMPLATES + 1, (len(rows),), generator=generator, device=device)
        kept = torch.where(_chance(len(rows), FEWER_TEMPLATES, generator, device), kept, TEMPLATES)
        there &= torch.arange(chosen.shape[1], device=device) < kept[:, None]
        flat = chosen.flatten()
        found = self.structures(flat)
        made = row_of(
            self._vectors[self._place[flat]],
            found.cell[:, 0],
            found.number[:, 0],
            found.fractional[:, 0],
        )
        made = made.view(len(rows), chosen.shape[1], -1) * there[..., None]
        missing = TEMPLATES - chosen.shape[1]
        return torch.nn.functional.pad(made, (0, 0, 0, missing))


def small_rows(pack: Pack, rows: Tensor, most_atoms: int) -> Tensor:
    """Those of the rows whose crystals are ordered and have few atoms in the primitive cell."""
    begin, end = pack.atom_offsets[rows], pack.atom_offsets[rows + 1]
    partly = (pack.occupancy < WHOLE).cumsum(0)
    partly = torch.cat([partly.new_zeros(1), partly])
    few = (end > begin) & (end - begin <= most_atoms) & (partly[begin] == partly[end])
    return rows[few]


def padded_atoms(pack: Pack, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Atomic numbers, 0 where padded, (B, A), and fractional coordinates, (B, A, 3)."""
    begin = pack.atom_offsets[rows]
    count = pack.atom_offsets[rows + 1] - begin
    slot = torch.arange(int(count.max()), device=pack.device)
    there = slot < count[:, None]
    flat = torch.where(there, begin[:, None] + slot, begin[:, None])
    number = torch.where(there, pack.atomic_number[flat].long(), 0)
    return number, pack.fractional[flat].float() / 65536


def counts_of(number: Tensor) -> Tensor:
    """Atoms of each element, (B, A) to (B, ELEMENTS); padding is not counted."""
    counts = torch.zeros(len(number), ELEMENTS, dtype=torch.long, device=number.device)
    counts.scatter_add_(1, number, torch.ones_like(number))
    counts[:, 0] = 0
    return counts


def divisor_of(counts: Tensor) -> Tensor:
    """Formula units: the greatest common divisor of each row. Shape (B,)."""
    divisor = counts[:, 0]
    for column in counts.T[1:]:
        divisor = torch.gcd(divisor, column)
    return divisor


def repeated(structures: Structures, draws: int) -> Structures:
    """Each structure so many times over."""
    return Structures(
        structures.number.expand(-1, draws, -1),
        structures.fractional.expand(-1, draws, -1, -1),
        structures.cell.expand(-1, draws, -1),
    )


def broken(
    truth: Structures, network: GeneratorNetwork, generator: torch.Generator
) -> tuple[Structures, Tensor, Tensor]:
    """Structures to be judged: right ones, and such as were spoilt in one of five ways.

    Atoms are moved, two elements exchanged, one element put for another, an atom deleted, or the
    cell stretched; or else the structure is to be shown with another sample's pattern.

    Returns:
        One structure a sample; which are to be called right, (B,); and which sample's pattern each
        is shown with, (B,).
    """
    count, device = len(truth.number), truth.number.device
    way = torch.randint(0, 2 * len(_WAYS) + 2, (count,), generator=generator, device=device)
    way = way.clamp(max=len(_WAYS) + 1)
    # Where the number is len(_WAYS), the pattern is another's; above, the structure is right.
    lattice = lattice_of(network.cell_of(truth)[:, 0])
    number, fractional, cell = truth.number[:, 0], truth.fractional[:, 0], truth.cell[:, 0]
    jitter = _normal(fractional, generator) * _ATOM_JITTER_ANGSTROM
    fractional = fractional + jitter @ torch.linalg.inv(lattice)
    cell = cell + _normal(cell, generator) * (_CELL_JITTER / CELL_SPREAD)
    kept = (number, fractional, cell)
    for index, spoil in enumerate(_WAYS):
        spoilt = spoil(*kept, lattice, generator)
        mine = way == index
        number = torch.where(mine[:, None], spoilt[0], number)
        fractional = torch.where(mine[:, None, None], spoilt[1], fractional)
        cell = torch.where(mine[:, None], spoilt[2], cell)
    rows = torch.arange(count, device=device)
    shown = torch.where(way == len(_WAYS), rows.roll(1), rows)
    return Structures(number[:, None], fractional[:, None], cell[:, None]), way > len(_WAYS), shown


Spoilt = tuple[Tensor, Tensor, Tensor]


def _moved(
    number: Tensor, fractional: Tensor, cell: Tensor, lattice: Tensor, generator: torch.Generator
) -> Spoilt:
    """All atoms by a little, or a few of them by much, in Å."""
    device = number.device
    spread = 0.3 + 0.9 * torch.rand(len(number), 1, 1, generator=generator, device=device)
    some = torch.rand(number.shape, generator=generator, device=device) < 0.2
    some[:, 0] |= ~some.any(dim=1)
    all_of_them = _chance(len(number), 0.5, generator, device)[:, None]
    mine = torch.where(all_of_them, True, some)
    far = torch.where(all_of_them[..., None], spread, 1.5 * spread)
    step = _normal(fractional, generator) * far * mine[..., None]
    return number, fractional + step @ torch.linalg.inv(lattice), cell


def _exchanged(
    number: Tensor, fractional: Tensor, cell: Tensor, lattice: Tensor, generator: torch.Generator
) -> Spoilt:
    """Two atoms of different elements in each other's place; of one element, one is moved."""
    first = _one_of(number > 0, generator)
    own = number.gather(1, first)
    others = (number > 0) & (number != own)
    alone = ~others.any(dim=1)
    second = _one_of(others | alone[:, None], generator)
    theirs = number.gather(1, second)
    exchanged = number.scatter(1, first, theirs).scatter(1, second, own)
    moved = _moved(number, fractional, cell, lattice, generator)[1]
    return (
        torch.where(alone[:, None], number, exchanged),
        torch.where(alone[:, None, None], moved, fractional),
        cell,
    )


def _replaced(
    number: Tensor, fractional: Tensor, cell: Tensor, lattice: Tensor, generator: torch.Generator
) -> Spoilt:
    """All atoms of an element are another element's."""
    del lattice
    own = number.gather(1, _one_of(number > 0, generator))
    other = torch.randint(1, 95, own.shape, generator=generator, device=number.device)
    other = torch.where(other == own, other % 94 + 1, other)
    return torch.where(number == own, other, number), fractional, cell


def _deleted(
    number: Tensor, fractional: Tensor, cell: Tensor, lattice: Tensor, generator: torch.Generator
) -> Spoilt:
    """An atom less; of a crystal of one atom it is another element."""
    one = _one_of(number > 0, generator)
    fewer = number.scatter(1, one, 0)
    other = _replaced(number, fractional, cell, lattice, generator)[0]
    return torch.where((fewer > 0).any(dim=1)[:, None], fewer, other), fractional, cell


def _stretched(
    number: Tensor, fractional: Tensor, cell: Tensor, lattice: Tensor, generator: torch.Generator
) -> Spoilt:
    """Another cell, off by 3 to 12 %."""
    del lattice
    way = torch.nn.functional.normalize(_normal(cell, generator), dim=1)
    far = 0.03 + 0.09 * torch.rand(len(cell), 1, generator=generator, device=cell.device)
    return number, fractional, cell + way * far * (1.7 / CELL_SPREAD)


_WAYS: tuple[Callable[[Tensor, Tensor, Tensor, Tensor, torch.Generator], Spoilt], ...] = (
    _moved,
    _exchanged,
    _replaced,
    _deleted,
    _stretched,
)


def _one_of(there: Tensor, generator: torch.Generator) -> Tensor:
    """The place of one of those that are there, in each row. Shape (B, 1)."""
    draws = torch.rand(there.shape, generator=generator, device=there.device)
    return torch.where(there, draws, -1.0).argmax(dim=1, keepdim=True)


def _chance(count: int, odds: float, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.rand(count, generator=generator, device=device) < odds


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def _numbered(compositions: Tensor) -> Tensor:
    """A number for each different row."""
    numbers: Tensor = torch.unique(compositions, dim=0, return_inverse=True)[1]
    return numbers
