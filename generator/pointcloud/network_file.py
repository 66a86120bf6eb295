"""The file of a trained network of point clouds."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from generator.network.weights_file import read_trained, shipped
from generator.pointcloud.model import CloudNetwork, CloudShape

WEIGHTS = "pointclouds.safetensors"


def read_network(path: Path) -> CloudNetwork:
    """The network of a file as `write_weights` writes it, to be asked."""
    return read_trained(path, lambda shape: CloudNetwork(CloudShape(**shape)))


def shipped_weights() -> AbstractContextManager[Path]:
    """The file that comes with Braggle."""
    return shipped("generator.pointcloud", WEIGHTS)
