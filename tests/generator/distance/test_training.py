from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from scipy.stats import norm

from data.errors import BraggleError
from generator.distance.curves import curves_svg
from generator.distance.examples import DistanceExamples
from generator.distance.model import DistanceNetwork
from generator.distance.network_file import read_network
from generator.distance.run import TRAININGS
from generator.distance.training import (
    SOFTNESS,
    DistanceProgress,
    DistanceRecipe,
    DistanceTraining,
    losses_of,
    softened,
)
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


def test_groups_are_softened_as_a_normal_distribution() -> None:
    edges = torch.linspace(0.0, 1.8, 7)
    distance = torch.tensor([[0.06, 0.75, 0.9], [1.77, -0.3, 2.7]])
    found = softened(edges, distance)
    ends = np.concatenate([[-np.inf], edges[1:-1].numpy(), [np.inf]])
    expected = np.diff(norm(distance[..., None].numpy(), SOFTNESS).cdf(ends), axis=-1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    assert found[0, 1].argmax() == 2
    assert float(found[0, 2, 2]) == pytest.approx(float(found[0, 2, 3]))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = replace(RECIPE, shape=replace(SMALL, attentions=0))
    write_weights(DistanceNetwork(SMALL), other, tmp_path / "other.safetensors")
    with pytest.raises(BraggleError, match=r"other\.safetensors: is of another kind of network"):
        read_network(tmp_path / "other.safetensors")


@torch.no_grad()
def test_what_is_nearly_right_costs_less(examples: DistanceExamples) -> None:
    network = DistanceTraining(examples, RECIPE).network
    batch = examples.batch(examples.training[:6])
    found = network(batch.number)
    unit = found.unit_angstrom[:, None, None]
    group = network.group_of(batch.distances / unit)
    costs = []
    for off in (0, 1, 3):
        said = (group + off) % SMALL.groups
        sure = 6.0 * torch.nn.functional.one_hot(said, SMALL.groups).float()
        costs.append(float(losses_of(network, batch, replace(found, distances=sure)).mean()))
    assert costs[0] < costs[1] < costs[2]


def test_known_crystals_are_drawn_as_often_as_asked(examples: DistanceExamples) -> None:
    known = examples.known[examples.training].float().mean()
    assert 0 < float(known) < 1
    for share in (0.0, 0.5, 0.8):
        rows = examples.rows_to_draw(share)
        assert set(rows.tolist()) == set(examples.training.tolist())
        drawn = float(examples.known[rows].float().mean())
        assert drawn == pytest.approx(max(share, float(known)), abs=0.1)
