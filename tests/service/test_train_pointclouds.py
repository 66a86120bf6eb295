"""`braggle train pointclouds`, on a handful of crystals and for a few steps."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from generator.pointcloud.network_file import read_network
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
        return braggle("train", "pointclouds", pack, "--out", out, "--device", "cpu", *words)

    return go


def test_clouds_are_trained_written_and_gone_on_with(train: Train, tmp_path: Path) -> None:
    result = train("--steps", 2, "--batch", 3, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["step"], told["device"]) == (2, "cpu")
    assert set(told["held_out"]) == {"loss", "lengths_percent", "places", "element_right"}
    files = {file.name for file in (tmp_path / "trained").iterdir()}
    assert files == {"pointclouds.safetensors", "checkpoint.pt", "log.jsonl", "curves.svg"}
    assert (tmp_path / told["pointclouds"]).stat().st_size < 16 * 2**20
    read_network(tmp_path / told["pointclouds"])
    refused = train()
    assert refused.exit_code == 1
    assert "a training is there already; go on with it by --resume" in refused.stderr
    other = train("--resume", "--most-atoms", 8)
    assert other.exit_code == 1
    assert "is trained with --most-atoms 16, not 8; leave the option out" in other.stderr
    done = train("--resume")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("trained/pointclouds.safetensors: 2 steps, loss ")


@pytest.mark.parametrize(
    "words, said",
    [
        (("--resume",), "nowhere/checkpoint.pt: there is nothing to resume"),
        (("--from", "nothing"), "nothing/checkpoint.pt: no network of point clouds was trained"),
        (
            ("--batch", 500),
            "too few ordered crystals of at most three elements and 16 atoms for batches of 500",
        ),
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


def test_training_needs_nothing_but_torch_and_numpy() -> None:
    """Nothing else is imported where `generator.pointcloud.run` trains."""
    asked = (
        "import sys; import generator.pointcloud.run; "
        "print([n for n in ('scipy', 'sklearn', 'gemmi', 'pymatgen', 'lance', 'typer') "
        "if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
