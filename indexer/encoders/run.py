"""A training run: what it is asked for, checked before the first step.

    python -m indexer.encoders.run PACK --out FOLDER [--resume] [--steps N] ...

trains where nothing but torch and numpy is installed; `braggle train encoder` trains, too, and
makes an encoder file of what was trained, here or there.
"""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from data.errors import BraggleError
from indexer.encoders.atoms import AtomsEncoder
from indexer.encoders.console import device_of, tell, training_parser
from indexer.encoders.drawing import Laboratory
from indexer.encoders.folder import check_wishes, checkpoint_in
from indexer.encoders.loop import CHECKPOINT, Wishes, read_state
from indexer.encoders.model import ProfileEncoder, ProfileEncoderShape
from indexer.encoders.pack import Pack
from indexer.encoders.training import (
    CONVOLUTION,
    KINDS,
    Recipe,
    encoder_of,
    training_of,
)


@dataclass(frozen=True)
class EncoderWishes(Wishes):
    """What may be said of an encoder's recipe."""

    kind: str | None = None
    beforehand: int | None = None


def open_pack(path: Path, device: torch.device) -> Pack:
    """The packed training crystals.

    Raises:
        BraggleError: there is no such file, it is no pack, or too little is in it.
    """
    remedy = "make one with `python -m indexer.encoders.packing`"
    if not path.is_file():
        raise BraggleError(f"{path}: no such pack; {remedy}")
    if not zipfile.is_zipfile(path):
        raise BraggleError(f"{path}: is not a pack of training crystals, or not whole; {remedy}")
    try:
        pack = Pack(path, device)
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise BraggleError(
            f"{path}: is not a pack of training crystals ({reason}); {remedy}"
        ) from None
    if not len(pack.training_rows) or not len(pack.held_out_rows):
        raise BraggleError(
            f"{path}: {len(pack.training_rows)} crystals to train on and "
            f"{len(pack.held_out_rows)} to validate with, and both are needed; pack more crystals"
        )
    return pack


def trained_in(folder: Path) -> ProfileEncoder:
    """The convolution that was trained in a folder, to go on from or to train atoms beside.

    Raises:
        BraggleError: the folder's checkpoint is missing or cannot be read, or is of another kind.
    """
    encoder, recipe = encoder_in(folder)
    if not isinstance(encoder, ProfileEncoder):
        raise BraggleError(
            f"{folder / CHECKPOINT}: is of the kind {recipe.kind}; name the folder of a "
            f"{CONVOLUTION}"
        )
    return encoder


def encoder_in(folder: Path) -> tuple[nn.Module, Recipe]:
    """The encoder of profiles that was trained in a folder, and how.

    Raises:
        BraggleError: the folder's checkpoint is missing or cannot be read, or reads atoms.
    """
    checkpoint = folder / CHECKPOINT
    if not checkpoint.is_file():
        raise BraggleError(f"{checkpoint}: no encoder was trained here; train it first")
    recipe, reads_atoms = _recipe_in(checkpoint)
    if reads_atoms:
        raise BraggleError(
            f"{checkpoint}: is of a tower over atoms; name a profile encoder's folder"
        )
    encoder = encoder_of(recipe)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    encoder.load_state_dict(state["averaged"])
    return encoder, recipe


def recipe_of(
    folder: Path,
    wishes: EncoderWishes,
    *,
    resume: bool,
    beside: Path | None = None,
    begin_from: Path | None = None,
) -> Recipe:
    """The recipe to train by: that of the folder's checkpoint, or a new one.

    Args:
        folder: to train in.
        wishes: of whoever trains.
        resume: go on from the folder's checkpoint.
        beside: folder of the profile encoder whose space a tower over atoms joins.
        begin_from: folder of the profile encoder whose weights a new one begins with.

    Raises:
        BraggleError: there is a checkpoint and it is not to be resumed, or the other way round;
            it cannot be read; it was trained by another recipe than is wished for; `begin_from`
            is said together with `resume` or `beside`.
    """
    checkpoint = folder / CHECKPOINT
    if begin_from is not None and (resume or beside is not None):
        remedy = "leave --from out"
        raise BraggleError(
            f"{checkpoint}: --resume goes on with the weights it has; {remedy}"
            if resume
            else f"{folder}: a tower over atoms begins with the weights of --beside; {remedy}"
        )
    checkpoint_in(folder, resume=resume)
    if not resume:
        recipe = Recipe(**wishes.said())
        known = beside or begin_from
        if known is None:
            return recipe
        if recipe.kind != CONVOLUTION:
            raise BraggleError(f"{folder}: --kind {recipe.kind} is trained from the start, alone")
        return replace(recipe, shape=_recipe_in(known / CHECKPOINT)[0].shape)
    recipe, reads_atoms = _recipe_in(checkpoint)
    if reads_atoms != (beside is not None):
        raise BraggleError(
            f"{checkpoint}: is of a tower over atoms; say --beside FOLDER as before"
            if reads_atoms
            else f"{checkpoint}: is of a profile encoder; leave --beside out"
        )
    check_wishes(wishes, recipe, checkpoint)
    return recipe


def _recipe_in(checkpoint: Path) -> tuple[Recipe, bool]:
    """The recipe of a checkpoint whose encoder has the shape it says; whether that reads atoms."""
    state = read_state(checkpoint, "meta")
    try:
        fields = dict(state["recipe"])
        shape = ProfileEncoderShape(**fields.pop("shape"))
        laboratory = Laboratory(**fields.pop("laboratory"))
        recipe = Recipe(**fields, shape=shape, laboratory=laboratory)
        reads_atoms = "amplitude.weight" in state["network"]
        with torch.device("meta"):
            encoder = AtomsEncoder(recipe.shape) if reads_atoms else encoder_of(recipe)
            own = encoder.state_dict()
        fits = _sizes(own) == _sizes(state["network"])
    except (AttributeError, KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise BraggleError(
            f"{checkpoint}: is of an encoder of another make; train anew in another folder"
        )
    return recipe, reads_atoms


def _sizes(weights: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}


def main() -> None:
    """Train where only torch and numpy are installed."""
    parser = training_parser("Train the encoder of patterns and crystals.")
    parser.add_argument("--beforehand", type=int)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--beside", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    wishes = EncoderWishes(
        asked.steps, asked.batch, asked.rate, asked.seed, asked.kind, asked.beforehand
    )
    try:
        beside = trained_in(asked.beside) if asked.beside else None
        begin_from = trained_in(asked.begin_from) if asked.begin_from else None
        recipe = recipe_of(
            asked.out,
            wishes,
            resume=asked.resume,
            beside=asked.beside,
            begin_from=asked.begin_from,
        )
        pack = open_pack(asked.pack, device_of(asked.device))
        training_of(pack, recipe, beside).to_end(
            asked.out, begin_from=begin_from, resume=asked.resume, report=tell
        )
    except BraggleError as error:
        sys.exit(f"braggle: {error}")


if __name__ == "__main__":
    main()
