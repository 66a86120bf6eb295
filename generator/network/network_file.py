"""The file of a trained generator's network."""

from __future__ import annotations

from pathlib import Path

from generator.network.model import GeneratorNetwork, NetworkShape
from generator.network.weights_file import read_weights


def read_network(path: Path) -> GeneratorNetwork:
    """The network of a file as `write_weights` writes it, to be asked."""
    weights, recipe = read_weights(path)
    network = GeneratorNetwork(NetworkShape(**recipe["shape"]))
    network.load_state_dict(weights)
    return network.eval().requires_grad_(requires_grad=False)
