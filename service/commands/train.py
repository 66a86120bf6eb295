"""`braggle train`: encoders made from packed training crystals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import Json, torch_needed, verb
from service.terminal import emit, progress_bar, say, show

if TYPE_CHECKING:
    import torch
    from torch import nn

    from generator.network.held_out import ProgressT
    from generator.network.weights_file import Recipe
    from indexer.encoders.averaged import AveragedTraining, Network, Progress
    from indexer.encoders.loop import Told

app = typer.Typer(
    name="train",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train what reads patterns and crystals.",
)

ENCODER, NETWORK = "encoder.safetensors", "generator.safetensors"
DISTANCES, POINTCLOUDS = "distances.safetensors", "pointclouds.safetensors"
LOG, CURVES = "log.jsonl", "curves.svg"


class Device(StrEnum):
    """Where to train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Spacing(StrEnum):
    """What groups of distances have alike."""

    WIDTH = "width"
    COUNT = "count"


class Kind(StrEnum):
    """What reads a profile."""

    CONVOLUTION = "convolution"
    PEAKS = "peaks"
    BOTH = "both"
    SHEETS = "2d"


Pack = Annotated[
    Path, typer.Argument(help="Training crystals, as `indexer.encoders.packing` writes them.")
]
Out = Annotated[
    Path, typer.Option(metavar="FOLDER", help="For the weights, checkpoint, log and curves.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the folder's checkpoint, by its recipe.")
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Of the optimiser; 8000 when not given, of a generator 20000."),
]
Batch = Annotated[
    int | None,
    typer.Option(min=2, help="Crystals in a step; 256 when not given, of a generator 64."),
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=1e-7,
        max=1.0,
        help="Highest learning rate; 0.001 when not given, of a generator 0.0007.",
    ),
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Of everything that is drawn; 0 when not given.")
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FOLDER",
        help="Begin with the weights of what was trained in FOLDER.",
        show_default=False,
    ),
]
Where = Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")]


@app.command()
@verb
def encoder(
    pack: Pack,
    *,
    out: Out,
    resume: Resume = False,
    steps: Steps = None,
    batch: Batch = None,
    rate: Rate = None,
    seed: Seed = None,
    begin_from: From = None,
    beside: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Train the tower over atoms in the space of the encoder trained in FOLDER.",
        ),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="What reads a profile: a convolution along it (when not given), a transformer "
            "over its peaks, or both. 2d: the towers over sheets, of a pack of sheets."
        ),
    ] = None,
    beforehand: Annotated[
        int | None,
        typer.Option(min=0, help="Steps in which peaks first learns to guess hidden peaks."),
    ] = None,
    device: Where = Device.AUTO,
    json: Json = False,
) -> None:
    """Train an encoder of patterns and crystals, and write its weights."""
    torch_needed()
    if kind is Kind.SHEETS:
        if beside is not None or beforehand is not None:
            raise typer.BadParameter("--kind 2d takes neither --beside nor --beforehand")
        _sheets(pack, out, (steps, batch, rate, seed), begin_from, device, resume=resume, json=json)
        return
    from indexer.encoders.console import device_of
    from indexer.encoders.curves import curves_svg
    from indexer.encoders.encoder_file import write_encoder
    from indexer.encoders.log import read_log
    from indexer.encoders.run import EncoderWishes, open_pack, recipe_of, trained_in
    from indexer.encoders.training import Progress, training_of

    other = trained_in(beside) if beside else None
    earlier = trained_in(begin_from) if begin_from else None
    wishes = EncoderWishes(steps, batch, rate, seed, kind and kind.value, beforehand)
    recipe = recipe_of(out, wishes, resume=resume, beside=beside, begin_from=begin_from)
    crystals = open_pack(pack, device_of(device.value))
    _say_of(pack, len(crystals.training_rows), len(crystals.held_out_rows), crystals.device)
    training = training_of(crystals, recipe, other)
    trained = _train(training, recipe.steps, out, begin_from=earlier, resume=resume)
    write_encoder(trained, recipe, out / ENCODER)
    log = read_log(out / LOG, Progress)
    _tell_end(out, ENCODER, curves_svg(log), log[-1], crystals.device, json=json)


