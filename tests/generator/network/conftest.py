"""The pack that the encoders are tested with, and a small network."""

from __future__ import annotations

import pytest
import torch

from generator.network.examples import Examples
from generator.network.model import GeneratorNetwork, NetworkShape
from generator.network.training import CAREFUL
from indexer.encoders.model import ProfileEncoder, ProfileEncoderShape
from indexer.encoders.pack import Pack
from tests.indexer.encoders.conftest import pack, pack_crystals, packed_file, small_products

__all__ = ["pack", "pack_crystals", "packed_file", "small_products"]

SMALL = NetworkShape(width=32, heads=4, layers=2, reading=1, peaks=16)
TINY = ProfileEncoderShape(stem=(32, 16), stages=((8, 0), (12, 1)), kernel=3, head=4)


@pytest.fixture(scope="session")
def examples(pack: Pack) -> Examples:
    torch.manual_seed(1)
    return Examples(pack, ProfileEncoder(TINY), CAREFUL)


@pytest.fixture
def network() -> GeneratorNetwork:
    """Untrained, and with weights where training begins at nothing."""
    torch.manual_seed(2)
    made = GeneratorNetwork(SMALL)
    for value in made.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.1)
    return made.eval()
