"""Weights of a trained network in half precision, with how it was trained in the header."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

NetworkT = TypeVar("NetworkT", bound=nn.Module)


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


def read_trained(path: Path, make: Callable[[Mapping[str, Any]], NetworkT]) -> NetworkT:
    """The network of a file, to be asked and not to be trained.

    Args:
        path: as `write_weights` writes it.
        make: of the shape in the recipe, untrained.
    """
    weights, recipe = read_weights(path)
    network = make(recipe["shape"])
    network.load_state_dict(weights)
    return network.eval().requires_grad_(requires_grad=False)


@contextmanager
def shipped(package: str, name: str) -> Iterator[Path]:
    """A file of weights that comes with Braggle."""
    with as_file(files(package) / "weights" / name) as path:
        yield Path(path)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights of a file, float32, and the recipe."""
    with safe_open(path, "pt") as file:
        recipe: dict[str, Any] = json.loads(file.metadata()["recipe"])
        weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    return weights, recipe