def _sheets(
    pack: Path,
    out: Path,
    wished: tuple[int | None, int | None, float | None, int | None],
    begin_from: Path | None,
    device: Device,
    *,
    resume: bool,
    json: bool,
) -> None:
    """Train the towers over sheets."""
    from indexer.encoders.console import device_of
    from indexer.encoders.curves import curves_svg
    from indexer.encoders.encoder_file import write_encoder
    from indexer.encoders.log import read_log
    from indexer.encoders.loop import Wishes
    from indexer.encoders.training import Progress
    from indexer.sheets.run import TRAININGS, open_sheets
    from indexer.sheets.training import SheetTraining

    recipe, earlier = TRAININGS.checked(out, Wishes(*wished), resume=resume, begin=begin_from)
    sheets = open_sheets(pack, device_of(device.value))
    _say_of(
        pack, len(sheets.training_rows), len(sheets.held_out_rows), sheets.device, what="sheets"
    )
    training = SheetTraining(sheets, recipe)
    trained = _train(training, recipe.steps, out, begin_from=earlier, resume=resume)
    write_encoder(trained, recipe, out / ENCODER)
    log = read_log(out / LOG, Progress)
    _tell_end(out, ENCODER, curves_svg(log), log[-1], sheets.device, json=json)


@app.command()
@verb
def generator(
    pack: Pack,
    *,
    out: Out,
    encoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The profile encoder whose space templates are found in; that which comes with "
            "Braggle when not given.",
            show_default=False,
        ),
    ] = None,
    resume: Resume = False,
    steps: Steps = None,
    batch: Batch = None,
    rate: Rate = None,
    seed: Seed = None,
    begin_from: From = None,
    device: Where = Device.AUTO,
    json: Json = False,
) -> None:
    """Train the network that proposes and judges structures, and write its weights."""
    torch_needed()
    from generator.network.curves import curves_svg
    from generator.network.run import TRAININGS, open_examples
    from generator.network.training import GeneratorProgress, GeneratorTraining
    from indexer.encoders.loop import Wishes
    from indexer.learned import profile_weights

    wishes = Wishes(steps, batch, rate, seed)
    recipe, earlier = TRAININGS.checked(out, wishes, resume=resume, begin=begin_from)
    with nullcontext(encoder) if encoder else profile_weights() as weights:
        examples = open_examples(pack, weights, recipe, device.value)
    _say_of(pack, len(examples.training), len(examples.held_out), examples.pack.device)
    training = GeneratorTraining(examples, recipe)
    trained = _train(training, recipe.steps, out, begin_from=earlier, resume=resume)
    _leave(
        trained,
        recipe,
        out / NETWORK,
        GeneratorProgress,
        curves_svg,
        examples.pack.device,
        json=json,
    )


@app.command()
@verb
def distances(
    pack: Pack,
    *,
    out: Out,
    groups: Annotated[
        int | None,
        typer.Option(min=2, max=200, help="Of distances, 5, 10 or 20 say; 20 when not given."),
    ] = None,
    spacing: Annotated[
        Spacing | None,
        typer.Option(
            help="Groups are as wide as each other (when not given), or hold as many distances."
        ),
    ] = None,
    most_atoms: Annotated[
        int | None,
        typer.Option(min=2, max=40, help="Of the primitive cell; 12 when not given."),
    ] = None,
    resume: Resume = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of the optimiser; 4000 when not given.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=2, help="Crystals in a step; 64 when not given.")
    ] = None,
    rate: Rate = None,
    seed: Seed = None,
    begin_from: From = None,
    device: Where = Device.AUTO,
    json: Json = False,
) -> None:
    """Train the network that predicts distances from a formula, and write its weights."""
    torch_needed()
    from generator.distance.curves import curves_svg
    from generator.distance.run import DistanceWishes, checked, open_examples
    from generator.distance.training import DistanceProgress, DistanceTraining

    wishes = DistanceWishes(steps, batch, rate, seed, most_atoms, spacing and spacing.value, groups)
    recipe, earlier = checked(out, wishes, resume=resume, begin=begin_from)
    examples = open_examples(pack, recipe, device.value)
    _say_of(pack, len(examples.training), len(examples.held_out), examples.pack.device)
    training = DistanceTraining(examples, recipe)
    trained = _train(training, recipe.steps, out, begin_from=earlier, resume=resume)
    _leave(
        trained,
        recipe,
        out / DISTANCES,
        DistanceProgress,
        curves_svg,
        examples.pack.device,
        json=json,
    )


