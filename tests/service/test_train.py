"""`braggle train encoder`, on a handful of crystals and for a few steps."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import Result

from indexer.encoders.inference import NumpyProfileEncoder
from indexer.encoders.model import ProfileEncoderShape
from indexer.encoders.pack import Pack
from indexer.encoders.packing import write_packed
from indexer.encoders.training import Recipe, Training
from tests.service.conftest import Braggle
from tests.service.packs import LEARNED, a_pack, packed

SHORT = ("--steps", 3, "--batch", 4, "--device", "cpu")

Train = Callable[..., Result]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="module")
def finished(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a little encoder was trained, but not yet written."""
    folder = tmp_path_factory.mktemp("finished") / "trained"
    shape = ProfileEncoderShape(stem=(32, 16), stages=((8, 0), (12, 1)), kernel=3, head=4)
    recipe = Recipe(steps=3, batch=4, rate=0.002, seed=5, shape=shape)
    Training(Pack(pack, torch.device("cpu")), recipe).to_end(folder)
    return folder


@pytest.fixture
def trained(finished: Path, tmp_path: Path) -> Path:
    """A copy of it where `train` trains."""
    return Path(shutil.copytree(finished, tmp_path / "trained"))


@pytest.fixture
def train(braggle: Braggle, pack: Path) -> Train:
    def run(*words: object, pack: Path = pack, out: str = "trained") -> Result:
        return braggle("train", "encoder", pack, "--out", out, *words)

    return run


def test_an_encoder_is_trained_and_written(train: Train, tmp_path: Path) -> None:
    result = train(*SHORT, "--json")
    assert result.exit_code == 0, result.output
    assert "12 crystals to train on and 6 to validate with, on cpu" in result.stderr
    told = json.loads(result.stdout)
    assert (told["step"], told["device"]) == (3, "cpu")
    assert math.isfinite(told["loss"])
    assert 0 <= told["recall_at_1"] <= told["recall_at_10"] == 1.0
    files = {file.name for file in (tmp_path / "trained").iterdir()}
    assert files == {"encoder.safetensors", "checkpoint.pt", "log.jsonl", "curves.svg"}
    assert told["encoder"] == "trained/encoder.safetensors"
    weights = load_file(tmp_path / told["encoder"])
    state = torch.load(tmp_path / "trained/checkpoint.pt", weights_only=True)
    assert set(weights) == set(state["averaged"])
    for name, value in weights.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, state["averaged"][name].numpy())
    assert NumpyProfileEncoder.load(tmp_path / told["encoder"]).dimension > 0
    assert "</svg>" in (tmp_path / "trained/curves.svg").read_text("utf-8")


def test_a_training_is_never_overwritten(train: Train, trained: Path) -> None:
    before = {file.name: file.read_bytes() for file in trained.iterdir()}
    refused = train(*SHORT)
    assert refused.exit_code == 1
    assert refused.stderr == (
        "braggle: trained/checkpoint.pt: a training is there already; go on with it by --resume, "
        "or name another folder\n"
    )
    assert {file.name: file.read_bytes() for file in trained.iterdir()} == before


