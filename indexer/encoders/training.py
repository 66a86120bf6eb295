"""Training of the encoders: torch and numpy only, one packed file, resumable at any step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from indexer.encoders.atoms import AtomsEncoder
from indexer.encoders.averaged import AveragedTraining
from indexer.encoders.drawing import Laboratory, lines_profiles, measured_profiles
from indexer.encoders.loop import parts
from indexer.encoders.loss import TWIN_COSINE, coarse, contrastive, ranks, twins
from indexer.encoders.model import ProfileEncoder, ProfileEncoderShape
from indexer.encoders.pack import Pack
from indexer.encoders.peaks import PeakEncoder

MOST_SCALE = 100.0
"""Of the inverse temperature."""
SCALE_PACE = 10.0
"""How much faster the inverse temperature is learned than the weights."""
VALIDATION_ANSWERS, VALIDATION_QUERIES = 4096, 512
CONVOLUTION, PEAKS, BOTH = KINDS = ("convolution", "peaks", "both")
"""What reads a profile: places along ln Q, a transformer over its peaks, or the two together."""
NEIGHBOURHOOD = 32
"""Nearest crystals of a pool, from which those drawn together are drawn."""
MOST_ATOMS = 120
"""Of the primitive cells that the tower over atoms is trained on; it is used on larger ones."""
ATOMS_TOGETHER = 32
"""Crystals that the tower over atoms reads at a time."""


@dataclass(frozen=True)
class Recipe:
    """How an encoder is trained.

    Attributes:
        steps, batch: of the optimiser.
        rate: highest learning rate; it rises over `warmup` steps and falls as a cosine.
        decay: weight decay.
        average: of the weights that are kept, an exponential mean with this memory.
        seed: of weights and of everything that is drawn.
        together: crystals of a batch that are drawn from one neighbourhood, so that they are told
            from those they are easily taken for (Xiong et al., ICLR 2021); 1 draws each alone.
        pool, pool_every: crystals among which neighbours are sought, and how many steps they last.
        validate_every, save_every: in steps.
        kind: of encoder, one of `KINDS`.
        beforehand: steps in which an encoder of peaks guesses peaks that are hidden from it.
        shape: of the convolution.
        laboratory: where patterns are measured.
    """

    steps: int = 8000
    batch: int = 256
    rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.02
    average: float = 0.999
    seed: int = 0
    together: int = 8
    pool: int = 8192
    pool_every: int = 40
    validate_every: int = 500
    save_every: int = 100
    kind: str = CONVOLUTION
    beforehand: int = 0
    shape: ProfileEncoderShape = field(default_factory=ProfileEncoderShape)
    laboratory: Laboratory = field(default_factory=Laboratory)


@dataclass(frozen=True)
class Progress:
    """What training tells of itself.

    Attributes:
        step: done, of `Recipe.steps`.
        loss: of the step.
        crystals_per_second: since the last report.
        recall_at_1, recall_at_10: on held-out crystals, where just measured.
    """

    step: int
    loss: float
    crystals_per_second: float
    recall_at_1: float | None = None
    recall_at_10: float | None = None

    def __str__(self) -> str:
        """The figures in words."""
        said = f"loss {self.loss:.3f}, {self.crystals_per_second:.0f} crystals/s"
        if self.recall_at_1 is None or self.recall_at_10 is None:
            return said
        return f"{said}, recall@1 {self.recall_at_1:.1%}, @10 {self.recall_at_10:.1%}"


def encoder_of(recipe: Recipe) -> nn.Module:
    """An encoder of profiles, untrained."""
    if recipe.kind == PEAKS:
        return PeakEncoder()
    return ProfileEncoder(recipe.shape) if recipe.kind == CONVOLUTION else BothEncoder(recipe.shape)


class BothEncoder(nn.Module):
    """A convolution and a transformer over peaks, whose answers are added."""

    def __init__(self, shape: ProfileEncoderShape) -> None:
        """Both untrained."""
        super().__init__()
        self.profile, self.peaks = ProfileEncoder(shape), PeakEncoder()

    def forward(self, profiles: Tensor) -> Tensor:
        """(B, 2, BINS) to unit vectors (B, DIMENSION)."""
        return normalize(self.profile(profiles) + self.peaks(profiles), dim=1)

    def guessing(self, profiles: Tensor, generator: torch.Generator) -> Tensor:
        """As of `PeakEncoder`."""
        return self.peaks.guessing(profiles, generator)


class Training(AveragedTraining[nn.Module, Progress]):
    """One encoder reads patterns and crystals' lines alike, and learns from both."""

    def __init__(self, pack: Pack, recipe: Recipe) -> None:
        """At step 0."""
        torch.manual_seed(recipe.seed)
        self.pack, self.recipe = pack, recipe
        self.rows, self.rows_held_out = pack.training_rows, pack.held_out_rows
        self.log_scale = nn.Parameter(torch.tensor(math.log(15.0), device=pack.device))
        self.near = torch.empty(0, NEIGHBOURHOOD, dtype=torch.long, device=pack.device)
        scale = {"params": [self.log_scale], "pace": SCALE_PACE, "weight_decay": 0.0}
        super().__init__(self._begin(), recipe, pack.device, scale)

    def _begin(self) -> nn.Module:
        return encoder_of(self.recipe)

    def further_state(self) -> dict[str, Any]:
        """The inverse temperature, and neighbourhoods that are drawn from for some steps."""
        return {"log_scale": self.log_scale.detach(), "near": self.near}

    def resume_further(self, state: dict[str, Any]) -> None:
        """Take them up again."""
        self.log_scale.data.copy_(state["log_scale"])
        self.near = state["near"]

    def loss(self) -> Tensor:
        """Contrastive, of a newly drawn batch. Shape ()."""
        return self._loss(self._draw())

    def progress(self, loss: float, crystals_per_second: float, *, validates: bool) -> Progress:
        """What there is to tell; see `loop.Trainable`."""
        found = self.validate() if validates else (None, None)
        return Progress(self.step, loss, crystals_per_second, *found)

    def _draw(self) -> Tensor:
        """Rows of a batch: neighbourhoods of a few crystals each. Shape (batch,)."""
        recipe = self.recipe
        if recipe.together == 1:
            return self.rows[self._below(len(self.rows), recipe.batch)]
        if self.step % recipe.pool_every == 0 or not len(self.near):
            order = torch.randperm(
                len(self.rows), generator=self.generator, device=self.pack.device
            )
            self.near = self._neighbourhoods(self.rows[order[: recipe.pool]])
        middles = self._below(len(self.near), -(-recipe.batch // recipe.together), 1)
        others = self._below(self.near.shape[1], len(middles), recipe.together)
        others[:, 0] = 0
        return self.near[middles, others].flatten()[: recipe.batch]

    def _below(self, limit: int, *shape: int) -> Tensor:
        return torch.randint(limit, shape, generator=self.generator, device=self.pack.device)

    @torch.no_grad()
    def _neighbourhoods(self, rows: Tensor) -> Tensor:
        """Each row and those whose crystals are embedded nearest. Shape (len(rows), ...)."""
        size = self.recipe.batch
        with torch.autocast(self.pack.device.type, torch.bfloat16):
            vectors = torch.cat([self._embed_lines(part) for part in parts(rows, size)]).float()
        near = [
            (part @ vectors.T).topk(min(NEIGHBOURHOOD, len(rows))) for part in parts(vectors, size)
        ]
        return rows[torch.cat([found.indices for found in near])]

    def _embed_lines(self, rows: Tensor) -> Tensor:
        return torch.as_tensor(self.averaged(lines_profiles(self.pack.lines(rows))))

    def _loss(self, rows: Tensor) -> Tensor:
        pack, recipe = self.pack, self.recipe
        with torch.no_grad():
            patterns = measured_profiles(pack, rows, recipe.laboratory, self.generator)
            crystals = lines_profiles(pack.lines(rows))
            alike = twins(crystals) | (rows[:, None] == rows)
        with torch.autocast(pack.device.type, torch.bfloat16):
            profiles = torch.cat([patterns, crystals])
            if self.step < recipe.beforehand and isinstance(
                self.network, PeakEncoder | BothEncoder
            ):
                return self.network.guessing(profiles, self.generator)
            vectors = self.network(profiles)
        queries, answers = vectors.float().chunk(2)
        return contrastive(queries, answers, alike, self._scale())

    def _scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=MOST_SCALE)

    def _embed_patterns(self, profiles: Tensor) -> Tensor:
        return torch.as_tensor(self.averaged(profiles))

    def _embed_crystals(self, rows: Tensor) -> Tensor:
        return self._embed_lines(rows)

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Recall at 1 and 10 of patterns of held-out crystals among held-out crystals.

        A twin of the right answer that comes before it does not count against it.
        """
        pack, recipe = self.pack, self.recipe
        generator = torch.Generator(pack.device).manual_seed(7)
        order = torch.randperm(len(self.rows_held_out), generator=generator, device=pack.device)
        rows = self.rows_held_out[order[:VALIDATION_ANSWERS]]
        asked = rows[:VALIDATION_QUERIES]
        with torch.autocast(pack.device.type, torch.bfloat16):
            answers = [self._embed_crystals(part).float() for part in parts(rows, recipe.batch)]
            queries = [
                self._embed_patterns(
                    measured_profiles(pack, part, recipe.laboratory, generator)
                ).float()
                for part in parts(asked, recipe.batch)
            ]
        shapes = torch.cat(
            [coarse(lines_profiles(pack.lines(part))) for part in parts(rows, recipe.batch)]
        )
        rank = ranks(
            torch.cat(queries),
            torch.cat(answers),
            torch.arange(len(asked), device=pack.device),
            shapes[: len(asked)] @ shapes.T > TWIN_COSINE,
        )
        return float((rank < 1).float().mean()), float((rank < 10).float().mean())


class AtomsTraining(Training):
    """A tower over atoms that learns to meet patterns where a profile encoder puts them."""

    def __init__(self, pack: Pack, recipe: Recipe, profile_encoder: ProfileEncoder) -> None:
        """At step 0, from the profile encoder's weights, which stay as they are."""
        self.profile_encoder = profile_encoder.to(pack.device).eval().requires_grad_(False)
        super().__init__(pack, recipe)
        few = torch.diff(pack.atom_offsets)
        few = (few > 0) & (few <= MOST_ATOMS)
        self.rows = self.rows[few[self.rows]]
        self.rows_held_out = self.rows_held_out[few[self.rows_held_out]]

    def _begin(self) -> nn.Module:
        encoder = AtomsEncoder(self.recipe.shape)
        encoder.begin_from(self.profile_encoder)
        return encoder

    def _loss(self, rows: Tensor) -> Tensor:
        pack, recipe = self.pack, self.recipe
        with torch.no_grad(), torch.autocast(pack.device.type, torch.bfloat16):
            crystals = lines_profiles(pack.lines(rows))
            alike = twins(crystals) | (rows[:, None] == rows)
            patterns = measured_profiles(pack, rows, recipe.laboratory, self.generator)
            queries = self.profile_encoder(patterns).float()
            lines = self.profile_encoder(crystals).float()
        answers = self._embed(self.network, rows)
        near: Tensor = (answers * lines).sum(dim=1).mean()
        return contrastive(queries, answers, alike, self._scale()) + 1 - near

    def _embed(self, encoder: nn.Module, rows: Tensor) -> Tensor:
        """Crystals of like size together, so that padding wastes little."""
        order = torch.diff(self.pack.atom_offsets)[rows].argsort()
        vectors = [
            encoder(self.pack.atoms(rows[order[at : at + ATOMS_TOGETHER]]))
            for at in range(0, len(order), ATOMS_TOGETHER)
        ]
        return torch.cat(vectors)[order.argsort()]

    def _embed_patterns(self, profiles: Tensor) -> Tensor:
        return torch.as_tensor(self.profile_encoder(profiles))

    def _embed_lines(self, rows: Tensor) -> Tensor:
        return torch.as_tensor(self.profile_encoder(lines_profiles(self.pack.lines(rows))))

    def _embed_crystals(self, rows: Tensor) -> Tensor:
        return self._embed(self.averaged, rows)


def training_of(pack: Pack, recipe: Recipe, beside: ProfileEncoder | None = None) -> Training:
    """The training of an encoder; of the tower over atoms where a profile encoder is there."""
    return Training(pack, recipe) if beside is None else AtomsTraining(pack, recipe, beside)
