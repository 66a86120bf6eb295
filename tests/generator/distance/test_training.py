from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch

from generator.distance.curves import curves_svg
from generator.distance.examples import DistanceExamples
from generator.distance.network_file import read_network
from generator.distance.run import TRAININGS
from generator.distance.training import DistanceProgress, DistanceRecipe, DistanceTraining
from generator.network.weights_file import write_weights
from indexer.encoders.log import read_log
from indexer.encoders.loop import LOG
from tests.generator.distance.conftest import SMALL

RECIPE = DistanceRecipe(
    steps=12, batch=8, rate=3e-3, warmup=4, validate_every=6, save_every=5, shape=SMALL
)


class Stopped(Exception):  # noqa: N818 - what happens, not an error
    """The machine went away."""


def test_the_loss_falls_and_held_out_crystals_are_looked_at(
    examples: DistanceExamples, tmp_path: Path
) -> None:
    losses: list[float] = []
    told: list[DistanceProgress] = []
    recipe = replace(RECIPE, steps=60, validate_every=30, save_every=30)
    DistanceTraining(examples, recipe).to_end(
        tmp_path, report=told.append, tick=lambda _, loss: losses.append(loss)
    )
    assert fmean(losses[-10:]) < 0.85 * fmean(losses[:5])
    held_out = told[-1].held_out
    assert held_out is not None
    assert 0 < held_out["rmse_angstrom"] < 3
    assert 0 <= held_out["overlap"] <= 1
    assert held_out["space_group_right"] <= held_out["space_group_five"]
    assert "held out" in str(told[-1])
    log = read_log(tmp_path / LOG, DistanceProgress)
    assert log == told
    assert curves_svg(log).count('<path class="curve') == 6


def test_resuming_gives_what_going_through_gives(
    examples: DistanceExamples, tmp_path: Path
) -> None:
    def stop(step: int, _: float) -> None:
        if step == 8:
            raise Stopped

    through = DistanceTraining(examples, RECIPE).to_end(tmp_path / "through")
    with pytest.raises(Stopped):
        DistanceTraining(examples, RECIPE).to_end(tmp_path / "stopped", tick=stop)
    resumed = DistanceTraining(examples, RECIPE).to_end(tmp_path / "stopped", resume=True)
    for name, value in through.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_weights_come_back_from_their_file(examples: DistanceExamples, tmp_path: Path) -> None:
    DistanceTraining(examples, replace(RECIPE, steps=2)).to_end(tmp_path / "t")
    trained, recipe = TRAININGS.trained_in(tmp_path / "t")
    assert recipe.groups == SMALL.groups
    write_weights(trained, recipe, tmp_path / "distances.safetensors")
    back = read_network(tmp_path / "distances.safetensors")
    assert back.shape == SMALL
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], value, rtol=1e-3, atol=1e-6)
