"""Training of the generator's network: torch and numpy only, one packed file, resumable."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from generator.network.examples import Batch, Examples, broken, counts_of, repeated
from generator.network.held_out import HeldOutProgress, HeldOutTraining
from generator.network.model import (
    Denoised,
    GeneratorNetwork,
    NetworkShape,
    Reading,
    Structures,
)
from generator.network.schedule import (
    score_size,
    sigma_at,
    signal_at,
    wrapped_score,
)
from generator.network.volumes import element_volumes
from indexer.encoders.drawing import Laboratory
from indexer.encoders.loop import parts

VALIDATED = 1024
"""Held-out crystals that are looked at."""
CAREFUL = Laboratory(texture=0.4, line_error=0.3, impurity=0.2, impure=0.3)
"""Who wants a structure measures a sample that is nearly pure, and carefully."""


@dataclass(frozen=True)
class Weighing:
    """What each part of the loss counts for."""

    score: float = 1.0
    cell: float = 1.0
    coarse_cell: float = 0.5
    space_group: float = 0.1
    multiple: float = 0.1
    verdict: float = 0.3


@dataclass(frozen=True)
class GeneratorRecipe:
    """How the network is trained.

    Attributes:
        steps, batch: of the optimiser; crystals in a step.
        draws: noised structures of each crystal, which share the reading of its pattern.
        rate: highest learning rate; it rises over `warmup` steps and falls as a cosine.
        decay: weight decay.
        average: of the weights that are kept, an exponential mean with this memory.
        seed: of weights and of everything that is drawn.
        validate_every, save_every: in steps.
        shape: of the network.
        laboratory: where patterns are measured.
        weighing: of the loss.
    """

    steps: int = 20_000
    batch: int = 64
    draws: int = 4
    rate: float = 7e-4
    warmup: int = 300
    decay: float = 0.02
    average: float = 0.999
    seed: int = 0
    validate_every: int = 1000
    save_every: int = 200
    shape: NetworkShape = field(default_factory=NetworkShape)
    laboratory: Laboratory = CAREFUL
    weighing: Weighing = field(default_factory=Weighing)


@dataclass(frozen=True)
class Losses:
    """Parts of the loss, and how often heads are right, as means over crystals.

    Attributes:
        score, cell: of denoising, in units of their variance.
        coarse_cell: mean square error of the first guess, as of `cell`.
        space_group, multiple: cross-entropies of the first guesses.
        verdict: cross-entropy of the verdict.
        space_group_right, multiple_right, verdict_right: shares.
    """

    score: Tensor
    cell: Tensor
    coarse_cell: Tensor
    space_group: Tensor
    multiple: Tensor
    verdict: Tensor
    space_group_right: Tensor
    multiple_right: Tensor
    verdict_right: Tensor

    def total(self, weighing: Weighing) -> Tensor:
        """What is made small."""
        return sum(
            (weight * getattr(self, name) for name, weight in asdict(weighing).items()),
            start=torch.zeros(()),
        )


@dataclass(frozen=True)
class GeneratorProgress(HeldOutProgress):
    """What training tells of itself; the means are named as in `Losses`."""

    def words(self, held_out: dict[str, float]) -> str:
        """The means in words."""
        return (
            f"score {held_out['score']:.3f}, cell {held_out['cell']:.3f}, space group "
            f"{held_out['space_group_right']:.0%}, verdict {held_out['verdict_right']:.0%}"
        )


class GeneratorTraining(HeldOutTraining[GeneratorNetwork, GeneratorProgress]):
    """The network that proposes and judges structures."""

    def __init__(self, examples: Examples, recipe: GeneratorRecipe) -> None:
        """At step 0."""
        torch.manual_seed(recipe.seed)
        self.examples, self.recipe = examples, recipe
        pack = examples.pack
        network = GeneratorNetwork(recipe.shape).to(pack.device)
        network.element_volume.copy_(volumes_of(examples))
        sizes = pack.atom_offsets.diff()
        super().__init__(network, recipe, pack.device, GeneratorProgress, examples.training, sizes)

    def loss(self) -> Tensor:
        """All parts weighed, of a newly drawn batch. Shape ()."""
        batch = self.examples.draw(self.drawn_rows(), self.network, self.generator)
        losses = losses_of(self.network, batch, self.recipe.draws, self.generator)
        return losses.total(self.recipe.weighing)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Means of `Losses` over held-out crystals, the same each time."""
        held_out, device = self.examples.held_out, self.examples.pack.device
        generator = torch.Generator(device).manual_seed(7)
        order = torch.randperm(len(held_out), generator=generator, device=device)
        rows = held_out[order[:VALIDATED]]
        sums: dict[str, float] = {}
        for part in parts(rows, self.recipe.batch):
            batch = self.examples.draw(part, self.averaged, generator)
            losses = losses_of(self.averaged, batch, self.recipe.draws, generator)
            for name, value in vars(losses).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(part) / len(rows)
        return {name: round(value, 4) for name, value in sums.items()}


