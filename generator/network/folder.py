"""The folder that a training leaves: the recipe to go on by, the network that was trained there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from data.errors import BraggleError
from generator.network.weights_file import Recipe
from indexer.encoders.loop import CHECKPOINT, Wishes, read_state

NetworkT = TypeVar("NetworkT", bound=nn.Module)
RecipeT = TypeVar("RecipeT", bound=Recipe)


@dataclass(frozen=True)
class Trainings(Generic[NetworkT, RecipeT]):
    """Trainings of one kind of network.

    Attributes:
        name: of what is trained, in words.
        recipe: of fields that are given, the others as usual.
        stored: of the fields that a checkpoint has.
        network: of a recipe, untrained.
    """

    name: str
    recipe: Callable[..., RecipeT]
    stored: Callable[[Mapping[str, Any]], RecipeT]
    network: Callable[[RecipeT], NetworkT]

    def recipe_of(self, folder: Path, wishes: Wishes, *, resume: bool) -> RecipeT:
        """The recipe to train by: that of the folder's checkpoint, or a new one.

        Raises:
            BraggleError: something is there already, or nothing is, or it was trained otherwise.
        """
        checkpoint = folder / CHECKPOINT
        if folder.exists() and not folder.is_dir():
            raise BraggleError(f"{folder}: is not a folder; name one to train in")
        if not resume:
            if checkpoint.exists():
                raise BraggleError(
                    f"{checkpoint}: a training is there already; go on with it by --resume, or "
                    "name another folder"
                )
            return self.recipe(**wishes.said())
        if not checkpoint.is_file():
            raise BraggleError(f"{checkpoint}: there is nothing to resume; leave --resume out")
        recipe = self._recipe_in(read_state(checkpoint, "cpu"), checkpoint)
        for name, wished in wishes.said().items():
            own = getattr(recipe, name)
            if wished != own:
                raise BraggleError(
                    f"{checkpoint}: is trained with --{name.replace('_', '-')} {_written(own)}, "
                    f"not {_written(wished)}; leave the option out, or train anew in another folder"
                )
        return recipe

    def trained_in(self, folder: Path) -> tuple[NetworkT, RecipeT]:
        """The network that was trained in a folder, averaged weights, and how.

        Raises:
            BraggleError: the folder's checkpoint is missing or cannot be read.
        """
        checkpoint = folder / CHECKPOINT
        if not checkpoint.is_file():
            raise BraggleError(f"{checkpoint}: no {self.name} was trained here; train it first")
        state = read_state(checkpoint, "cpu")
        recipe = self._recipe_in(state, checkpoint)
        network = self.network(recipe)
        network.load_state_dict(state["averaged"])
        return network, recipe

    def checked(
        self, folder: Path, wishes: Wishes, *, resume: bool, begin: Path | None
    ) -> tuple[RecipeT, tuple[NetworkT, RecipeT] | None]:
        """The recipe, and what was trained in the folder to begin with where one is named.

        Raises:
            BraggleError: they cannot be had, or do not go together.
        """
        if resume and begin is not None:
            raise BraggleError(
                f"{folder}: --resume goes on with the weights it has; leave --from out"
            )
        recipe = self.recipe_of(folder, wishes, resume=resume)
        return recipe, None if begin is None else self.trained_in(begin)

    def _recipe_in(self, state: Mapping[str, Any], checkpoint: Path) -> RecipeT:
        try:
            recipe = self.stored(state["recipe"])
            with torch.device("meta"):
                own = self.network(recipe).state_dict()
            theirs = state["averaged"]
            fits = {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in theirs.items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise BraggleError(
                f"{checkpoint}: is of a network of another make; train anew in another folder"
            )
        return recipe


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
