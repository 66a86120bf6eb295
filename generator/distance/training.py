"""Training of the network of distances: torch and numpy only, one packed file, resumable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from generator.distance.examples import WIDTH, Batch, DistanceExamples
from generator.distance.model import DistanceNetwork, DistanceShape, Foreseen
from generator.network.held_out import HeldOutProgress, HeldOutTraining
from indexer.encoders.loop import parts

OVERLAP_ANGSTROM = 8.0
"""Distances below this are contacts of the overlap that AlphaCrystal-II counts."""
UNTOLD = 0.5
"""Share of the draws in which the space group is not told."""
ERROR, SPACE_GROUP, MULTIPLE, CELL = 1.0, 0.2, 0.2, 0.1
"""What the error of the mean distance and the guesses count for beside the groups of distances."""
SOFTNESS = 0.18
"""Spread, in units, of the normal distribution about a distance whose groups are learned: half of
one of twenty groups."""
LEAST_ERROR = 0.01
"""In units, below which the error of the mean distance is not made smaller."""


@dataclass(frozen=True)
class DistanceRecipe:
    """How the network is trained.

    Attributes:
        steps, batch: of the optimiser; crystals in a step.
        rate: highest learning rate; it rises over `warmup` steps and falls as a cosine.
        decay: weight decay.
        average: of the weights that are kept, an exponential mean with this memory.
        seed: of weights and of everything that is drawn.
        validate_every, save_every: in steps.
        most_atoms: of the primitive cells that are trained on.
        spacing: of the groups of distances, one of `examples.SPACINGS`.
        known: share of the draws that are of known crystals, not of those made from them.
        shape: of the network, the number of groups included.
    """

    steps: int = 4000
    batch: int = 64
    rate: float = 1e-3
    warmup: int = 100
    decay: float = 0.05
    average: float = 0.995
    seed: int = 0
    validate_every: int = 500
    save_every: int = 100
    most_atoms: int = 12
    spacing: str = WIDTH
    known: float = 0.15
    shape: DistanceShape = field(default_factory=DistanceShape)

    @property
    def groups(self) -> int:
        """Of distances."""
        return self.shape.groups


@dataclass(frozen=True)
class DistanceProgress(HeldOutProgress):
    """What training tells of itself; the means are named as by `measured`."""

    def words(self, held_out: dict[str, float]) -> str:
        """The means in words."""
        return (
            f"distances {held_out['rmse_angstrom']:.2f} Å, space group "
            f"{held_out['space_group_right']:.0%}, units {held_out['multiple_right']:.0%}"
        )


class DistanceTraining(HeldOutTraining[DistanceNetwork, DistanceProgress]):
    """The network that predicts distances from a formula."""

    together = 16

    def __init__(self, examples: DistanceExamples, recipe: DistanceRecipe) -> None:
        """At step 0."""
        torch.manual_seed(recipe.seed)
        self.examples, self.recipe = examples, recipe
        device = examples.pack.device
        network = DistanceNetwork(recipe.shape).to(device)
        network.set_volumes(examples.volumes)
        network.set_groups(*examples.groups(recipe.shape.groups, recipe.spacing))
        rows = examples.rows_to_draw(recipe.known)
        super().__init__(network, recipe, device, DistanceProgress, rows, examples.size)
        self.averaged.eval()

    def further_state(self) -> dict[str, Any]:
        """What is drawn for dropout on the processor, too."""
        return {**super().further_state(), "random": torch.get_rng_state()}

    def resume_further(self, state: dict[str, Any]) -> None:
        """Take it up again."""
        super().resume_further(state)
        torch.set_rng_state(state["random"].cpu())

    def loss(self) -> Tensor:
        """All parts, of a newly drawn batch. Shape ()."""
        batch = self.examples.batch(self.drawn_rows())
        device = batch.number.device
        untold = torch.rand(len(batch.number), generator=self.generator, device=device) < UNTOLD
        told = torch.where(untold, 0, batch.space_group)
        with torch.autocast(device.type, torch.bfloat16):
            found = self.network(batch.number, told)
        return losses_of(self.network, batch, found).mean()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Means of `measured` over held-out crystals, the space group not told."""
        rows = self.examples.held_out
        rows = rows[self.examples.size[rows].argsort()]
        sums: dict[str, float] = {}
        for part in parts(rows, self.recipe.batch):
            batch = self.examples.batch(part)
            for name, value in measured(self.averaged, batch).items():
                sums[name] = sums.get(name, 0.0) + float(value.sum()) / len(rows)
        return {name: round(value, 4) for name, value in sums.items()}


