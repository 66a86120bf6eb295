"""Encoders are compared on what is counted, with what look-up runs as the oracle."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from data.preparation import prepare
from data.reading import read_pattern
from indexer import Library
from indexer.encoders.loop import CHECKPOINT, LOG
from indexer.encoders.pack import Pack
from indexer.encoders.packing import HELD_OUT, write_packed
from indexer.encoders.training import Progress, Recipe
from indexer.learned import LearnedChannel
from service.bench.cases import find_cases, truth_of
from service.bench.encoders import bench_encoders
from service.bench.truth import TruthTable
from tests import crystals
from tests.service.bench_crystals import LIBRARY, library_of, write_case
from tests.service.conftest import Braggle
from tests.service.packs import packed

MOF = crystals.ALL["MOF-5"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "crystals.npz"
    learned = packed(1, crystals.QUARTZ, crystals.CALCITE, crystals.FLUORITE)
    write_packed([*learned, *packed(HELD_OUT, crystals.ROCK_SALT, crystals.OLIVINE)], path)
    return path


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as if the encoder that Braggle comes with had been trained in it."""
    folder = tmp_path_factory.mktemp("encoders") / "shipped"
    folder.mkdir()
    weights = load_file(Path(str(files("indexer"))) / "encoders/weights/profile.safetensors")
    state = {name: torch.from_numpy(value.astype(np.float32)) for name, value in weights.items()}
    saved = {"recipe": asdict(Recipe()), "network": state, "averaged": state, "step": 8000}
    torch.save(saved, folder / CHECKPOINT)
    (folder / LOG).write_text(json.dumps(asdict(Progress(8000, 0.5, 300.0))) + "\n")
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library_of(LIBRARY, tmp_path_factory.mktemp("libraries") / "made")


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("queries")
    for name in ("halite", "quartz", "olivine with iron"):
        write_case(folder, name, LIBRARY[name])
    return folder


@pytest.fixture(scope="module")
def result(pack: Path, shipped: Path, queries: Path, library: Library) -> dict[str, Any]:
    return bench_encoders(pack, [shipped], queries=queries, library=library)


def test_held_out_crystals_are_sought_among_all(pack: Path, result: dict[str, Any]) -> None:
    (sizes,) = result["held_out"].values()  # no metal-organic crystal is in the pack
    assert sizes == {"queries": 6, "answers": len(Pack(pack, torch.device("cpu")))}
    (one,) = result["encoders"]
    for laboratories in one["held_out"].values():
        assert set(laboratories) == {"as trained", "ordinary", "clean"}
        for hits in laboratories.values():
            assert 0 <= hits["hit@1"] <= hits["hit@10"] <= 1
            assert hits["hit@1"] <= hits["but for twins, hit@1"] <= 1
        assert laboratories["clean"]["hit@1"] == 1.0


def test_measured_patterns_are_found_as_the_look_up_finds_them(
    result: dict[str, Any], queries: Path, library: Library
) -> None:
    truths, channel = TruthTable(library), LearnedChannel()
    first = []
    for case in find_cases(queries):
        vector = channel.embed_pattern(prepare(read_pattern(case.pattern)))[0]
        order = np.argsort(-(channel.embed_lines(library.lines) @ vector), kind="stable")
        first.append(truths.answers(truth_of(case)).right["strict"][order].argmax())
    found = result["encoders"][0]["measured"]["all"]
    assert found["queries"] == 3
    assert found["hit@1"] == pytest.approx(np.mean(np.array(first) < 1), abs=1e-4)
    assert found["mrr"] == pytest.approx(np.mean(1 / (1 + np.array(first))), abs=1e-4)


def test_what_was_trained_is_said(result: dict[str, Any]) -> None:
    (one,) = result["encoders"]
    assert (one["name"], one["kind"], one["steps"]) == ("shipped", "convolution", 8000)
    assert one["crystals_a_second"] == 300
    assert one["parameters"] == 1_608_624


def test_the_command_shows_a_table(braggle: Braggle, pack: Path, shipped: Path) -> None:
    shown = braggle("bench", "encoders", pack, shipped)
    assert shown.exit_code == 0, shown.output
    assert "6 held out, any of 10,000: 15" in shown.stdout
    assert "clean, hit@10" in shown.stdout
    failed = braggle("bench", "encoders", pack, pack.parent)
    assert failed.exit_code == 1
    (line,) = failed.stderr.splitlines()
    assert line.endswith("checkpoint.pt: no encoder was trained here; train it first")