@app.command()
@verb
def pointclouds(
    pack: Pack,
    *,
    out: Out,
    most_atoms: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="Of the primitive cell; 16 when not given."),
    ] = None,
    resume: Resume = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of the optimiser; 10000 when not given.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=2, help="Crystals in a step; 48 when not given.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1e-7, max=1.0, help="Highest learning rate; 0.001 when not given."),
    ] = None,
    seed: Seed = None,
    begin_from: From = None,
    device: Where = Device.AUTO,
    json: Json = False,
) -> None:
    """Train the network that draws crystals of given elements, and write its weights."""
    torch_needed()
    from generator.pointcloud.curves import curves_svg
    from generator.pointcloud.run import TRAININGS, CloudWishes, open_examples
    from generator.pointcloud.training import CloudProgress, CloudTraining

    wishes = CloudWishes(steps, batch, rate, seed, most_atoms)
    recipe, earlier = TRAININGS.checked(out, wishes, resume=resume, begin=begin_from)
    examples = open_examples(pack, recipe, device.value)
    _say_of(pack, len(examples.training), len(examples.held_out), examples.device)
    training = CloudTraining(examples, recipe)
    trained = _train(training, recipe.steps, out, begin_from=earlier, resume=resume)
    _leave(
        trained, recipe, out / POINTCLOUDS, CloudProgress, curves_svg, examples.device, json=json
    )


def _say_of(
    pack: Path,
    trained_on: int,
    held_out: int,
    device: torch.device,
    *,
    what: str = "crystals",
) -> None:
    say(f"{pack}: {trained_on} {what} to train on and {held_out} to validate with, on {device}")


def _train(
    training: AveragedTraining[Network, Progress],
    steps: int,
    out: Path,
    *,
    begin_from: nn.Module | None,
    resume: bool,
) -> Network:
    """Train under a progress bar that shows the last figures of held-out crystals."""
    told: Progress | None = None
    with progress_bar() as progress:

        def report(now: Progress) -> None:
            nonlocal told
            told = now if told is None else _with_last(now, told)

        def tick(step: int, loss: float) -> None:
            detail = f"loss {loss:.3f}" if told is None else str(replace(told, loss=loss))
            progress(step, steps, "training", detail)

        return training.to_end(out, begin_from=begin_from, resume=resume, report=report, tick=tick)


def _with_last(now: Progress, before: Progress) -> Progress:
    """The same with what was not measured anew."""
    missing = [field.name for field in fields(now) if getattr(now, field.name) is None]
    return replace(now, **{name: getattr(before, name) for name in missing})


def _leave(
    trained: nn.Module,
    recipe: Recipe,
    weights: Path,
    progress: type[ProgressT],
    curves: Callable[[Sequence[ProgressT]], str],
    device: torch.device,
    *,
    json: bool,
) -> None:
    """Write a generator's network, draw how its training went, and say so."""
    from generator.network.weights_file import write_weights
    from indexer.encoders.log import read_log

    write_weights(trained, recipe, weights)
    log = read_log(weights.parent / LOG, progress)
    _tell_end(weights.parent, weights.name, curves(log), log[-1], device, json=json)


def _tell_end(
    out: Path, weights: str, curves: str, last: Told, device: torch.device, *, json: bool
) -> None:
    (out / CURVES).write_text(curves, "utf-8")
    figures = asdict(last)
    if json:
        emit(
            {
                Path(weights).stem: str(out / weights),
                "curves": str(out / CURVES),
                "log": str(out / LOG),
                "device": str(device),
                **figures,
            }
        )
    else:
        show(f"{out / weights}: {figures['step']} steps, {last}; how it went: {out / CURVES}")
