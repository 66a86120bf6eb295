"""The folder that a training leaves: the recipe to go on by, the network that was trained there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn

from data.errors import BraggleError
from indexer.encoders.averaged import AveragedRecipe
from indexer.encoders.loop import CHECKPOINT, Wishes, read_state


class ShapedRecipe(AveragedRecipe, Protocol):
    """A recipe that says how large the network is."""

    @property
    def shape(self) -> Any:  # noqa: ANN401 - each network has its own
        """Of the network. A dataclass."""
        ...


NetworkT = TypeVar("NetworkT", bound=nn.Module)
RecipeT = TypeVar("RecipeT", bound=ShapedRecipe)


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
        checkpoint = checkpoint_in(folder, resume=resume)
        if not resume:
            return self.recipe(**wishes.said())
        recipe = self._recipe_in(read_state(checkpoint, "cpu"), checkpoint)
        check_wishes(wishes, recipe, checkpoint)
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
    ) -> tuple[RecipeT, NetworkT | None]:
        """The recipe, and the network to begin with where its folder is named.

        The recipe then has that network's shape.

        Raises:
            BraggleError: they cannot be had, or do not go together.
        """
        if resume and begin is not None:
            raise BraggleError(
                f"{folder}: --resume goes on with the weights it has; leave --from out"
            )
        recipe = self.recipe_of(folder, wishes, resume=resume)
        if begin is None:
            return recipe, None
        network, theirs = self.trained_in(begin)
        return replace(recipe, shape=theirs.shape), network

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


def checkpoint_in(folder: Path, *, resume: bool) -> Path:
    """Where a folder's checkpoint is to be: there, where one is gone on from, and else not.

    Raises:
        BraggleError: it is the other way round, or the folder is none.
    """
    checkpoint = folder / CHECKPOINT
    if folder.exists() and not folder.is_dir():
        raise BraggleError(f"{folder}: is not a folder; name one to train in")
    if resume and not checkpoint.is_file():
        raise BraggleError(f"{checkpoint}: there is nothing to resume; leave --resume out")
    if not resume and checkpoint.exists():
        raise BraggleError(
            f"{checkpoint}: a training is there already; go on with it by --resume, or name "
            "another folder"
        )
    return checkpoint


def check_wishes(wishes: Wishes, recipe: AveragedRecipe, checkpoint: Path) -> None:
    """Whether a training that is gone on with was begun as is wished for.

    Raises:
        BraggleError: it was not.
    """
    for name, wished in wishes.said().items():
        own = getattr(recipe, name)
        if wished != own:
            raise BraggleError(
                f"{checkpoint}: is trained with --{name.replace('_', '-')} {_written(own)}, "
                f"not {_written(wished)}; leave the option out, or train anew in another folder"
            )


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