def losses_of(
    network: GeneratorNetwork, batch: Batch, draws: int, generator: torch.Generator
) -> Losses:
    """All parts of the loss on a batch."""
    device = batch.space_group.device
    truth = batch.truth
    noised, time, noise, sigma = _noised(truth, draws, generator)
    judged, right, shown = broken(truth, network, generator)
    atoms = (truth.number[:, 0] > 0).sum(dim=1)
    with torch.autocast(device.type, torch.bfloat16):
        reading = network.read(batch.question)
        coarse = network.coarse(reading, atoms)
        denoised: Denoised = network(reading, noised, time)
        other = Reading(reading.tokens[shown], reading.there, reading.summary[shown])
        other = Reading(other.tokens, reading.there[shown], other.summary)
        verdict: Tensor = network(other, judged, torch.zeros_like(time[:, :1])).verdict[:, 0]
    there = (noised.number > 0)[..., None].expand_as(noise)
    wanted = wrapped_score(noise, sigma) / score_size(time)[..., None, None]
    score = mse_loss(denoised.score[there], wanted[there])
    cell = mse_loss(denoised.cell, truth.cell.expand_as(denoised.cell))
    same = right.to(verdict.dtype)
    space_group, multiple = coarse.space_group.float(), coarse.multiple.float()
    return Losses(
        score,
        cell,
        mse_loss(coarse.cell.float(), truth.cell[:, 0]),
        cross_entropy(space_group, batch.space_group),
        cross_entropy(multiple, batch.multiple),
        binary_cross_entropy_with_logits(verdict, same),
        (space_group.argmax(1) == batch.space_group).float().mean(),
        (multiple.argmax(1) == batch.multiple).float().mean(),
        ((verdict > 0) == right).float().mean(),
    )


def _noised(
    truth: Structures, draws: int, generator: torch.Generator
) -> tuple[Structures, Tensor, Tensor, Tensor]:
    """Structures at times spread evenly: with the times, the coordinates' noise and its width."""
    clean = repeated(truth, draws)
    count, device = len(clean.number), clean.number.device
    begin = torch.rand(count, 1, generator=generator, device=device)
    time = (begin + torch.arange(draws, device=device) / draws) % 1.0
    sigma = sigma_at(time)[..., None, None]
    noise = sigma * torch.randn(clean.fractional.shape, generator=generator, device=device)
    signal, hiss = signal_at(time[..., None])
    drawn = torch.randn(clean.cell.shape, generator=generator, device=device)
    noised = Structures(
        clean.number, (clean.fractional + noise) % 1.0, signal * clean.cell + hiss * drawn
    )
    return noised, time, noise, sigma


def volumes_of(examples: Examples) -> Tensor:
    """Volumes of atoms whose sums are the volumes of the training crystals. Shape (ELEMENTS,)."""
    known = [examples.structures(part) for part in parts(examples.training, 1024)]
    counts = torch.cat([counts_of(part.number[:, 0]) for part in known]).float()
    return element_volumes(counts, torch.cat([part.cell[:, 0, :3].sum(dim=1) for part in known]))
