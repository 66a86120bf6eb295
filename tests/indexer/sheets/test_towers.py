from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from data.errors import BraggleError
from indexer.encoders.encoder_file import write_encoder
from indexer.encoders.loop import CHECKPOINT, LOG, Wishes
from indexer.encoders.training import Progress
from indexer.sheets.inference import NumpyTowers
from indexer.sheets.model import Towers, TowersShape
from indexer.sheets.pack import Bench, SheetPack
from indexer.sheets.run import TRAININGS, open_sheets
from indexer.sheets.tokens import Texture, geometry_of
from indexer.sheets.training import SheetRecipe, SheetTraining
from tests import layered
from tests.indexer.sheets.conftest import TINY

RECIPE = SheetRecipe(
    steps=30, batch=16, rate=5e-3, warmup=5, validate_every=15, save_every=10, shape=TINY
)
STILL = replace(Bench(), strain=0.0, off=0.0, warm=0.0, error=0.0, strangers=0.0, shift_deg=0.0,
                scatter_deg=0.0, seen=(1e-6, 2e-6), merged_deg=(0.05, 0.0501),
                from_q=(0.35, 0.36), to_q=(6.19, 6.2))  # fmt: skip


class Stopped(Exception):  # noqa: N818 - what happens, not an error
    """The machine went away."""


def weights(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / CHECKPOINT, weights_only=True)
    return state


def test_numpy_reads_as_torch_does(towers: Towers, tmp_path: Path) -> None:
    write_encoder(towers, SheetRecipe(), tmp_path / "towers.safetensors")
    quick = NumpyTowers.load(tmp_path / "towers.safetensors")
    sheets = [geometry_of(layered.sheet(one)) for one in layered.LAYERED.values()]
    for one in sheets:
        exact = towers.geometry(
            torch.tensor(one.cell[None], dtype=torch.float32),
            torch.tensor(one.elements[None]),
            torch.tensor(one.sites[None], dtype=torch.float32),
            torch.ones(1, len(one.elements), dtype=torch.bool),
            torch.tensor(one.rods[None], dtype=torch.float32),
            torch.ones(1, len(one.rods), dtype=torch.bool),
        )
        assert quick.sheets([one]).vectors == pytest.approx(exact.detach().numpy(), abs=2e-4)
        peaks = torch.tensor(one.rods[None], dtype=torch.float32)
        there = torch.ones(peaks.shape[:2], dtype=torch.bool)
        exact = towers.texture(peaks[..., 0], peaks[..., 1], there)
        read = quick.patterns([Texture(one.rods[:, 0], one.rods[:, 1])], attention=True)
        assert read.vectors == pytest.approx(exact.detach().numpy(), abs=2e-4)
        for layer in read.attention:
            assert layer.sum(axis=-1) == pytest.approx(1.0, abs=1e-5)


def test_many_at_a_time_are_read_as_one_by_one(towers: Towers, tmp_path: Path) -> None:
    write_encoder(towers, SheetRecipe(), tmp_path / "towers.safetensors")
    quick = NumpyTowers.load(tmp_path / "towers.safetensors")
    sheets = [geometry_of(layered.sheet(one)) for one in layered.LAYERED.values()]
    together = quick.sheets(sheets).vectors
    alone = np.concatenate([quick.sheets([one]).vectors for one in sheets])
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_both_towers_begin_as_one() -> None:
    towers = Towers(TINY)
    own, other = towers.geometry.state_dict(), towers.texture.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in other)
    unlike = Towers(replace(TINY, geometry_layers=2))
    assert len(unlike.geometry.layers) == 2


def test_drawn_patterns_without_errors_are_the_clean_ones(pack: SheetPack) -> None:
    rows = torch.arange(6)
    rng = torch.Generator().manual_seed(1)
    drawn = pack.drawn(rows, torch.zeros(6), STILL, rng)
    clean = pack.clean(rows)
    for row in range(6):
        seen = clean.there[row]
        ours = drawn.ln_q[row][drawn.there[row]]
        for value in clean.ln_q[row][seen]:
            assert (ours - value).abs().min() < 1e-5


def test_warm_patterns_are_off_as_snapshots_are(pack: SheetPack) -> None:
    rows = torch.zeros(4000, dtype=torch.long)
    bench = replace(STILL, warm=1.0, warmth=(1.0, 1.0))
    rng = torch.Generator().manual_seed(2)
    q, strength, _ = pack._lines(rows, torch.zeros(len(rows)))
    moved = pack._in_motion(rows, q, strength, bench, rng)
    at = pack.line_offsets[0]
    count = pack.line_offsets[1] - at
    expected = pack.strength[at : at + count] + pack.diffuse[at : at + count] / bench.cells
    # Strengths below nothing are none, which lifts the mean of the weakest a little.
    strong = pack.strength[at : at + count] > 0.05
    assert torch.allclose(moved.mean(dim=0)[strong], expected[strong], rtol=0.03)


def test_strained_sheets_and_their_patterns_move_together(pack: SheetPack) -> None:
    rows, strain = torch.arange(3), torch.full((3,), 0.01)
    plain, moved = pack.sheets(rows), pack.sheets(rows, strain)
    stretch = float(np.log1p(0.01))
    assert torch.allclose(moved.cell[:, 0] - plain.cell[:, 0], torch.tensor(stretch), atol=1e-5)
    assert torch.equal(moved.cell[:, 2:4], plain.cell[:, 2:4])
    apart = (plain.rods[..., 0] - moved.rods[..., 0])[plain.rods_there]
    assert torch.allclose(apart, torch.tensor(stretch), atol=1e-5)


