"""What all trainings are made of: a network, the mean of its weights, and its optimiser."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from indexer.encoders.loop import (
    CHECKPOINT,
    LOG,
    Pace,
    Told,
    follow,
    rate_at,
    train_to_end,
)

Network = TypeVar("Network", bound=nn.Module)
Progress = TypeVar("Progress", bound=Told)


class AveragedRecipe(Pace, Protocol):
    """The part of a recipe that every optimiser goes by. A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def decay(self) -> float:
        """Weight decay."""
        ...

    @property
    def average(self) -> float:
        """Memory of the exponential mean of the weights."""
        ...

    @property
    def seed(self) -> int:
        """Of weights and of everything that is drawn."""
        ...


class AveragedTraining(ABC, Generic[Network, Progress]):
    """A network, the exponential mean of its weights, its optimiser and where they stand.

    Args:
        network: at its beginning.
        recipe: how it is trained.
        device: where.
        beside: groups of further parameters for the optimiser; "pace" says how much faster than
            the network's they are learned.
    """

    def __init__(
        self,
        network: Network,
        recipe: AveragedRecipe,
        device: torch.device,
        *beside: dict[str, Any],
    ) -> None:
        self.step = 0
        self.network = network.to(device)
        self.averaged = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(
            [{"params": list(self.network.parameters()), "pace": 1.0}, *beside],
            lr=recipe.rate,
            weight_decay=recipe.decay,
            betas=(0.9, 0.98),
        )
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self._recipe, self._device = recipe, device

    @abstractmethod
    def loss(self) -> Tensor:
        """Of a newly drawn batch. Shape ()."""

    @abstractmethod
    def progress(self, loss: float, crystals_per_second: float, *, validates: bool) -> Progress:
        """What there is to tell; see `loop.Trainable`."""

    def further_state(self) -> dict[str, Any]:
        """What resuming needs besides the network and its optimiser."""
        return {}

    def resume_further(self, state: dict[str, Any]) -> None:
        """Take that up again."""

    def begin_from(self, network: nn.Module) -> None:
        """Take the weights of a network of the same shape that was trained before.

        What is drawn goes with these weights as well as with the seed: the training before may
        have had the same seed, and its first batches would come again.
        """
        weights = network.state_dict()
        self.network.load_state_dict(weights)
        self.averaged.load_state_dict(weights)
        digest = hashlib.sha256(str(self._recipe.seed).encode())
        for tensor in weights.values():
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        self.generator.manual_seed(int.from_bytes(digest.digest()[:7], "big"))

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs."""
        return {
            "step": self.step,
            "recipe": asdict(self._recipe),
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            **self.further_state(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"].cpu())
        self.resume_further(state)

    def advance(self) -> float:
        """One step; the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, self._recipe) * group["pace"]
        loss = self.loss()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        follow(self.averaged, self.network, step=self.step, memory=self._recipe.average)
        return float(loss.detach())

    def to_end(
        self,
        folder: Path,
        *,
        begin_from: nn.Module | None = None,
        resume: bool = False,
        report: Callable[[Progress], None] | None = None,
        tick: Callable[[int, float], None] | None = None,
    ) -> Network:
        """Train, or go on training; the folder gets `checkpoint.pt` and `log.jsonl`.

        Args:
            folder: for the checkpoint (to resume from) and the log (a line a report).
            begin_from: weights to begin with, not drawn ones.
            resume: from the folder's checkpoint, if it has one.
            report: called after each report's step.
            tick: called after every step, with its number and loss.

        Returns:
            The network with the averaged weights.

        Raises:
            BraggleError: the loss is not a number any more.
        """
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / CHECKPOINT
        if resume and checkpoint.exists():
            self.resume(torch.load(checkpoint, map_location=self._device, weights_only=True))
        else:
            (folder / LOG).unlink(missing_ok=True)
            if begin_from is not None:
                self.begin_from(begin_from)
        train_to_end(self, self._recipe, folder, report=report, tick=tick)
        return self.averaged