def losses_of(network: DistanceNetwork, batch: Batch, found: Foreseen) -> Tensor:
    """Of each crystal: of distances, and cross-entropies of guesses and of the cell. Shape (B,).

    Distances count as a mean over a crystal's pairs, so that all crystals count alike.
    """
    whole = network.read(batch.unit)
    multiple = cross_entropy(whole.multiple.float(), batch.multiple - 1, reduction="none")
    space_group = cross_entropy(found.space_group.float(), batch.space_group - 1, reduction="none")
    density = network.cells(found.summary, batch.space_group).log_density(batch.shape, batch.free)
    pairs = _pair_loss(network, batch, found)
    return pairs + SPACE_GROUP * space_group + MULTIPLE * multiple - CELL * density


def softened(edges: Tensor, distance: Tensor) -> Tensor:
    """Shares of the groups in a normal distribution about each distance in units.

    That a distance is in the group next to the right one is less wrong than that it is far off.
    """
    below = torch.special.ndtr((edges[1:-1] - distance[..., None]) / SOFTNESS)
    none, all_ = torch.zeros_like(below[..., :1]), torch.ones_like(below[..., :1])
    return torch.cat([none, below, all_], dim=-1).diff(dim=-1)


def _pair_loss(network: DistanceNetwork, batch: Batch, found: Foreseen) -> Tensor:
    """Cross-entropy of softened groups, and the error of the mean distance in units. Shape (B,)."""
    unit = found.unit_angstrom[:, None, None]
    wanted = softened(network.edges, batch.distances / unit)
    entropy = -(wanted * found.distances.float().log_softmax(dim=-1)).sum(dim=-1)
    square = ((network.mean(found) - batch.distances) / unit) ** 2
    error = (_mean_of_pairs(square, batch.pair) + LEAST_ERROR**2).sqrt()
    return _mean_of_pairs(entropy, batch.pair) + ERROR * error


def _pair_entropy(network: DistanceNetwork, batch: Batch, found: Foreseen) -> Tensor:
    wanted = network.group_of(batch.distances / found.unit_angstrom[:, None, None])
    entropy = cross_entropy(
        found.distances.float().flatten(0, 2), wanted.flatten(), reduction="none"
    ).view_as(batch.distances)
    return _mean_of_pairs(entropy, batch.pair)


def _mean_of_pairs(values: Tensor, pair: Tensor) -> Tensor:
    """0 for a crystal of one atom, which has none. Shape (B,)."""
    return torch.where(pair, values, 0.0).sum(dim=(1, 2)) / pair.sum(dim=(1, 2)).clamp(min=1)


def measured(network: DistanceNetwork, batch: Batch) -> dict[str, Tensor]:
    """How right a network is, of each crystal, the space group not told. Shapes (B,).

    `rmse_angstrom` is that of the mean distances, `likeliest_angstrom` that of the likeliest
    groups' means, `overlap` the share of pairs that are rightly within 8 Å or not.
    """
    found = network(batch.number)
    mean, likeliest = network.mean(found), network.likeliest(found)
    near = (likeliest < OVERLAP_ANGSTROM) == (batch.distances < OVERLAP_ANGSTROM)
    unit = network.read(batch.unit)
    order = found.space_group.argsort(dim=1, descending=True)
    five = (order[:, :5] == batch.space_group[:, None] - 1).any(dim=1)
    density = network.cells(found.summary, batch.space_group).log_density(batch.shape, batch.free)
    return {
        "rmse_angstrom": _mean_of_pairs((mean - batch.distances) ** 2, batch.pair).sqrt(),
        "likeliest_angstrom": _mean_of_pairs((likeliest - batch.distances) ** 2, batch.pair).sqrt(),
        "overlap": _mean_of_pairs(near.float(), batch.pair),
        "entropy": _pair_entropy(network, batch, found),
        "cell_density": density,
        "space_group_right": (order[:, 0] == batch.space_group - 1).float(),
        "space_group_five": five.float(),
        "multiple_right": (unit.multiple.argmax(dim=1) == batch.multiple - 1).float(),
    }