def test_nets_of_some_patterns_are_not_quite_those_of_the_tokens(pack: SheetPack) -> None:
    rows = torch.zeros(2000, dtype=torch.long)
    bench = replace(STILL, off=0.5, misfit=0.01)
    drawn = pack.drawn(rows, torch.zeros(len(rows)), bench, torch.Generator().manual_seed(3))
    moved = drawn.ln_q[:, 0] - pack.clean(rows[:1]).ln_q[0, 0]
    assert float((moved.abs() > 1e-5).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float(moved.abs().max()) == pytest.approx(0.01, abs=5e-4)


def test_the_loss_falls_and_what_is_told_is_logged(pack: SheetPack, tmp_path: Path) -> None:
    losses: list[float] = []
    told: list[Progress] = []
    SheetTraining(pack, RECIPE).to_end(
        tmp_path, report=told.append, tick=lambda _, loss: losses.append(loss)
    )
    assert fmean(losses[-5:]) < 0.8 * fmean(losses[:3])
    assert [one.step for one in told] == [10, 15, 20, 30]
    assert told[-1].recall_at_1 is not None
    assert told[-1].recall_at_1 > 2 / len(pack.held_out_rows)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert lines == [asdict(one) for one in told]


def test_resuming_gives_what_going_through_gives(pack: SheetPack, tmp_path: Path) -> None:
    def stop(step: int, _: float) -> None:
        if step == 23:
            raise Stopped

    through = SheetTraining(pack, RECIPE).to_end(tmp_path / "through")
    with pytest.raises(Stopped):
        SheetTraining(pack, RECIPE).to_end(tmp_path / "stopped", tick=stop)
    assert weights(tmp_path / "stopped")["step"] == 20
    resumed = SheetTraining(pack, RECIPE).to_end(tmp_path / "stopped", resume=True)
    for one, other in zip(through.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_recipe_is_that_of_the_checkpoint(pack: SheetPack, tmp_path: Path) -> None:
    folder = tmp_path / "trained"
    SheetTraining(pack, replace(RECIPE, steps=2)).to_end(folder)
    assert TRAININGS.recipe_of(folder, Wishes(), resume=True) == replace(RECIPE, steps=2)
    assert TRAININGS.trained_in(folder)[0].shape == TINY
    with pytest.raises(BraggleError, match=r"trained with --steps 2, not 5; leave the option out"):
        TRAININGS.recipe_of(folder, Wishes(steps=5), resume=True)
    with pytest.raises(BraggleError, match="go on with it by --resume"):
        TRAININGS.recipe_of(folder, Wishes(), resume=False)
    with pytest.raises(BraggleError, match="leave --from out"):
        TRAININGS.checked(folder, Wishes(), resume=True, begin=folder)
    new = tmp_path / "new"
    begun, _ = TRAININGS.checked(new, Wishes(steps=4), resume=False, begin=folder)
    assert (begun.shape, begun.steps) == (TINY, 4)


def test_folders_without_towers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BraggleError, match="nothing to resume"):
        TRAININGS.recipe_of(tmp_path, Wishes(), resume=True)
    with pytest.raises(BraggleError, match="train it first"):
        TRAININGS.trained_in(tmp_path)
    torch.save({"recipe": {"kind": "convolution"}, "network": {}}, tmp_path / CHECKPOINT)
    with pytest.raises(BraggleError, match="of a network of another make"):
        TRAININGS.trained_in(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BraggleError, match="is not a folder"):
        TRAININGS.recipe_of(file, Wishes(), resume=False)


def test_files_that_are_no_pack_are_refused(sheets_npz: Path, tmp_path: Path) -> None:
    device = torch.device("cpu")
    with pytest.raises(BraggleError, match="no such pack of sheets"):
        open_sheets(tmp_path / "none.npz", device)
    np.savez(tmp_path / "other.npz", lattice=np.eye(3))
    with pytest.raises(BraggleError, match="is not a pack of sheets"):
        open_sheets(tmp_path / "other.npz", device)
    with np.load(sheets_npz) as file:
        older = {("rod_tokens" if name == "rod_lines" else name): file[name] for name in file}
    np.savez(tmp_path / "older.npz", **older)
    with pytest.raises(BraggleError, match="is not a pack of sheets"):
        open_sheets(tmp_path / "older.npz", device)
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(BraggleError, match="is not a pack of sheets"):
        open_sheets(tmp_path / "text.npz", device)


def test_training_imports_no_more_than_torch_and_numpy() -> None:
    code = (
        "import sys, indexer.sheets.run; "
        "print([m for m in ('gemmi', 'pymatgen', 'lancedb', 'pyarrow', 'typer', 'scipy', 'numba') "
        "if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_shipped_towers_are_of_the_shape_that_is_trained() -> None:
    from importlib.resources import as_file, files

    with as_file(files("indexer") / "sheets" / "weights" / "sheets.safetensors") as path:
        stored = {name: value.shape for name, value in load_file(path).items()}
        assert path.stat().st_size < 16e6
    expected = {
        name: tuple(value.shape) for name, value in Towers(TowersShape()).state_dict().items()
    }
    assert stored == expected
