"""A training run of the network of distances: what it is asked for, checked before the first step.

    python -m generator.distance.run PACK --out FOLDER [--resume] [--groups N] [--steps N] ...

trains where nothing but torch, numpy and safetensors is installed; `braggle train distances`
trains, too, and makes a weights file of what was trained, here or there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data.errors import BraggleError
from generator.distance.examples import SPACINGS, DistanceExamples
from generator.distance.model import DistanceNetwork, DistanceShape
from generator.distance.training import DistanceRecipe, DistanceTraining
from generator.network.held_out import enough_of
from indexer.encoders.console import device_of, tell, training_parser
from indexer.encoders.folder import Trainings
from indexer.encoders.loop import Wishes
from indexer.encoders.run import open_pack


@dataclass(frozen=True)
class DistanceWishes(Wishes):
    """What may be said of the recipe."""

    most_atoms: int | None = None
    spacing: str | None = None
    groups: int | None = None


def _new(*, groups: int | None = None, **said: object) -> DistanceRecipe:
    recipe = replace(DistanceRecipe(), **said)  # type: ignore[arg-type]
    return recipe if groups is None else replace(recipe, shape=replace(recipe.shape, groups=groups))


def _stored(fields: Mapping[str, Any]) -> DistanceRecipe:
    return DistanceRecipe(**{**fields, "shape": DistanceShape(**fields["shape"])})


TRAININGS = Trainings(
    "network of distances", _new, _stored, lambda recipe: DistanceNetwork(recipe.shape)
)


def checked(
    folder: Path, wishes: DistanceWishes, *, resume: bool, begin: Path | None
) -> tuple[DistanceRecipe, DistanceNetwork | None]:
    """The recipe, and the network to begin with where one is named.

    Raises:
        BraggleError: they cannot be had, or do not go together.
    """
    recipe, network = TRAININGS.checked(folder, wishes, resume=resume, begin=begin)
    if network is not None and wishes.groups not in (None, recipe.groups):
        raise BraggleError(
            f"{begin}: is trained with --groups {recipe.groups}, not {wishes.groups}; "
            "leave the option out"
        )
    return recipe, network


def open_examples(pack: Path, recipe: DistanceRecipe, device: str) -> DistanceExamples:
    """The training crystals with their distances.

    Raises:
        BraggleError: the pack is missing or of another kind, or too few crystals are small enough.
    """
    crystals = open_pack(pack, device_of(device))
    kind = f"at most {recipe.most_atoms} atoms"
    return enough_of(
        lambda: DistanceExamples(crystals, recipe.most_atoms), pack, recipe.batch, kind
    )


def main() -> None:
    """Train where only torch, numpy and safetensors are installed."""
    parser = training_parser("Train the network of distances.")
    for name in ("groups", "most-atoms"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--spacing", choices=SPACINGS)
    asked = parser.parse_args()
    try:
        wishes = DistanceWishes(**{name: getattr(asked, name) for name in asdict(DistanceWishes())})
        recipe, earlier = checked(asked.out, wishes, resume=asked.resume, begin=asked.begin_from)
        examples = open_examples(asked.pack, recipe, asked.device)
        DistanceTraining(examples, recipe).to_end(
            asked.out, begin_from=earlier, resume=asked.resume, report=tell
        )
    except BraggleError as error:
        sys.exit(f"braggle: {error}")


if __name__ == "__main__":
    main()
