from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from data.errors import BraggleError
from generator.network.curves import curves_svg
from generator.network.examples import Examples
from generator.network.network_file import read_network
from generator.network.run import TRAININGS
from generator.network.training import (
    GeneratorProgress,
    GeneratorRecipe,
    GeneratorTraining,
    volumes_of,
)
from generator.network.weights_file import write_weights
from indexer.encoders.log import read_log
from indexer.encoders.loop import CHECKPOINT, LOG
from tests.generator.network.conftest import SMALL

RECIPE = GeneratorRecipe(
    steps=12, batch=8, draws=2, rate=3e-3, warmup=4, validate_every=6, save_every=5, shape=SMALL
)


class Stopped(Exception):  # noqa: N818 - what happens, not an error
    """The machine went away."""


def state(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(folder / CHECKPOINT, weights_only=True)
    return found


def test_the_loss_falls_and_held_out_crystals_are_looked_at(
    examples: Examples, tmp_path: Path
) -> None:
    losses: list[float] = []
    told: list[GeneratorProgress] = []
    recipe = replace(RECIPE, steps=60, validate_every=30, save_every=30)
    GeneratorTraining(examples, recipe).to_end(
        tmp_path, report=told.append, tick=lambda _, loss: losses.append(loss)
    )
    assert fmean(losses[-10:]) < 0.85 * fmean(losses[:5])
    assert [one.step for one in told] == [30, 60]
    held_out = told[-1].held_out
    assert held_out is not None
    assert held_out["cell"] < 1.5
    assert 0 <= held_out["verdict_right"] <= 1
    assert "held out" in str(told[-1])
    log = read_log(tmp_path / LOG, GeneratorProgress)
    assert log == told
    drawn = curves_svg(log)
    assert drawn.count('<path class="curve') == 6


def test_resuming_gives_what_going_through_gives(examples: Examples, tmp_path: Path) -> None:
    def stop(step: int, _: float) -> None:
        if step == 8:
            raise Stopped

    through = GeneratorTraining(examples, RECIPE).to_end(tmp_path / "through")
    with pytest.raises(Stopped):
        GeneratorTraining(examples, RECIPE).to_end(tmp_path / "stopped", tick=stop)
    assert state(tmp_path / "stopped")["step"] == 6
    resumed = GeneratorTraining(examples, RECIPE).to_end(tmp_path / "stopped", resume=True)
    for name, value in through.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_another_training_may_begin_where_one_ended(examples: Examples, tmp_path: Path) -> None:
    first = GeneratorTraining(examples, replace(RECIPE, steps=3)).to_end(tmp_path / "first")
    known, recipe = TRAININGS.trained_in(tmp_path / "first")
    assert recipe.shape == SMALL
    training = GeneratorTraining(examples, RECIPE)
    training.begin_from(known)
    for name, value in first.state_dict().items():
        assert torch.equal(value, training.averaged.state_dict()[name]), name
    # Of the same seed as the first, but what it draws is new, and the same whenever it is begun.
    drawn = training.generator.get_state()
    assert not torch.equal(drawn, GeneratorTraining(examples, RECIPE).generator.get_state())
    training.begin_from(known)
    assert torch.equal(drawn, training.generator.get_state())


def test_a_loss_that_is_no_number_ends_the_training(examples: Examples, tmp_path: Path) -> None:
    with pytest.raises(BraggleError, match="train anew with a rate below"):
        GeneratorTraining(examples, replace(RECIPE, rate=1e30, warmup=0)).to_end(tmp_path)


def test_volumes_of_elements_explain_those_of_crystals(examples: Examples) -> None:
    volumes = volumes_of(examples)
    found = examples.structures(examples.training)
    sums = torch.where(found.number > 0, volumes[found.number], 0.0).sum(-1)[:, 0]
    true = found.cell[:, 0, :3].sum(dim=1).exp()
    assert float((sums / true).log().abs().median()) < 0.12
    assert (volumes > 0).all()


def test_weights_come_back_from_their_file(examples: Examples, tmp_path: Path) -> None:
    trained = GeneratorTraining(examples, replace(RECIPE, steps=2)).to_end(tmp_path / "t")
    write_weights(trained, RECIPE, tmp_path / "network.safetensors")
    back = read_network(tmp_path / "network.safetensors")
    assert back.shape == SMALL
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], value, rtol=1e-3, atol=1e-6)
