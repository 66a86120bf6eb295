"""The pack that the encoders are tested with, and a small network of point clouds."""

from __future__ import annotations

import pytest
import torch

from generator.pointcloud.examples import CloudExamples
from generator.pointcloud.model import CloudNetwork, CloudShape
from indexer.encoders.pack import Pack
from tests.indexer.encoders.conftest import pack, pack_crystals, packed_file, small_products

__all__ = ["pack", "pack_crystals", "packed_file", "small_products"]

SMALL = CloudShape(width=32, heads=2, layers=2, told=24)


@pytest.fixture(scope="session")
def examples(pack: Pack) -> CloudExamples:
    return CloudExamples(pack)


@pytest.fixture
def network(examples: CloudExamples) -> CloudNetwork:
    torch.manual_seed(2)
    made = CloudNetwork(SMALL)
    made.set_scale(examples.scale)
    return made.eval()
