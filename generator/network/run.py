"""A training run of the generator's network: what it is asked for, checked before the first step.

    python -m generator.network.run PACK --encoder FILE --out FOLDER [--resume] [--steps N] ...

trains where nothing but torch, numpy and safetensors is installed; `braggle train generator`
trains, too, and makes a weights file of what was trained, here or there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from data.errors import BraggleError
from generator.network.examples import Examples
from generator.network.held_out import enough_of
from generator.network.model import GeneratorNetwork, NetworkShape
from generator.network.training import (
    GeneratorRecipe,
    GeneratorTraining,
    Weighing,
)
from indexer.encoders.console import device_of, tell, training_parser
from indexer.encoders.drawing import Laboratory
from indexer.encoders.folder import Trainings
from indexer.encoders.loop import Wishes
from indexer.encoders.model import ProfileEncoder, ProfileEncoderShape
from indexer.encoders.run import open_pack


def open_encoder(path: Path) -> ProfileEncoder:
    """The learned channel's encoder, of a file as `indexer.encoders.encoder_file` writes it.

    Raises:
        BraggleError: there is no such file, or it is of no profile encoder.
    """
    remedy = "name a profile encoder's .safetensors file"
    if not path.is_file():
        raise BraggleError(f"{path}: no such file; {remedy}")
    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            said = json.loads((file.metadata() or {}).get("recipe", "{}"))
        encoder = ProfileEncoder(ProfileEncoderShape(**said.get("shape", {})))
        encoder.load_state_dict(weights)
    except (SafetensorError, RuntimeError, TypeError, ValueError):
        raise BraggleError(f"{path}: holds no profile encoder; {remedy}") from None
    return encoder


def open_examples(pack: Path, encoder: Path, recipe: GeneratorRecipe, device: str) -> Examples:
    """The training crystals with their neighbours.

    Raises:
        BraggleError: a file is missing or of another kind, or too few crystals are small enough.
    """
    known = open_encoder(encoder)
    crystals = open_pack(pack, device_of(device))
    return enough_of(
        lambda: Examples(crystals, known, recipe.laboratory),
        pack,
        recipe.batch,
        "at most 24 atoms",
    )


def _stored(fields: Mapping[str, Any]) -> GeneratorRecipe:
    return GeneratorRecipe(
        **{
            **fields,
            "shape": NetworkShape(**fields["shape"]),
            "laboratory": Laboratory(**fields["laboratory"]),
            "weighing": Weighing(**fields["weighing"]),
        }
    )


TRAININGS = Trainings(
    "generator", GeneratorRecipe, _stored, lambda recipe: GeneratorNetwork(recipe.shape)
)


def main() -> None:
    """Train where only torch, numpy and safetensors are installed."""
    parser = training_parser("Train the generator's network.")
    parser.add_argument("--encoder", type=Path, required=True, metavar="FILE")
    asked = parser.parse_args()
    try:
        wishes = Wishes(asked.steps, asked.batch, asked.rate, asked.seed)
        recipe, earlier = TRAININGS.checked(
            asked.out, wishes, resume=asked.resume, begin=asked.begin_from
        )
        examples = open_examples(asked.pack, asked.encoder, recipe, asked.device)
        GeneratorTraining(examples, recipe).to_end(
            asked.out, begin_from=earlier, resume=asked.resume, report=tell
        )
    except BraggleError as error:
        sys.exit(f"braggle: {error}")


if __name__ == "__main__":
    main()
