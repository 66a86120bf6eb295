"""`braggle train generator`, on a handful of crystals and for a few steps."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from generator.network import run
from generator.network.model import NetworkShape
from generator.network.network_file import read_network
from generator.network.training import GeneratorRecipe, GeneratorTraining
from indexer.learned import profile_weights
from tests.service.conftest import Braggle
from tests.service.packs import a_pack

SMALL = NetworkShape(width=16, heads=2, layers=1, reading=1, peaks=8)
Train = Callable[..., Result]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="module")
def finished(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a little network was trained, but not yet written."""
    folder = tmp_path_factory.mktemp("finished") / "trained"
    recipe = GeneratorRecipe(steps=2, batch=3, seed=5, shape=SMALL)
    with profile_weights() as weights:
        examples = run.open_examples(pack, weights, recipe, "cpu")
    GeneratorTraining(examples, recipe).to_end(folder)
    return folder


@pytest.fixture
def trained(finished: Path, tmp_path: Path) -> Path:
    """A copy of it where `train` trains."""
    return Path(shutil.copytree(finished, tmp_path / "trained"))


@pytest.fixture
def train(braggle: Braggle, pack: Path) -> Train:
    def go(*words: object, pack: Path = pack, out: str = "trained") -> Result:
        return braggle("train", "generator", pack, "--out", out, "--device", "cpu", *words)

    return go


def test_a_generator_is_trained_and_written(train: Train, tmp_path: Path) -> None:
    result = train("--steps", 2, "--batch", 3, "--json")
    assert result.exit_code == 0, result.output
    assert "crystals to train on and" in result.stderr
    told = json.loads(result.stdout)
    assert (told["step"], told["device"]) == (2, "cpu")
    assert set(told["held_out"]) >= {"score", "cell", "verdict_right"}
    files = {file.name for file in (tmp_path / "trained").iterdir()}
    assert files == {"generator.safetensors", "checkpoint.pt", "log.jsonl", "curves.svg"}
    state = torch.load(tmp_path / "trained/checkpoint.pt", weights_only=True)
    network = read_network(tmp_path / told["generator"])
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, state["averaged"][name].half().float())
    assert "</svg>" in (tmp_path / "trained/curves.svg").read_text("utf-8")


def test_a_training_is_never_overwritten(train: Train, trained: Path) -> None:
    before = {file.name: file.read_bytes() for file in trained.iterdir()}
    refused = train()
    assert refused.exit_code == 1
    assert "a training is there already; go on with it by --resume" in refused.stderr
    assert {file.name: file.read_bytes() for file in trained.iterdir()} == before


@pytest.mark.usefixtures("trained")
def test_what_was_trained_elsewhere_is_finished_by_resuming(train: Train) -> None:
    result = train("--resume")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("trained/generator.safetensors: 2 steps, loss ")


def test_another_training_begins_with_the_weights(train: Train, trained: Path) -> None:
    result = train("--from", trained, "--steps", 1, "--batch", 3, out="further")
    assert result.exit_code == 0, result.output
    assert read_network(Path("further/generator.safetensors")).shape == SMALL


@pytest.mark.parametrize(
    "words, said",
    [
        (("--resume",), "nowhere/checkpoint.pt: there is nothing to resume"),
        (("--from", "nothing"), "nothing/checkpoint.pt: no generator was trained here"),
        (("--from", "nothing", "--resume"), "--resume goes on with the weights it has"),
        (("--batch", 500), "too few ordered crystals of at most 24 atoms for batches of 500"),
        (("--encoder", "missing.safetensors"), "missing.safetensors: no such file"),
        (("--encoder", "rubbish.txt"), "rubbish.txt: holds no profile encoder"),
    ],
)
def test_bad_wishes_are_one_line(
    train: Train, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    (tmp_path / "rubbish.txt").write_text("rubbish")
    result = train(*words, out="nowhere")
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.usefixtures("trained")
def test_other_wishes_than_the_checkpoints_are_refused(train: Train) -> None:
    result = train("--resume", "--seed", 6)
    assert result.exit_code == 1
    assert "is trained with --seed 5, not 6; leave the option out" in result.stderr


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04"])
def test_a_checkpoint_that_is_none_is_named(train: Train, trained: Path, content: bytes) -> None:
    (trained / "checkpoint.pt").write_bytes(content)
    result = train("--resume")
    assert result.exit_code == 1
    assert "is not a checkpoint, or not whole" in result.stderr


def test_a_checkpoint_of_another_make_is_named(train: Train, trained: Path) -> None:
    state = torch.load(trained / "checkpoint.pt", weights_only=True)
    state["recipe"]["shape"]["width"] = 24
    torch.save(state, trained / "checkpoint.pt")
    result = train("--resume")
    assert result.exit_code == 1
    assert "is of a network of another make" in result.stderr


def test_the_module_trains_where_only_torch_is(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with profile_weights() as weights:
        words = ["run", str(pack), "--encoder", str(weights), "--out", str(tmp_path / "t")]
        monkeypatch.setattr(sys, "argv", [*words, "--steps", "1", "--batch", "2"])
        run.main()
    assert "step 1: loss" in capsys.readouterr().err
