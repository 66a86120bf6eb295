"""What every training asks for and tells where nothing but torch and numpy is installed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Protocol

import torch

from data.errors import BraggleError

DEVICES = ("auto", "cpu", "cuda")


class Report(Protocol):
    """What a training tells of itself; its words are the rest."""

    @property
    def step(self) -> int:
        """Done."""
        ...


def device_of(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one.

    Raises:
        BraggleError: a GPU is asked for, and torch finds none.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise BraggleError(
            f"device cuda: torch {torch.__version__} finds no GPU here; choose cpu or auto"
        )
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def training_parser(description: str) -> argparse.ArgumentParser:
    """What may be asked of any training; the names are those of `loop.Wishes`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--resume", action="store_true")
    for name in ("steps", "batch", "seed"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--from", type=Path, metavar="FOLDER", dest="begin_from")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    return parser


def tell(progress: Report) -> None:
    """A line for whoever watches."""
    sys.stderr.write(f"step {progress.step}: {progress}\n")
