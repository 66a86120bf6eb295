from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch

from generator.matching import same_structure
from generator.network.weights_file import write_weights
from generator.pointcloud.cloud import MOST_ATOMS, MOST_ELEMENTS, cells_in, lattices_of
from generator.pointcloud.clusters import crystal_of
from generator.pointcloud.curves import curves_svg
from generator.pointcloud.examples import CloudExamples
from generator.pointcloud.inference import clouds_in
from generator.pointcloud.model import CloudNetwork
from generator.pointcloud.network_file import read_network
from generator.pointcloud.run import TRAININGS
from generator.pointcloud.training import CloudProgress, CloudRecipe, CloudTraining
from indexer.encoders.log import read_log
from indexer.encoders.loop import LOG
from indexer.encoders.pack import Pack
from tests.generator.pointcloud.conftest import SMALL

RECIPE = CloudRecipe(
    steps=10, batch=8, rate=3e-3, warmup=4, validate_every=5, save_every=4, shape=SMALL
)

pytestmark = pytest.mark.usefixtures("one_thread")


class Stopped(Exception):  # noqa: N818 - what happens, not an error
    """The machine went away."""


def test_small_ordered_crystals_are_taken(examples: CloudExamples, pack: Pack) -> None:
    assert 0 < len(examples.training) < len(pack)
    assert int(examples.known.count.max()) <= MOST_ATOMS
    assert examples.known.elements.shape[1] == MOST_ELEMENTS
    assert (examples.known.elements[:, 0] > 0).all()
    cells = examples.clouds(examples.training)[:, 6:]
    assert float(cells.mean()) == pytest.approx(0.0, abs=0.05)
    held_out = set(pack.prototype[pack.held_out_rows].tolist())
    assert not held_out & set(pack.prototype[pack.training_rows].tolist())


def test_crystals_are_described_anew(examples: CloudExamples, network: CloudNetwork) -> None:
    """Inverted and moved by half cells, a crystal is the same, whatever its coordinates are."""
    rows = examples.training[:12]
    other = examples.described_anew(rows, torch.Generator().manual_seed(1))
    elements = examples.known.elements[rows]
    assert not torch.allclose(other, examples.clouds(rows))
    both = (clouds_in(values, elements, network) for values in (examples.clouds(rows), other))
    for one, anew in zip(*both, strict=True):
        before, after = crystal_of(one), crystal_of(anew)
        assert before is not None
        assert after is not None
        assert same_structure(before, after)


def test_volumes_of_atoms_add_up_to_cells(examples: CloudExamples) -> None:
    known = examples.known.of(examples.training)
    kinds = known.elements.gather(1, known.kinds)
    there = torch.arange(kinds.shape[1]) < known.count[:, None]
    room = (examples.volumes[kinds] * there).sum(dim=1)
    cells = lattices_of(cells_in(examples.clouds(examples.training).double(), examples.scale))
    swollen = (torch.linalg.det(cells) / room).log()
    assert float(swollen.abs().median()) < 0.2


def test_the_loss_falls_and_held_out_crystals_are_looked_at(
    examples: CloudExamples, tmp_path: Path
) -> None:
    losses: list[float] = []
    told: list[CloudProgress] = []
    recipe = replace(RECIPE, steps=150, batch=16, validate_every=75, save_every=75)
    CloudTraining(examples, recipe).to_end(
        tmp_path, report=told.append, tick=lambda _, loss: losses.append(loss)
    )
    assert fmean(losses[-40:]) < 0.9 * fmean(losses[:40])
    held_out = told[-1].held_out
    assert held_out is not None
    assert 0 < held_out["loss"] < 2
    assert 0 <= held_out["element_right"] <= 1
    assert 0 < held_out["places"] < 0.5
    assert "held out" in str(told[-1])
    log = read_log(tmp_path / LOG, CloudProgress)
    assert log == told
    assert curves_svg(log).count('<path class="curve') == 3


def test_resuming_gives_what_going_through_gives(examples: CloudExamples, tmp_path: Path) -> None:
    def stop(step: int, _: float) -> None:
        if step == 7:
            raise Stopped

    through = CloudTraining(examples, RECIPE).to_end(tmp_path / "through")
    with pytest.raises(Stopped):
        CloudTraining(examples, RECIPE).to_end(tmp_path / "stopped", tick=stop)
    resumed = CloudTraining(examples, RECIPE).to_end(tmp_path / "stopped", resume=True)
    for name, value in through.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_weights_come_back_from_their_file(examples: CloudExamples, tmp_path: Path) -> None:
    CloudTraining(examples, replace(RECIPE, steps=2)).to_end(tmp_path / "t")
    trained, recipe = TRAININGS.trained_in(tmp_path / "t")
    write_weights(trained, recipe, tmp_path / "pointclouds.safetensors")
    back = read_network(tmp_path / "pointclouds.safetensors")
    assert back.shape == SMALL
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], value, rtol=1e-3, atol=1e-3)
