from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from data.errors import BraggleError
from indexer.encoders.loop import CHECKPOINT, LOG, rate_at
from indexer.encoders.model import ProfileEncoderShape
from indexer.encoders.pack import Pack
from indexer.encoders.training import (
    Progress,
    Recipe,
    Training,
)

TINY = ProfileEncoderShape(stem=(32, 16), stages=((8, 0), (12, 1)), kernel=3, head=4)
RECIPE = Recipe(
    steps=30, batch=16, rate=5e-3, warmup=5, validate_every=15, save_every=10, shape=TINY
)


class Stopped(Exception):  # noqa: N818 - what happens, not an error
    """The machine went away."""


def weights(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / CHECKPOINT, weights_only=True)
    return state


def test_the_loss_falls_and_recall_beats_chance(pack: Pack, tmp_path: Path) -> None:
    losses: list[float] = []
    told: list[Progress] = []
    recipe = replace(RECIPE, steps=40)
    Training(pack, recipe).to_end(
        tmp_path, report=told.append, tick=lambda _, loss: losses.append(loss)
    )
    assert len(losses) == 40
    assert fmean(losses[-8:]) < 0.8 * fmean(losses[:4])
    assert [one.step for one in told] == [10, 15, 20, 30, 40]
    assert [one.recall_at_1 is not None for one in told] == [False, True, False, True, True]
    last = told[-1]
    assert last.recall_at_1 is not None
    assert last.recall_at_10 is not None
    chance = 1 / len(pack.held_out_rows)
    assert last.recall_at_1 > 2 * chance
    assert last.recall_at_10 > max(last.recall_at_1, 15 * chance)
    assert last.crystals_per_second > 0
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert lines == [asdict(one) for one in told]
    assert [one.loss for one in told] == [losses[one.step - 1] for one in told]


def test_resuming_gives_what_going_through_gives(pack: Pack, tmp_path: Path) -> None:
    def stop(step: int, _: float) -> None:
        if step == 23:
            raise Stopped

    through = Training(pack, RECIPE).to_end(tmp_path / "through")
    with pytest.raises(Stopped):
        Training(pack, RECIPE).to_end(tmp_path / "stopped", tick=stop)
    assert weights(tmp_path / "stopped")["step"] == 20
    resumed = Training(pack, RECIPE).to_end(tmp_path / "stopped", resume=True)
    for name, value in through.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    first, second = weights(tmp_path / "through"), weights(tmp_path / "stopped")
    assert torch.equal(first["generator"], second["generator"])
    assert torch.equal(first["log_scale"], second["log_scale"])
    assert set(first["network"]) == set(through.state_dict())


def test_batches_are_drawn_from_neighbourhoods(pack: Pack) -> None:
    training = Training(pack, replace(RECIPE, batch=6, together=3, pool=64))
    drawn = training._draw()
    assert drawn.shape == (6,)
    assert set(drawn.tolist()) <= set(training.rows.tolist())
    with torch.no_grad():
        rows = torch.tensor(sorted(set(training.near.flatten().tolist())))
        vectors = dict(zip(rows.tolist(), training._embed_lines(rows), strict=True))
    for middle, *others in training.near.tolist():
        likeness = [float(vectors[middle] @ vectors[other]) for other in [middle, *others]]
        assert likeness[0] == pytest.approx(1.0)
        assert likeness == pytest.approx(sorted(likeness, reverse=True), abs=0.1)  # bfloat16
    near = {tuple(sorted(neighbours)) for neighbours in training.near.tolist()}
    assert all(any(set(three) <= set(one) for one in near) for three in drawn.view(2, 3).tolist())


def test_batches_may_be_drawn_one_by_one(pack: Pack) -> None:
    training = Training(pack, replace(RECIPE, together=1))
    assert training._draw().shape == (RECIPE.batch,)
    assert len(training.near) == 0


def test_what_is_finished_is_not_trained_further(pack: Pack, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=3, save_every=1, validate_every=3)
    first = Training(pack, recipe).to_end(tmp_path)
    steps: list[int] = []
    again = Training(pack, recipe).to_end(
        tmp_path, resume=True, tick=lambda step, _: steps.append(step)
    )
    assert steps == []
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_training_anew_begins_a_new_log(pack: Pack, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=2, batch=4)
    for _ in range(2):
        Training(pack, recipe).to_end(tmp_path)
    assert len((tmp_path / LOG).read_text().splitlines()) == 1


def test_a_checkpoint_is_whole_or_the_one_before(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, steps=4, batch=4, save_every=2)
    save = torch.save
    written: list[int] = []

    def fail_at_the_second(state: dict[str, Any], file: Any) -> None:
        written.append(state["step"])
        if len(written) == 2:
            file.write(b"half of it")
            raise Stopped
        save(state, file)

    monkeypatch.setattr(torch, "save", fail_at_the_second)
    with pytest.raises(Stopped):
        Training(pack, recipe).to_end(tmp_path)
    assert written == [2, 4]
    assert weights(tmp_path)["step"] == 2


def test_seeds_tell_trainings_apart(pack: Pack) -> None:
    first, again, other = (
        Training(pack, replace(RECIPE, seed=seed)).advance() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_loss_that_is_no_number_ends_training(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.9, math.nan])
    monkeypatch.setattr(Training, "_loss", lambda self, _: self.log_scale * 0 + next(losses))
    with pytest.raises(BraggleError, match="the loss of step 3 is nan; train anew with a rate"):
        Training(pack, replace(RECIPE, save_every=1, validate_every=99)).to_end(tmp_path)
    assert weights(tmp_path)["step"] == 2


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe(steps=1000, rate=2e-3, warmup=100)
    rates = [rate_at(step, recipe) for step in range(1001)]
    assert rates[0] == pytest.approx(2e-5)
    assert max(rates) == rates[100] == pytest.approx(2e-3)
    assert rates[550] == pytest.approx(1e-3)
    assert rates[1000] == pytest.approx(0.0, abs=1e-12)
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_held_out_crystals_are_not_trained_on(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    loss = Training._loss

    def noted(self: Training, drawn: torch.Tensor) -> torch.Tensor:
        rows.extend(drawn.tolist())
        return loss(self, drawn)

    monkeypatch.setattr(Training, "_loss", noted)
    training = Training(pack, RECIPE)
    for _ in range(20):
        training.advance()
    assert len(set(rows)) > 80
    assert not set(rows) & set(pack.held_out_rows.tolist())
