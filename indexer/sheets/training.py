"""Training of the towers over sheets: the house's loop, loss and checkpoints; torch and numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from indexer.encoders.averaged import AveragedTraining
from indexer.encoders.loop import parts
from indexer.encoders.loss import contrastive, ranks
from indexer.encoders.training import MOST_SCALE, SCALE_PACE, Progress
from indexer.sheets.model import Towers, TowersShape
from indexer.sheets.pack import Bench, Peaks, SheetPack

KIND = "2d"
VALIDATION = 512
TOGETHER_SITES = 64
"""Sheets that are read at a time, those of like size together, so that padding wastes little."""


@dataclass(frozen=True)
class SheetRecipe:
    """How the towers are trained; names are those of `indexer.encoders.training.Recipe`.

    Attributes:
        steps, batch: of the optimiser.
        rate: highest learning rate; it rises over `warmup` steps and falls as a cosine.
        decay: weight decay.
        average: memory of the mean of the weights that are kept.
        seed: of weights and of everything that is drawn.
        together: sheets of a batch that are drawn side by side from those of like nets, so that
            they are told from those they are easily taken for.
        validate_every, save_every: in steps.
        kind: "2d".
        shape: of the towers.
        bench: where patterns are drawn.
    """

    steps: int = 2000
    batch: int = 256
    rate: float = 1e-3
    warmup: int = 100
    decay: float = 0.02
    average: float = 0.995
    seed: int = 0
    together: int = 4
    validate_every: int = 200
    save_every: int = 50
    kind: str = KIND
    shape: TowersShape = field(default_factory=TowersShape)
    bench: Bench = field(default_factory=Bench)


class SheetTraining(AveragedTraining[Towers, Progress]):
    """A sheet's tokens and a pattern's peaks learn to meet."""

    def __init__(self, pack: SheetPack, recipe: SheetRecipe) -> None:
        """At step 0."""
        torch.manual_seed(recipe.seed)
        self.pack, self.recipe = pack, recipe
        # By the net's longest distance: neighbours here have their first peaks at one place.
        longest = pack.cell[pack.training_rows][:, 4:].amax(dim=1)
        self.rows = pack.training_rows[longest.argsort()]
        self.log_scale = nn.Parameter(torch.tensor(math.log(15.0), device=pack.device))
        scale = {"params": [self.log_scale], "pace": SCALE_PACE, "weight_decay": 0.0}
        super().__init__(Towers(recipe.shape), recipe, pack.device, scale)

    def further_state(self) -> dict[str, Any]:
        """The inverse temperature."""
        return {"log_scale": self.log_scale.detach()}

    def resume_further(self, state: dict[str, Any]) -> None:
        """Take it up again."""
        self.log_scale.data.copy_(state["log_scale"])

    def loss(self) -> Tensor:
        """Symmetric cross-entropy (Fu et al., equation 4), of a newly drawn batch. Shape ()."""
        recipe, pack = self.recipe, self.pack
        rows = self._draw()
        draws = torch.rand(len(rows), generator=self.generator, device=pack.device)
        strain = recipe.bench.strain * (2 * draws - 1)
        peaks = pack.drawn(rows, strain, recipe.bench, self.generator)
        with torch.autocast(pack.device.type, torch.bfloat16):
            queries = _texture(self.network, peaks)
            answers = geometry_vectors(self.network, pack, rows, strain)
        same = rows[:, None] == rows
        return contrastive(queries, answers, same, self.log_scale.exp().clamp(max=MOST_SCALE))

    def progress(self, loss: float, crystals_per_second: float, *, validates: bool) -> Progress:
        """What there is to tell; see `loop.Trainable`."""
        found = self.validate() if validates else (None, None)
        return Progress(self.step, loss, crystals_per_second, *found)

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Recall at 1 and 10 of ideal patterns of sheets held out at random, among these."""
        rows = self.pack.held_out_rows
        asked = rows[:VALIDATION]
        with torch.autocast(self.pack.device.type, torch.bfloat16):
            answers = torch.cat(
                [
                    geometry_vectors(self.averaged, self.pack, part)
                    for part in parts(rows, self.recipe.batch)
                ]
            )
            queries = torch.cat(
                [
                    _texture(self.averaged, self.pack.clean(part))
                    for part in parts(asked, self.recipe.batch)
                ]
            )
        rank = ranks(queries, answers, torch.arange(len(asked), device=self.pack.device))
        return float((rank < 1).float().mean()), float((rank < 10).float().mean())

    def _draw(self) -> Tensor:
        """Rows of a batch, a few of like nets at a time. Shape (batch,)."""
        together = min(self.recipe.together, len(self.rows))
        groups = -(-self.recipe.batch // together)
        begin = torch.randint(
            len(self.rows) - together + 1, (groups, 1), generator=self.generator,
            device=self.pack.device,
        )  # fmt: skip
        step = torch.arange(together, device=self.pack.device)
        return self.rows[(begin + step).flatten()[: self.recipe.batch]]


def geometry_vectors(
    towers: Towers, pack: SheetPack, rows: Tensor, strain: Tensor | None = None
) -> Tensor:
    """Unit vectors of sheets, those of like size together. Shape (B, dimension)."""
    order = torch.diff(pack.site_offsets)[rows].argsort()
    vectors = []
    for part in parts(order, TOGETHER_SITES):
        own = pack.sheets(rows[part], None if strain is None else strain[part])
        vectors.append(
            towers.geometry(own.cell, own.elements, own.sites, own.there, own.rods, own.rods_there)
        )
    return torch.cat(vectors)[order.argsort()]


def _texture(towers: Towers, peaks: Peaks) -> Tensor:
    vectors: Tensor = towers.texture(peaks.ln_q, peaks.log_strength, peaks.there)
    return vectors
