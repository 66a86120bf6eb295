"""What the shipped network says of crystals that others proposed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.canonical import standardize
from data.preparation import prepare
from data.profile import simulate_pattern
from generator import judgement
from generator.candidate import Task
from generator.judgement import UNDECIDED, verdicts
from tests import crystals

RUTILE = standardize(crystals.RUTILE).crystal
TASK = Task(
    {"Ti": 1.0, "O": 2.0},
    prepared=prepare(simulate_pattern(crystals.RUTILE, rng=np.random.default_rng(0))),
)


def test_what_is_too_large_is_undecided() -> None:
    large = standardize(crystals.OLIVINE).crystal
    found = verdicts(TASK, [RUTILE, large])
    assert found[1] == UNDECIDED
    assert found[0] != UNDECIDED
    assert 0 <= found[0] <= 1


def test_parts_of_atoms_are_undecided() -> None:
    found = verdicts(replace(TASK, composition={"Ti": 0.5, "O": 1.3}), [RUTILE])
    assert found.tolist() == [UNDECIDED]


def test_without_torch_everything_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "has_torch", lambda: False)
    assert verdicts(TASK, [RUTILE, RUTILE]).tolist() == [UNDECIDED] * 2
