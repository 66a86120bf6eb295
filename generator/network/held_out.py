"""Trainings of a generator's networks: batches of like sizes, means over held-out crystals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor, nn

from data.errors import BraggleError
from indexer.encoders.averaged import AveragedRecipe, AveragedTraining
from indexer.encoders.loop import parts

LEAST_HELD_OUT = 2


@dataclass(frozen=True)
class HeldOutProgress:
    """What training tells of itself.

    Attributes:
        step: done.
        loss: of the step.
        crystals_per_second: since the last report.
        held_out: means over held-out crystals, by name, where just measured.
    """

    step: int
    loss: float
    crystals_per_second: float
    held_out: dict[str, float] | None = None

    def __str__(self) -> str:
        """The figures in words."""
        said = f"loss {self.loss:.3f}, {self.crystals_per_second:.0f} crystals/s"
        return said if self.held_out is None else f"{said}; held out: {self.words(self.held_out)}"

    def words(self, held_out: dict[str, float]) -> str:
        """The means in words."""
        return ", ".join(f"{name} {value:.3f}" for name, value in held_out.items())


class HasHeldOut(Protocol):
    """What is trained on, by rows."""

    training: Tensor
    held_out: Tensor


ExamplesT = TypeVar("ExamplesT", bound=HasHeldOut)
NetworkT = TypeVar("NetworkT", bound=nn.Module)
ProgressT = TypeVar("ProgressT", bound=HeldOutProgress)


def enough_of(make: Callable[[], ExamplesT], pack: Path, batch: int, kind: str) -> ExamplesT:
    """What is trained on, if it fills a batch and leaves some to validate with.

    Args:
        make: puts it together.
        pack: that it comes from.
        batch: crystals in a step.
        kind: of crystals, in words.

    Raises:
        BraggleError: there are too few.
    """
    try:
        examples = make()
    except RuntimeError:  # torch cannot put together what is empty
        examples = None
    few = examples is None or len(examples.held_out) < LEAST_HELD_OUT
    if examples is None or few or len(examples.training) < batch:
        raise BraggleError(
            f"{pack}: too few ordered crystals of {kind} for batches of {batch}; "
            "pack more, or ask for a smaller --batch"
        )
    return examples


class HeldOutTraining(AveragedTraining[NetworkT, ProgressT]):
    """A training whose batches hold crystals of like sizes, so that padding wastes little.

    Attributes:
        together: batches that are drawn at once and parted by size.

    Args:
        network, recipe, device: as of `AveragedTraining`.
        told: what it tells of itself.
        training: rows of the pack that are trained on. Shape (n,).
        sizes: atoms of every row of the pack. Shape (rows,).
    """

    together: ClassVar[int] = 8

    def __init__(
        self,
        network: NetworkT,
        recipe: AveragedRecipe,
        device: torch.device,
        told: type[ProgressT],
        training: Tensor,
        sizes: Tensor,
    ) -> None:
        self.waiting: list[Tensor] = []
        self._told, self._training, self._sizes, self._batch = told, training, sizes, recipe.batch
        super().__init__(network, recipe, device)

    def further_state(self) -> dict[str, Any]:
        """Batches that are drawn."""
        return {"waiting": self.waiting}

    def resume_further(self, state: dict[str, Any]) -> None:
        """Take them up again."""
        self.waiting = state["waiting"]

    def progress(self, loss: float, crystals_per_second: float, *, validates: bool) -> ProgressT:
        """What there is to tell; see `indexer.encoders.loop.Trainable`."""
        held_out = self.validate() if validates else None
        return self._told(self.step, loss, crystals_per_second, held_out)

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Means over held-out crystals."""

    def drawn_rows(self) -> Tensor:
        """Rows of a batch, of like size. Shape (batch,)."""
        if not self.waiting:
            rows, device = self._training, self._training.device
            count = self.together * self._batch
            drawn = rows[
                torch.randint(len(rows), (count,), generator=self.generator, device=device)
            ]
            by_size = drawn[self._sizes[drawn].argsort()]
            batches = list(parts(by_size, self._batch))
            order = torch.randperm(len(batches), generator=self.generator, device=device)
            self.waiting = [batches[i] for i in order.tolist()]
        return self.waiting.pop()
