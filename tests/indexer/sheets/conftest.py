from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from indexer.sheets.axes import AT_RANDOM, BY_COMPOSITION, TRAINED
from indexer.sheets.model import Towers, TowersShape
from indexer.sheets.pack import SheetPack
from indexer.sheets.packing import packed_of, write_packed
from tests import layered

TINY = TowersShape(width=16, heads=4, geometry_layers=1, texture_layers=1, dimension=16)


@pytest.fixture(scope="session")
def sheets_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sheets at a few sizes, packed: some to train on, some held out."""
    packed = []
    for at, crystal in enumerate(layered.LAYERED.values()):
        sheet = layered.sheet(crystal)
        for number, factor in enumerate(np.linspace(0.9, 1.1, 15)):
            size = np.array([factor, factor, 1.0])[:, None]
            part = (TRAINED, TRAINED, TRAINED, AT_RANDOM, BY_COMPOSITION)[number % 5]
            one = replace(sheet, lattice=sheet.lattice * size)
            packed.append(packed_of(one, part, f"{at}-{number}"))
    path = tmp_path_factory.mktemp("pack") / "sheets.npz"
    write_packed(packed, path)
    return path


@pytest.fixture(scope="session")
def pack(sheets_npz: Path) -> SheetPack:
    return SheetPack(sheets_npz, torch.device("cpu"))


@pytest.fixture
def towers() -> Towers:
    """Small ones, with weights that let every token matter."""
    torch.manual_seed(4)
    towers = Towers(TINY)
    for weights in towers.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    return towers


@pytest.fixture(scope="session", autouse=True)
def small_products(one_thread: None) -> None:
    """Of all that is trained here."""
