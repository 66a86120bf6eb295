"""Training of the network of point clouds: torch and numpy only, one packed file, resumable."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from generator.network.held_out import HeldOutProgress, HeldOutTraining
from generator.pointcloud.cloud import CELL, HALF, MOST_ATOMS, POINTS, cells_in, places_in
from generator.pointcloud.examples import CloudExamples
from generator.pointcloud.model import CloudNetwork, CloudShape, Known, left_open
from generator.pointcloud.noise import clean_of, noised, signal_at
from indexer.encoders.loop import parts

LOOKED_AT = (0.2, 0.5, 0.8)
"""Times at which held-out crystals are looked at."""
LEAST_OPEN = 0.1
"""Errors count by what the points leave open, and as if that were so much where it is less."""
KINDS_TOLD = 0.5
"""Share of the draws in which it is said which element each atom is."""
NUMBER = 0.1
"""What the number of atoms counts for in the loss."""
SEED = 7
"""Of their noise, the same each time."""


@dataclass(frozen=True)
class CloudRecipe:
    """How the network is trained.

    Attributes:
        steps, batch: of the optimiser; crystals in a step.
        rate: highest learning rate; it rises over `warmup` steps and falls as a cosine.
        decay: weight decay.
        average: of the weights that are kept, an exponential mean with this memory.
        seed: of weights and of everything that is drawn.
        validate_every, save_every: in steps.
        most_atoms: of the primitive cells that are trained on.
        shape: of the network.
    """

    steps: int = 14_000
    batch: int = 64
    rate: float = 1e-3
    warmup: int = 500
    decay: float = 0.01
    average: float = 0.999
    seed: int = 0
    validate_every: int = 1000
    save_every: int = 250
    most_atoms: int = MOST_ATOMS
    shape: CloudShape = field(default_factory=CloudShape)


@dataclass(frozen=True)
class CloudProgress(HeldOutProgress):
    """What training tells of itself; the means are named as by `measured`."""

    def words(self, held_out: dict[str, float]) -> str:
        """The means in words."""
        return (
            f"loss {held_out['loss']:.3f}, lengths {held_out['lengths_percent']:.1f} %, "
            f"places {held_out['places']:.3f} at half noise"
        )


class CloudTraining(HeldOutTraining[CloudNetwork, CloudProgress]):
    """The network that takes noise off clouds."""

    def __init__(self, examples: CloudExamples, recipe: CloudRecipe) -> None:
        """At step 0."""
        torch.manual_seed(recipe.seed)
        self.examples, self.recipe = examples, recipe
        network = CloudNetwork(recipe.shape).to(examples.device)
        network.set_scale(examples.scale)
        network.volume.copy_(examples.volumes)
        sizes = examples.known.count
        super().__init__(network, recipe, examples.device, CloudProgress, examples.training, sizes)

    def loss(self) -> Tensor:
        """Mean square of errors, by what points leave open, of a newly drawn batch. Shape ()."""
        rows = self.drawn_rows()
        known = self.examples.known.of(rows)
        clean = self.examples.described_anew(rows, self.generator)
        device, generator = clean.device, self.generator
        # Times of a batch are spread evenly, which makes losses of steps more alike.
        offset = torch.rand(1, generator=generator, device=device)
        time = (offset + torch.arange(len(rows), device=device) / len(rows)) % 1.0
        told = torch.rand(len(rows), generator=generator, device=device) < KINDS_TOLD
        noise = torch.randn(clean.shape, generator=generator, device=device)
        noisy, velocity = noised(clean, time, noise)
        # On a core, half precision is no faster (measured) and loses the smallest noise.
        on_gpu = device.type == "cuda"
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            found = self.network(noisy, time, known.with_kinds(told))
            number = cross_entropy(self.network.numbers(known.elements), known.count - 1)
        rest = signal_at(time)[1]
        square = (found.float() - velocity) ** 2 * rest[:, None, None] ** 2
        atoms = square[:, : CELL.start].mean(dim=(1, 2)) / _weight(time, POINTS / known.count)
        cells = square[:, CELL].mean(dim=(1, 2)) / _weight(time, torch.full_like(time, HALF))
        whole: Tensor = atoms.mean() + 0.5 * cells.mean() + NUMBER * number
        return whole

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Means of `measured` over held-out crystals."""
        generator = torch.Generator(self.examples.device).manual_seed(SEED)
        sums: dict[str, float] = {}
        rows = self.examples.held_out
        for part in parts(rows, self.recipe.batch):
            clean, known = self.examples.clouds(part), self.examples.known.of(part)
            known = known.with_kinds(torch.zeros_like(known.count, dtype=torch.bool))
            for name, value in measured(self.averaged, clean, known, generator).items():
                sums[name] = sums.get(name, 0.0) + float(value.sum()) / len(rows)
        return {name: round(value, 4) for name, value in sums.items()}


def _weight(time: Tensor, points: Tensor) -> Tensor:
    return left_open(time, points) ** 2 + LEAST_OPEN**2


def measured(
    network: CloudNetwork, clean: Tensor, known: Known, generator: torch.Generator
) -> dict[str, Tensor]:
    """How right a network is, of each cloud. Shapes (B,).

    `loss` is that of velocities, mean over `LOOKED_AT`; the others are of the clean cloud that
    the network sees at once at time 0.5: relative error of a, b and c, root mean square in
    percent; error of fractional coordinates as they repeat, mean; points of the right element.
    """
    losses = torch.zeros(len(clean), device=clean.device)
    middle = clean
    for moment in LOOKED_AT:
        time = torch.full((len(clean),), moment, device=clean.device)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        noisy, velocity = noised(clean, time, noise)
        found = network(noisy, time, known)
        losses += ((found - velocity) ** 2).mean(dim=(1, 2)) / len(LOOKED_AT)
        if moment == LOOKED_AT[1]:
            middle = clean_of(noisy, found, time)
    lengths = (cells_in(middle, network.scale) - cells_in(clean, network.scale))[:, :3]
    apart = places_in(middle) - places_in(clean)
    kinds = middle[:, 3:6].argmax(dim=1) == clean[:, 3:6].argmax(dim=1)
    return {
        "loss": losses,
        "lengths_percent": 100.0 * (lengths**2).mean(dim=1).sqrt(),
        "places": (apart - apart.round()).abs().mean(dim=(1, 2)),
        "element_right": kinds.float().mean(dim=1),
    }
