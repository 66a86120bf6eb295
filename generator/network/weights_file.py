"""Weights of a trained network in half precision, with how it was trained in the header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


class Recipe(Protocol):
    """A dataclass that says how a network is trained."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def write_weights(network: nn.Module, recipe: Recipe, path: Path) -> None:
    """Write the weights as safetensors, float16, whole or not at all.

    Args:
        network: trained.
        recipe: how; it stands in the file's header.
        path: of the file.
    """
    weights = {
        name: value.detach().cpu().half().contiguous()
        for name, value in network.state_dict().items()
    }
    partial = path.with_suffix(".partial")
    save_file(weights, partial, metadata={"recipe": json.dumps(asdict(recipe))})
    partial.replace(path)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights of a file, float32, and the recipe."""
    with safe_open(path, "pt") as file:
        recipe: dict[str, Any] = json.loads(file.metadata()["recipe"])
        weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    return weights, recipe
