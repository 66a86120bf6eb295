"""The file of a trained network of distances."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from data.errors import BraggleError
from generator.distance.model import DistanceNetwork, DistanceShape
from generator.network.weights_file import read_trained, shipped

WEIGHTS = "distances.safetensors"


def read_network(path: Path) -> DistanceNetwork:
    """The network of a file as `write_weights` writes it, to be asked.

    Raises:
        BraggleError: it is of a network that was built otherwise, of an earlier Braggle say.
    """
    try:
        return read_trained(path, lambda shape: DistanceNetwork(DistanceShape(**shape)))
    except (RuntimeError, TypeError):
        raise BraggleError(f"{path}: is of another kind of network; train anew") from None


def shipped_weights() -> AbstractContextManager[Path]:
    """The file that comes with Braggle."""
    return shipped("generator.distance", WEIGHTS)
