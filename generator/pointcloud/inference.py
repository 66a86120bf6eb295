"""The trained network asked for crystals of some elements, and to take noise off known ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import gemmi
import numpy as np
import torch
from torch import Tensor

from data.crystal import Crystal
from generator.pointcloud.cloud import (
    LIKELIHOODS,
    MOST_ATOMS,
    MOST_ELEMENTS,
    POINTS,
    ROWS,
    cells_in,
    clouds_of,
    elements_of,
    places_in,
)
from generator.pointcloud.clusters import Cloud, symbols_of
from generator.pointcloud.model import NOT_TOLD, CloudNetwork, Known, evidence
from generator.pointcloud.network_file import read_network, shipped_weights
from generator.pointcloud.noise import denoised, noised
from generator.torch_use import one_torch_thread

STEPS = 50
"""From noise alone to a cloud."""
HISS = 1.0
"""Of a walk from noise alone, see `denoised`; crystals out of part of their noise are walked to
straight, which brings them nearer to where they were."""
TOGETHER = 64
"""Clouds that are drawn at a time."""
LEAST_ODDS = 1e-3
"""Of a number of atoms that a told formula allows."""

Told = Callable[[int, int], None]


def drawn(
    symbols: Sequence[str],
    count: int,
    *,
    unit: Mapping[str, int] | None = None,
    seed: int = 0,
    steps: int = STEPS,
    network: CloudNetwork | None = None,
    told: Told | None = None,
) -> Iterator[list[Cloud]]:
    """Clouds of so many crystals, a few at a time.

    The number of atoms is drawn first, as likely as among training crystals of such elements.

    Args:
        symbols: of one to three elements.
        count: of clouds.
        unit: atoms of each of them in a formula unit of at most 16, where the formula is told.
        seed: of what is drawn.
        steps: from noise alone.
        network: the one that comes with Braggle when left out.
        told: called with steps done, and all of them, as of all clouds.
    """
    network = network or shipped_network()
    elements = _elements([symbols])
    generator = torch.Generator().manual_seed(seed)
    whole = -(-count // TOGETHER) * steps
    for i, at in enumerate(range(0, count, TOGETHER)):
        many = min(TOGETHER, count - at)
        known = _drawn_numbers(network, elements, many, unit, generator)
        begin = torch.randn((many, ROWS, POINTS), generator=generator)

        def tell(done: int, _: int, before: int = i * steps) -> None:
            if told is not None:
                told(before + done, whole)

        yield _walked(network, begin, known, generator, 1.0, steps, HISS, tell)


def reconstructed(
    crystals: Sequence[Crystal],
    time: float,
    *,
    seed: int = 0,
    steps: int = STEPS,
    network: CloudNetwork | None = None,
) -> tuple[list[Cloud], list[Cloud]]:
    """Crystals noised up to a time, as they are then, and with the noise taken off again.

    How many atoms there are is not told: it is what makes the noisy points likeliest.

    Args:
        crystals: Niggli-reduced primitive cells of at most 16 atoms of three elements.
        time: from 0 to 1; see `noise`.
        seed: of what is drawn.
        steps: from noise alone; so many fewer from part-way.
        network: the one that comes with Braggle when left out.

    Returns:
        Clouds with noise, the noise's scaling undone, and without.
    """
    network = network or shipped_network()
    generator = torch.Generator().manual_seed(seed)
    clean, elements = cloud_tensors(crystals, network)
    when = torch.full((len(clean),), time)
    noise = torch.randn(clean.shape, generator=generator)
    noisy, _ = noised(clean, when, noise)
    signal, _ = noised(torch.ones(1, 1), when[:1], torch.zeros(1, 1))
    before = clouds_in(noisy / signal, elements, network)
    few = max(round(steps * time), 1)
    numbers = evidence(noisy, when) + network.numbers(elements)
    known = _known(elements, numbers.argmax(dim=1) + 1)
    return before, _walked(network, noisy, known, generator, time, few, 0.0, None)


def cloud_tensors(crystals: Sequence[Crystal], network: CloudNetwork) -> tuple[Tensor, Tensor]:
    """Crystals as clouds, (B, ROWS, POINTS), and their elements, (B, MOST_ELEMENTS)."""
    most = max(len(one) for one in crystals)
    number = torch.zeros(len(crystals), most, dtype=torch.long)
    fractional = torch.zeros(len(crystals), most, 3)
    for i, one in enumerate(crystals):
        number[i, : len(one)] = torch.tensor(
            [gemmi.Element(symbol).atomic_number for symbol in one.species]
        )
        fractional[i, : len(one)] = torch.from_numpy(one.fractional.copy()).float()
    lattice = torch.from_numpy(np.array([one.lattice for one in crystals]))
    return clouds_of(number, fractional, lattice, network.scale)


def clouds_in(values: Tensor, elements: Tensor, network: CloudNetwork) -> list[Cloud]:
    """What values of shape (B, ROWS, POINTS) say, for elements of shape (B, MOST_ELEMENTS)."""
    places = places_in(values).double().numpy()
    likelihoods = values[:, LIKELIHOODS].transpose(1, 2).double().numpy()
    cells = cells_in(values.double(), network.scale)
    cells[:, :3] = cells[:, :3].exp()
    found = []
    for i, numbers in enumerate(elements.tolist()):
        symbols = symbols_of(numbers)
        likely = likelihoods[i, :, : len(symbols)]
        found.append(Cloud(places[i], likely, tuple(cells[i].tolist()), symbols))
    return found


@one_torch_thread()
def _walked(
    network: CloudNetwork,
    begin: Tensor,
    known: Known,
    generator: torch.Generator,
    time: float,
    steps: int,
    hiss: float,
    told: Told | None,
) -> list[Cloud]:
    def velocity(values: Tensor, when: Tensor) -> Tensor:
        found: Tensor = network(values, when, known)
        return found

    values = denoised(velocity, begin, generator, time=time, steps=steps, hiss=hiss, told=told)
    return clouds_in(values, known.elements, network)


@torch.no_grad()
def _drawn_numbers(
    network: CloudNetwork,
    elements: Tensor,
    many: int,
    unit: Mapping[str, int] | None,
    generator: torch.Generator,
) -> Known:
    """How many atoms clouds have, and of a told formula, of which element each is."""
    odds = network.numbers(elements)[0].exp()
    if unit is not None:
        size = sum(unit.values())
        odds = (odds + LEAST_ODDS) * (torch.arange(1, MOST_ATOMS + 1) % size == 0)
    counts = torch.multinomial(odds, many, replacement=True, generator=generator) + 1
    known = _known(elements.expand(many, -1), counts)
    if unit is None:
        return known
    shares = torch.tensor([unit[one] for one in symbols_of(elements[0].tolist())])
    order = torch.arange(len(shares))
    for i, atoms in enumerate(counts.tolist()):
        known.kinds[i, :atoms] = order.repeat_interleave(shares * (atoms // size))
    return known


def _known(elements: Tensor, count: Tensor) -> Known:
    """With no element of an atom told."""
    kinds = torch.full((len(count), MOST_ATOMS), NOT_TOLD)
    return Known(elements, count, kinds)


def _elements(symbols: Sequence[Sequence[str]]) -> Tensor:
    numbers = torch.zeros(len(symbols), MOST_ELEMENTS, dtype=torch.long)
    for i, own in enumerate(symbols):
        numbers[i, : len(own)] = torch.tensor([gemmi.Element(one).atomic_number for one in own])
    return elements_of(numbers)


@cache
def shipped_network() -> CloudNetwork:
    """The network that comes with Braggle."""
    with shipped_weights() as path:
        return read_network(path)