@pytest.mark.parametrize("words", [(), SHORT, ("--rate", 0.002, "--seed", 5)])
def test_what_was_trained_elsewhere_is_finished_by_resuming(
    train: Train, trained: Path, words: tuple[object, ...]
) -> None:
    state = torch.load(trained / "checkpoint.pt", weights_only=True)
    result = train("--resume", *words)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("trained/encoder.safetensors: 3 steps, loss ")
    for name, value in load_file(trained / "encoder.safetensors").items():
        np.testing.assert_array_equal(value, state["averaged"][name].numpy())
    assert (trained / "curves.svg").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        (["--rate", 0.1], "is trained with --rate 0.002, not 0.1"),
        (["--steps", 9000], "is trained with --steps 3, not 9000"),
        (["--seed", 5, "--batch", 8], "is trained with --batch 4, not 8"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_another_recipe_is_not_resumed(train: Train, words: list[object], said: str) -> None:
    result = train("--resume", *words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def head(state: dict[str, Any]) -> dict[str, Any]:
    state["recipe"]["shape"]["head"] = 5
    return state


def unknown(state: dict[str, Any]) -> dict[str, Any]:
    state["recipe"]["temperature"] = 0.1
    return state


def bare(state: dict[str, Any]) -> dict[str, Any]:
    return {"network": state["network"]}


@pytest.mark.parametrize("change", [head, unknown, bare, lambda state: [state]])
def test_a_checkpoint_of_another_make_is_not_resumed(
    train: Train, trained: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    checkpoint = trained / "checkpoint.pt"
    torch.save(change(torch.load(checkpoint, weights_only=True)), checkpoint)
    result = train("--resume")
    assert result.exit_code == 1
    assert "trained/checkpoint.pt: is of an encoder of another make; train anew" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half of one"])
def test_a_damaged_checkpoint_is_not_resumed(train: Train, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained/checkpoint.pt").write_bytes(content)
    result = train("--resume")
    assert result.exit_code == 1
    assert "trained/checkpoint.pt: is not a checkpoint, or not whole" in result.stderr
    assert result.stderr.count("\n") == 1


def test_nothing_is_resumed_where_nothing_is(train: Train, tmp_path: Path) -> None:
    result = train("--resume")
    assert result.exit_code == 1
    assert "trained/checkpoint.pt: there is nothing to resume; leave --resume out" in result.stderr
    (tmp_path / "file").write_text("no folder")
    assert "file: is not a folder" in train(*SHORT, out="file").stderr


def test_what_is_no_pack_is_said_to_be_none(train: Train, pack: Path, tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no pack")
    (tmp_path / "half.npz").write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])
    np.savez(tmp_path / "other.npz", lattice=np.eye(3))
    np.savez(tmp_path / "pickled.npz", lattice=np.array([{}], dtype=object))
    write_packed(packed(1, *LEARNED), tmp_path / "all.npz")
    damaged = bytearray(pack.read_bytes())
    damaged[200] ^= 0xFF
    (tmp_path / "damaged.npz").write_bytes(damaged)
    for name, said in {
        "nowhere.npz": "nowhere.npz: no such pack; make one with",
        "text.npz": "text.npz: is not a pack of training crystals, or not whole; make one",
        "half.npz": "half.npz: is not a pack of training crystals, or not whole",
        "other.npz": "other.npz: is not a pack of training crystals (",
        "pickled.npz": "pickled.npz: is not a pack of training crystals (",
        "damaged.npz": "damaged.npz: is not a pack of training crystals (",
        "all.npz": "12 crystals to train on and 0 to validate with, and both are needed",
    }.items():
        result = train(*SHORT, pack=tmp_path / name)
        assert result.exit_code == 1, name
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
    assert not (tmp_path / "trained").exists()


def test_a_gpu_that_is_not_there_is_missed(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = train("--device", "cuda")
    assert result.exit_code == 1
    assert "finds no GPU here; choose cpu or auto" in result.stderr


def test_a_loss_that_is_no_number_is_one_line(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "_loss", lambda self, _: self.log_scale * math.nan)
    result = train(*SHORT)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "braggle: trained: the loss of step 1 is nan; train anew with a rate below 0.001"
    )


def test_a_tower_over_atoms_is_trained_beside(train: Train, trained: Path, tmp_path: Path) -> None:
    atoms = tmp_path / "atoms"
    result = train(*SHORT, "--beside", trained, "--json", out=atoms)
    assert result.exit_code == 0, result.stderr
    weights = load_file(json.loads(result.stdout)["encoder"])
    assert {"amplitude.weight", "encoder.stem.weight"} <= weights.keys()
    for folder, words, said in (
        (atoms, ("--resume",), "say --beside FOLDER as before"),
        (trained, ("--resume", "--beside", trained), "leave --beside out"),
        (tmp_path / "new", ("--beside", atoms), "name a profile encoder's folder"),
        (tmp_path / "new", ("--beside", tmp_path / "nowhere"), "no encoder was trained here"),
    ):
        failed = train(*words, out=folder)
        assert failed.exit_code == 1
        (line,) = failed.stderr.splitlines()
        assert line.endswith(said) or said in line


def test_a_training_begins_with_earlier_weights(
    train: Train, trained: Path, tmp_path: Path
) -> None:
    result = train("--steps", 1, "--batch", 4, "--rate", 1e-7, "--from", trained, out="next")
    assert result.exit_code == 0, result.stderr
    before = torch.load(trained / "checkpoint.pt", weights_only=True)["averaged"]
    after = load_file(tmp_path / "next/encoder.safetensors")
    for name, value in after.items():
        np.testing.assert_allclose(value, before[name].numpy(), atol=1e-6)
    for words, said in (
        (("--resume",), "--resume goes on with the weights it has; leave --from out"),
        (("--beside", trained), "begins with the weights of --beside; leave --from out"),
    ):
        failed = train(*words, "--from", trained, out="next")
        assert failed.exit_code == 1
        assert failed.stderr.endswith(f"{said}\n")


def test_without_torch_the_extra_is_named(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = train(*SHORT)
    assert (result.exit_code, result.stderr) == (
        1,
        "braggle: this needs torch, which is not installed; pip install 'braggle[train]'\n",
    )


@pytest.mark.parametrize(
    "words", [["--steps", 0], ["--batch", 1], ["--rate", 0], ["--device", "x"]]
)
def test_bad_usage_exits_with_2(train: Train, words: list[object]) -> None:
    assert train(*words).exit_code == 2


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys; sys.argv = ['braggle', 'train', 'encoder', '--help']\n"
        "import service.cli\n"
        "try: service.cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'torch', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "--resume" in done.stdout
