"""A training run of the towers over sheets, checked before the first step.

    python -m indexer.sheets.run SHEETS.npz --out FOLDER [--resume] [--steps N] ...

trains where nothing but torch and numpy is installed; `braggle train encoder --kind 2d` trains,
too.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from data.errors import BraggleError
from indexer.encoders.console import device_of, tell, training_parser
from indexer.encoders.folder import Trainings
from indexer.encoders.loop import Wishes
from indexer.sheets.model import Towers, TowersShape
from indexer.sheets.pack import Bench, SheetPack
from indexer.sheets.training import SheetRecipe, SheetTraining

REMEDY = "make one with `python -m indexer.sheets.packing`"


def open_sheets(path: Path, device: torch.device) -> SheetPack:
    """The packed sheets.

    Raises:
        BraggleError: there is no such file, it is no pack of sheets, or too little is in it.
    """
    if not path.is_file():
        raise BraggleError(f"{path}: no such pack of sheets; {REMEDY}")
    try:
        pack = SheetPack(path, device)
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise BraggleError(f"{path}: is not a pack of sheets ({reason}); {REMEDY}") from None
    if not len(pack.training_rows) or not len(pack.held_out_rows):
        raise BraggleError(
            f"{path}: {len(pack.training_rows)} sheets to train on and "
            f"{len(pack.held_out_rows)} to validate with, and both are needed; pack more sheets"
        )
    return pack


def _stored(fields: Mapping[str, Any]) -> SheetRecipe:
    shape, bench = TowersShape(**fields["shape"]), Bench(**fields["bench"])
    return SheetRecipe(**{**fields, "shape": shape, "bench": bench})


TRAININGS = Trainings(
    "pair of towers over sheets", SheetRecipe, _stored, lambda recipe: Towers(recipe.shape)
)


def main() -> None:
    """Train where only torch and numpy are installed."""
    parser = training_parser("Train the towers over sheets and patterns.")
    asked = parser.parse_args()
    wishes = Wishes(asked.steps, asked.batch, asked.rate, asked.seed)
    try:
        recipe, begin = TRAININGS.checked(
            asked.out, wishes, resume=asked.resume, begin=asked.begin_from
        )
        pack = open_sheets(asked.pack, device_of(asked.device))
        SheetTraining(pack, recipe).to_end(
            asked.out, begin_from=begin, resume=asked.resume, report=tell
        )
    except BraggleError as error:
        sys.exit(f"braggle: {error}")


if __name__ == "__main__":
    main()
