"""A little pack of bundled crystals and their variants, made as a user makes one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from data.bundled import bundled_records
from indexer import Library
from indexer.encoders import packing
from indexer.encoders.pack import Pack
from tests.indexer.toy import ToyChannel

CPU = torch.device("cpu")
EXCLUDED = ("RuO2", "PbS")
"""Formulas of the library that are left out of the pack."""

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Packing:
    """`python -m indexer.encoders.packing` on the little library."""

    library: Path
    folder: Path

    def __call__(self, name: str, *words: str, processes: bool = False) -> Path:
        """Pack into a file of this name, here or by other processes; hold a fifth out."""
        into = self.folder / name
        words = ("packing", "--library", str(self.library), "--into", str(into), *words)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", list(words))
            patch.setattr(packing, "HELD_OUT", 5)
            if not processes:
                patch.setattr(packing, "one_a_core", lambda: 1)
            packing.main()
        return into


@pytest.fixture(scope="session", autouse=True)
def small_products(one_thread: None) -> None:
    """Of all that is trained here."""


@pytest.fixture(scope="session")
def pack_crystals(tmp_path_factory: pytest.TempPathFactory) -> Packing:
    small = [record for record in bundled_records() if len(record.crystal) <= 40]
    folder = tmp_path_factory.mktemp("training")
    Library.build(small[:: len(small) // 40][:40], folder / "library", channels=[ToyChannel()])
    return Packing(folder / "library", folder)


@pytest.fixture(scope="session")
def packed_file(pack_crystals: Packing) -> Path:
    """The pack that most tests read."""
    formulas = pack_crystals.folder / "excluded.txt"
    formulas.write_text("\n".join(EXCLUDED))
    return pack_crystals("crystals.npz", "--crystals", "240", "--exclude", str(formulas))


@pytest.fixture(scope="session")
def columns(packed_file: Path) -> Columns:
    return read_columns(packed_file)


@pytest.fixture(scope="session")
def pack(packed_file: Path) -> Pack:
    return Pack(packed_file, CPU)


def read_columns(path: Path) -> Columns:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}
