"""The file of a trained network of distances."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from generator.distance.model import DistanceNetwork, DistanceShape
from generator.network.weights_file import read_trained, shipped

WEIGHTS = "distances.safetensors"


def read_network(path: Path) -> DistanceNetwork:
    """The network of a file as `write_weights` writes it, to be asked."""
    return read_trained(path, lambda shape: DistanceNetwork(DistanceShape(**shape)))


def shipped_weights() -> AbstractContextManager[Path]:
    """The file that comes with Braggle."""
    return shipped("generator.distance", WEIGHTS)
