"""A training run of the towers over sheets, checked before the first step.

    python -m indexer.sheets.run SHEETS.npz --out FOLDER [--resume] [--steps N] ...

trains where nothing but torch and numpy is installed; `braggle train encoder --kind 2d` trains,
too.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch

from data.errors import BraggleError
from indexer.encoders.loop import CHECKPOINT, Wishes, read_state
from indexer.encoders.run import DEVICES, device_of
from indexer.encoders.training import Progress
from indexer.sheets.model import Towers, TowersShape
from indexer.sheets.pack import Bench, SheetPack
from indexer.sheets.training import SheetRecipe, SheetTraining

REMEDY = "make one with `python -m indexer.sheets.packing`"


def holds_sheets(path: Path) -> bool:
    """Whether a file is a pack of sheets, and no other pack."""
    try:
        with np.load(path) as file:
            return "rod_tokens" in file.files
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


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


def towers_in(folder: Path) -> Towers:
    """The towers that were trained in a folder.

    Raises:
        BraggleError: the folder's checkpoint is missing, cannot be read or is of another kind.
    """
    checkpoint = folder / CHECKPOINT
    if not checkpoint.is_file():
        raise BraggleError(f"{checkpoint}: no towers were trained here; train them first")
    towers = Towers(_recipe_in(checkpoint).shape)
    towers.load_state_dict(read_state(checkpoint, "cpu")["averaged"])
    return towers


def sheet_recipe_of(
    folder: Path, wishes: Wishes, *, resume: bool, begin_from: Path | None = None
) -> SheetRecipe:
    """The recipe to train by: that of the folder's checkpoint, or a new one.

    Raises:
        BraggleError: there is a checkpoint and it is not to be resumed, or the other way round;
            it cannot be read; it was trained by another recipe than is wished for; `begin_from`
            is said together with `resume`.
    """
    checkpoint = folder / CHECKPOINT
    if begin_from is not None and resume:
        raise BraggleError(
            f"{checkpoint}: --resume goes on with the weights it has; leave --from out"
        )
    if folder.exists() and not folder.is_dir():
        raise BraggleError(f"{folder}: is not a folder; name one to train in")
    if not resume:
        if checkpoint.exists():
            raise BraggleError(
                f"{checkpoint}: a training is there already; go on with it by --resume, or name "
                "another folder"
            )
        shape = TowersShape() if begin_from is None else _recipe_in(begin_from / CHECKPOINT).shape
        return SheetRecipe(**wishes.said(), shape=shape)
    if not checkpoint.is_file():
        raise BraggleError(f"{checkpoint}: there is nothing to resume; leave --resume out")
    recipe = _recipe_in(checkpoint)
    for name, wished in wishes.said().items():
        own = getattr(recipe, name)
        if wished != own:
            raise BraggleError(
                f"{checkpoint}: is trained with --{name} {own:g}, not {wished:g}; "
                "leave the option out, or train anew in another folder"
            )
    return recipe


def _recipe_in(checkpoint: Path) -> SheetRecipe:
    """The recipe of a checkpoint whose towers have the shape it says."""
    state = read_state(checkpoint, "meta")
    try:
        fields = dict(state["recipe"])
        shape, bench = TowersShape(**fields.pop("shape")), Bench(**fields.pop("bench"))
        recipe = SheetRecipe(**fields, shape=shape, bench=bench)
        with torch.device("meta"):
            own = {name: value.shape for name, value in Towers(shape).state_dict().items()}
        fits = own == {name: value.shape for name, value in state["network"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise BraggleError(
            f"{checkpoint}: is not of towers over sheets as they are made now; train anew in "
            "another folder"
        )
    return recipe


def main() -> None:
    """Train where only torch and numpy are installed."""
    parser = argparse.ArgumentParser(description="Train the towers over sheets and patterns.")
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--resume", action="store_true")
    for name in ("steps", "batch", "seed"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--from", type=Path, metavar="FOLDER", dest="begin_from")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    asked = parser.parse_args()
    wishes = Wishes(asked.steps, asked.batch, asked.rate, asked.seed)
    try:
        recipe = sheet_recipe_of(
            asked.out, wishes, resume=asked.resume, begin_from=asked.begin_from
        )
        begin = towers_in(asked.begin_from) if asked.begin_from else None
        pack = open_sheets(asked.pack, device_of(asked.device))
        SheetTraining(pack, recipe).to_end(
            asked.out, begin_from=begin, resume=asked.resume, report=_tell
        )
    except BraggleError as error:
        sys.exit(f"braggle: {error}")


def _tell(progress: Progress) -> None:
    sys.stderr.write(f"step {progress.step}: {progress}\n")


if __name__ == "__main__":
    main()
