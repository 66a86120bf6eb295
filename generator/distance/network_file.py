"""The file of a trained network of distances."""

from __future__ import annotations

from pathlib import Path

from generator.distance.model import DistanceNetwork, DistanceShape
from generator.network.weights_file import read_weights


def read_network(path: Path) -> DistanceNetwork:
    """The network of a file as `write_weights` writes it, to be asked."""
    weights, recipe = read_weights(path)
    network = DistanceNetwork(DistanceShape(**recipe["shape"]))
    network.load_state_dict(weights)
    return network.eval().requires_grad_(requires_grad=False)
