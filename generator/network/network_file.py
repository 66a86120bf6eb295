"""The file of a trained generator's network."""

from __future__ import annotations

from pathlib import Path

from generator.network.model import GeneratorNetwork, NetworkShape
from generator.network.weights_file import read_trained


def read_network(path: Path) -> GeneratorNetwork:
    """The network of a file as `write_weights` writes it, to be asked."""
    return read_trained(path, lambda shape: GeneratorNetwork(NetworkShape(**shape)))
