"""`braggle train distances`, on a handful of crystals and for a few steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from generator.distance.network_file import read_network
from tests.service.conftest import Braggle
from tests.service.packs import a_pack

Train = Callable[..., Result]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture
def train(braggle: Braggle, pack: Path) -> Train:
    def go(*words: object, out: str = "trained") -> Result:
        return braggle("train", "distances", pack, "--out", out, "--device", "cpu", *words)

    return go


def test_distances_are_trained_written_and_gone_on_with(train: Train, tmp_path: Path) -> None:
    result = train("--steps", 2, "--batch", 3, "--groups", 5, "--most-atoms", 24, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["step"], told["device"]) == (2, "cpu")
    assert set(told["held_out"]) >= {"rmse_angstrom", "overlap", "space_group_right"}
    files = {file.name for file in (tmp_path / "trained").iterdir()}
    assert files == {"distances.safetensors", "checkpoint.pt", "log.jsonl", "curves.svg"}
    assert read_network(tmp_path / told["distances"]).shape.groups == 5
    refused = train()
    assert refused.exit_code == 1
    assert "a training is there already; go on with it by --resume" in refused.stderr
    other = train("--resume", "--groups", 10)
    assert other.exit_code == 1
    assert "is trained with --groups 5, not 10; leave the option out" in other.stderr
    done = train("--resume")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("trained/distances.safetensors: 2 steps, loss ")
    further = train(
        "--from", "trained", "--steps", 1, "--batch", 3, "--most-atoms", 24, out="further"
    )
    assert further.exit_code == 0, further.output
    assert read_network(Path("further/distances.safetensors")).shape.groups == 5
    unlike = train("--from", "trained", "--groups", 10, out="unlike")
    assert unlike.exit_code == 1
    assert "trained: is trained with --groups 5, not 10" in unlike.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (("--resume",), "nowhere/checkpoint.pt: there is nothing to resume"),
        (("--from", "nothing"), "nothing/checkpoint.pt: no network of distances was trained here"),
        (("--batch", 500), "too few ordered crystals of at most 12 atoms for batches of 500"),
    ],
)
def test_bad_wishes_are_one_line(
    train: Train, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    result = train(*words, out="nowhere")
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()
