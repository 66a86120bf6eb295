"""What an agent reads of a job's result, without the job."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.pointcloud import inference
from service.agents.tools import _saved
from service.agents.words import proposed
from service.jobs.kinds import Work, generate
from service.settings import ServeSettings
from tests import crystals
from tests.generator.pointcloud.clouds import Drawing
from tests.service.bench_crystals import MANGANOSITE, renamed


def test_structures_of_elements_alone_say_their_formulas(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dioxide = renamed(crystals.RUTILE, Ti="Mn")
    monkeypatch.setattr(inference, "drawn", Drawing([MANGANOSITE, dioxide]))
    asked = {"elements": "Mn,O", "engines": ["pointcloud"]}
    work = Work(built, ServeSettings(), asked, (), lambda *_: None, lambda _: None)
    solution = generate(work)
    for one in solution["proposals"]:
        one["above_hull_ev_per_atom"] = 0.12345
    said = proposed(solution, _saved(solution, str(tmp_path)))
    assert said["elements"] == ["Mn", "O"]
    assert "formula" not in said
    assert {one["formula"] for one in said["proposals"]} == {"MnO", "MnO2"}
    for one in said["proposals"]:
        assert one["above_hull_ev_per_atom"] == 0.123
        assert Path(one["file"]).name == f"{one['rank']:02d}-{one['formula']}.cif"
        assert Path(one["file"]).read_text("utf-8").startswith("data_")


def test_structures_of_a_formula_say_it(built: Path) -> None:
    asked = {"formula": "SnO2", "engines": ["substitution"], "samples": 1}
    work = Work(built, ServeSettings(), asked, (), lambda *_: None, lambda _: None)
    said = proposed(generate(work), {})
    assert said["formula"] == said["proposals"][0]["formula"] == "SnO2"
    assert "elements" not in said
    assert not {"file", "above_hull_ev_per_atom"} & said["proposals"][0].keys()
