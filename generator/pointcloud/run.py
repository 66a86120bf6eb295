"""A training run of the network of point clouds: what it is asked for, checked before it begins.

    python -m generator.pointcloud.run PACK --out FOLDER [--resume] [--steps N] ...

trains where nothing but torch, numpy and safetensors is installed; `braggle train pointclouds`
trains, too, and makes a weights file of what was trained, here or there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data.errors import BraggleError
from generator.network.held_out import enough_of
from generator.pointcloud.cloud import MOST_ATOMS
from generator.pointcloud.examples import CloudExamples
from generator.pointcloud.model import CloudNetwork, CloudShape
from generator.pointcloud.training import CloudRecipe, CloudTraining
from indexer.encoders.console import device_of, tell, training_parser
from indexer.encoders.folder import Trainings
from indexer.encoders.loop import Wishes
from indexer.encoders.run import open_pack


@dataclass(frozen=True)
class CloudWishes(Wishes):
    """What may be said of the recipe."""

    most_atoms: int | None = None


def _new(**said: object) -> CloudRecipe:
    return replace(CloudRecipe(), **said)  # type: ignore[arg-type]


def _stored(fields: Mapping[str, Any]) -> CloudRecipe:
    return CloudRecipe(**{**fields, "shape": CloudShape(**fields["shape"])})


TRAININGS = Trainings(
    "network of point clouds", _new, _stored, lambda recipe: CloudNetwork(recipe.shape)
)


def open_examples(pack: Path, recipe: CloudRecipe, device: str) -> CloudExamples:
    """The training crystals as clouds.

    Raises:
        BraggleError: the pack is missing or of another kind, or too few crystals are small enough,
            or a cell of so many atoms has no room in a cloud.
    """
    if recipe.most_atoms > MOST_ATOMS:
        raise BraggleError(
            f"--most-atoms {recipe.most_atoms}: a cloud holds {MOST_ATOMS}; ask for no more"
        )
    crystals = open_pack(pack, device_of(device))
    kind = f"at most three elements and {recipe.most_atoms} atoms"
    return enough_of(lambda: CloudExamples(crystals, recipe.most_atoms), pack, recipe.batch, kind)


def main() -> None:
    """Train where only torch, numpy and safetensors are installed."""
    parser = training_parser("Train the network of point clouds.")
    parser.add_argument("--most-atoms", type=int)
    asked = parser.parse_args()
    try:
        wishes = CloudWishes(**{name: getattr(asked, name) for name in asdict(CloudWishes())})
        recipe, earlier = TRAININGS.checked(
            asked.out, wishes, resume=asked.resume, begin=asked.begin_from
        )
        examples = open_examples(asked.pack, recipe, asked.device)
        CloudTraining(examples, recipe).to_end(
            asked.out, begin_from=earlier, resume=asked.resume, report=tell
        )
    except BraggleError as error:
        sys.exit(f"braggle: {error}")


if __name__ == "__main__":
    main()
