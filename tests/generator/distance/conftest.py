"""The pack that the encoders are tested with, and a small network of distances."""

from __future__ import annotations

import pytest
import torch

from generator.distance.examples import DistanceExamples
from generator.distance.model import DistanceNetwork, DistanceShape
from indexer.encoders.pack import Pack
from tests.indexer.encoders.conftest import pack, pack_crystals, packed_file, small_products

__all__ = ["pack", "pack_crystals", "packed_file", "small_products"]

SMALL = DistanceShape(
    groups=8, widths=(16, 24), attentions=1, outer=4, pair_width=16, pair_blocks=2, components=3
)


@pytest.fixture(scope="session")
def examples(pack: Pack) -> DistanceExamples:
    return DistanceExamples(pack, 12)


@pytest.fixture
def network(examples: DistanceExamples) -> DistanceNetwork:
    torch.manual_seed(2)
    made = DistanceNetwork(SMALL)
    made.set_groups(*examples.groups(SMALL.groups, "width"))
    return made.eval()
