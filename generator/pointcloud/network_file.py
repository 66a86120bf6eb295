"""The file of a trained network of point clouds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from generator.network.weights_file import read_weights
from generator.pointcloud.model import CloudNetwork, CloudShape

WEIGHTS = "pointclouds.safetensors"


def read_network(path: Path) -> CloudNetwork:
    """The network of a file as `write_weights` writes it, to be asked."""
    weights, recipe = read_weights(path)
    network = CloudNetwork(CloudShape(**recipe["shape"]))
    network.load_state_dict(weights)
    return network.eval().requires_grad_(requires_grad=False)


@contextmanager
def shipped_weights() -> Iterator[Path]:
    """The file that comes with Braggle."""
    with as_file(files("generator.pointcloud") / "weights" / WEIGHTS) as path:
        yield Path(path)
