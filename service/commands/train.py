"""`braggle train`: encoders made from packed training crystals."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import Json, torch_needed, verb
from service.terminal import emit, progress_bar, say, show

if TYPE_CHECKING:
    from generator.network.training import GeneratorProgress
    from indexer.encoders.training import Progress

app = typer.Typer(
    name="train",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train what reads patterns and crystals.",
)

ENCODER, NETWORK, CURVES = "encoder.safetensors", "generator.safetensors", "curves.svg"


class Device(StrEnum):
    """Where to train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Kind(StrEnum):
    """What reads a profile."""

    CONVOLUTION = "convolution"
    PEAKS = "peaks"
    BOTH = "both"


@app.command()
@verb
def encoder(
    pack: Annotated[
        Path, typer.Argument(help="Training crystals, as `indexer.encoders.packing` writes them.")
    ],
    *,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="For the encoder, checkpoint, log and curves.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's checkpoint, by its recipe.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of the optimiser; 8000 when not given.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=2, help="Crystals in a step; 256 when not given.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1e-7, max=1.0, help="Highest learning rate; 0.001 when not given."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of everything that is drawn; 0 when not given.")
    ] = None,
    begin_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Begin with the weights of the encoder trained in FOLDER.",
            show_default=False,
        ),
    ] = None,
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
            "over its peaks, or both."
        ),
    ] = None,
    beforehand: Annotated[
        int | None,
        typer.Option(min=0, help="Steps in which peaks first learns to guess hidden peaks."),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="auto takes a GPU where there is one.")
    ] = Device.AUTO,
    json: Json = False,
) -> None:
    """Train an encoder of patterns and crystals, and write its weights."""
    torch_needed()
    from indexer.encoders.curves import curves_svg, read_log
    from indexer.encoders.encoder_file import write_encoder
    from indexer.encoders.loop import LOG
    from indexer.encoders.run import EncoderWishes, device_of, open_pack, recipe_of, trained_in
    from indexer.encoders.training import train

    other = trained_in(beside) if beside else None
    earlier = trained_in(begin_from) if begin_from else None
    wishes = EncoderWishes(steps, batch, rate, seed, kind and kind.value, beforehand)
    recipe = recipe_of(out, wishes, resume=resume, beside=beside, begin_from=begin_from)
    crystals = open_pack(pack, device_of(device.value))
    say(
        f"{pack}: {len(crystals.training_rows)} crystals to train on and "
        f"{len(crystals.held_out_rows)} to validate with, on {crystals.device}"
    )
    told: Progress | None = None
    with progress_bar() as progress:

        def report(now: Progress) -> None:
            nonlocal told
            told = now if now.recall_at_1 is not None or told is None else now.since(told)

        def tick(step: int, loss: float) -> None:
            detail = f"loss {loss:.3f}" if told is None else str(replace(told, loss=loss))
            progress(step, recipe.steps, "training", detail)

        trained = train(
            crystals,
            recipe,
            out,
            atoms_beside=other,
            begin_from=earlier,
            resume=resume,
            report=report,
            tick=tick,
        )
    write_encoder(trained, recipe, out / ENCODER)
    log = read_log(out / LOG)
    (out / CURVES).write_text(curves_svg(log), "utf-8")
    last = log[-1]
    if json:
        emit(
            {
                "encoder": str(out / ENCODER),
                "curves": str(out / CURVES),
                "log": str(out / LOG),
                "device": str(crystals.device),
                **asdict(last),
            }
        )
    else:
        show(f"{out / ENCODER}: {last.step} steps, {last}; how it went: {out / CURVES}")


@app.command()
@verb
def generator(
    pack: Annotated[
        Path, typer.Argument(help="Training crystals, as `indexer.encoders.packing` writes them.")
    ],
    *,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="For the weights, checkpoint, log and curves.")
    ],
    encoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The profile encoder whose space templates are found in; that which comes with "
            "Braggle when not given.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's checkpoint, by its recipe.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of the optimiser; 20000 when not given.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=2, help="Crystals in a step; 64 when not given.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1e-7, max=1.0, help="Highest learning rate; 0.0007 when not given."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of everything that is drawn; 0 when not given.")
    ] = None,
    begin_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Begin with the weights of the network trained in FOLDER.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="auto takes a GPU where there is one.")
    ] = Device.AUTO,
    json: Json = False,
) -> None:
    """Train the network that proposes and judges structures, and write its weights."""
    torch_needed()
    from generator.network.curves import curves_svg, read_log
    from generator.network.network_file import write_network
    from generator.network.run import checked, open_examples
    from generator.network.training import train_generator
    from indexer.encoders.loop import LOG, Wishes
    from indexer.learned import profile_weights

    wishes = Wishes(steps, batch, rate, seed)
    recipe, earlier = checked(out, wishes, resume=resume, begin=begin_from)
    with nullcontext(encoder) if encoder else profile_weights() as weights:
        examples = open_examples(pack, weights, recipe, device.value)
    say(
        f"{pack}: {len(examples.training)} crystals to train on and {len(examples.held_out)} to "
        f"validate with, on {examples.pack.device}"
    )
    told: GeneratorProgress | None = None
    with progress_bar() as progress:

        def report(now: GeneratorProgress) -> None:
            nonlocal told
            told = now if now.held_out or told is None else replace(now, held_out=told.held_out)

        def tick(step: int, loss: float) -> None:
            detail = f"loss {loss:.3f}" if told is None else str(replace(told, loss=loss))
            progress(step, recipe.steps, "training", detail)

        trained = train_generator(
            examples, recipe, out, begin_from=earlier, resume=resume, report=report, tick=tick
        )
    write_network(trained, recipe, out / NETWORK)
    log = read_log(out / LOG)
    (out / CURVES).write_text(curves_svg(log), "utf-8")
    last = log[-1]
    if json:
        emit(
            {
                "generator": str(out / NETWORK),
                "curves": str(out / CURVES),
                "log": str(out / LOG),
                "device": str(examples.pack.device),
                **asdict(last),
            }
        )
    else:
        show(f"{out / NETWORK}: {last.step} steps, {last}; how it went: {out / CURVES}")
