"""Profiles in bulk against the route of single patterns, and what is drawn of a laboratory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.canonical import Standard, standardize
from data.diffraction import lines_of
from data.lines import Lines
from data.measured_like import Diffractometer, measured_like
from data.preparation import prepare
from data.radiation import CU_KA
from indexer.encoders import drawing
from indexer.encoders.axis import BINS, LN_Q_START, STEP
from indexer.encoders.drawing import Laboratory, lines_profiles, measured_profiles
from indexer.encoders.pack import Pack, PaddedLines
from indexer.encoders.packing import _packed, write_packed
from indexer.encoders.profile import profile_of_lines, profile_of_pattern
from indexer.encoders.strongest import LINES_KEPT, strongest_lines
from tests.crystals import ALL
from tests.indexer.encoders.conftest import CPU

NAMES = sorted(set(ALL) - {"MOF-5"})

MILD: dict[str, Any] = {
    "fwhm_deg": (0.1, 0.1),
    "counts": (2e4, 2e4),
    "background": (0.01, 0.01),
    "strain_decades": (-9.0, -8.9),
    "shift_deg": 0.0,
    "texture": 0.0,
    "line_error": 0.0,
    "impurity": 0.0,
    "impure": 0.5,
    "missing": 0.0,
    "start_deg": (10.0, 10.0),
    "end_deg": (90.0, 90.0),
}
MILD_DIFFRACTOMETER = Diffractometer(
    fwhm_range_deg=(0.1, 0.1),
    strain=0.0,
    anisotropic_strain=0.0,
    zero_shift_deg=0.0,
    displacement_deg=0.0,
    texture=0.0,
    line_error=0.0,
    displacement_b_range_angstrom2=(0.85, 0.85),  # the middle of what is drawn in bulk
    counts_range=(2e4, 2e4),
    background_range=(0.01, 0.01),
    impurity_chance=0.0,
    start_range_deg=(10.0, 10.0),
    end_range_deg=(90.0, 90.0),
)

Draw = Callable[..., NDArray[np.float32]]


@pytest.fixture(scope="module")
def standards() -> dict[str, Standard]:
    return {name: standardize(ALL[name]) for name in NAMES}


@pytest.fixture(scope="module")
def literal(standards: dict[str, Standard], tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """The literal crystals, in the order of their names."""
    path = tmp_path_factory.mktemp("literal") / "literal.npz"
    write_packed([_packed(s.crystal, s.primitive, 1) for s in standards.values()], path)
    return Pack(path, CPU)


@pytest.fixture
def copper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "WAVELENGTHS", ((1.5406, 1.0),))


@pytest.fixture
def drawn(literal: Pack) -> Draw:
    """Draw profiles of these rows in a mild laboratory, with changes to it."""

    def draw(rows: list[int], seed: int = 1, **changes: object) -> NDArray[np.float32]:
        lab = Laboratory(**(MILD | changes))
        generator = torch.Generator().manual_seed(seed)
        return np.asarray(measured_profiles(literal, torch.tensor(rows), lab, generator).numpy())

    return draw


def padded(lines: list[Lines]) -> PaddedLines:
    """Lines of several crystals in one batch, rubbish where nothing is."""
    longest = max(len(one) for one in lines)
    shape = (len(lines), longest)
    inv_d2, strength = np.full(shape, 0.3), np.full(shape, 1e6)
    present = np.zeros(shape, bool)
    for row, one in enumerate(lines):
        inv_d2[row, : len(one)] = one.inv_d2
        strength[row, : len(one)] = one.strength
        present[row, : len(one)] = True
    return PaddedLines(
        torch.from_numpy(inv_d2).float(),
        torch.from_numpy(strength).float(),
        torch.zeros(*shape, 3),
        torch.from_numpy(present),
    )


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    first, second = (
        rows[:, 0] / np.linalg.norm(rows[:, 0], axis=1, keepdims=True) for rows in (first, second)
    )
    return np.asarray(first @ second.T, np.float64)


def test_profiles_of_lines_are_those_of_single_crystals() -> None:
    lines = [lines_of(crystal, floor=1e-4) for crystal in ALL.values()]
    expected = np.stack([profile_of_lines(one) for one in lines])
    found = lines_profiles(padded(lines)).numpy()
    assert found.shape == (len(lines), 2, BINS)
    # Single precision moves a line by a hundredth of a bin at most.
    np.testing.assert_allclose(found, expected, atol=0.02 * expected.max())
    assert np.diag(cosines(found, expected)).min() > 0.9999


def test_packed_lines_give_the_profiles_of_their_crystals(
    literal: Pack, standards: dict[str, Standard]
) -> None:
    lines = [strongest_lines(lines_of(s.crystal), LINES_KEPT) for s in standards.values()]
    expected = np.stack([profile_of_lines(one) for one in lines])
    found = lines_profiles(literal.lines(torch.arange(len(literal)))).numpy()
    assert np.diag(cosines(found, expected)).min() > 0.9999


@pytest.mark.usefixtures("copper")
def test_patterns_in_bulk_are_like_single_ones(drawn: Draw, standards: dict[str, Standard]) -> None:
    single = np.stack(
        [
            profile_of_pattern(
                prepare(
                    measured_like(
                        s.crystal,
                        lines_of(s.crystal, floor=1e-4),
                        s.rotations,
                        np.random.default_rng(seed),
                        diffractometer=MILD_DIFFRACTOMETER,
                        radiation=CU_KA,
                    )
                )
            )
            for seed, s in enumerate(standards.values())
        ]
    )
    rows = list(range(len(NAMES)))
    in_bulk = drawn(rows * 12)
    alike = cosines(in_bulk, single).reshape(12, len(rows), -1)
    own = np.diagonal(alike.mean(axis=0))
    assert own.min() > 0.93
    assert own.mean() > 0.955
    others = alike.mean(axis=0)[~np.eye(len(rows), dtype=bool)]
    assert others.max() < 0.7
    # Where was measured agrees but for the outermost points.
    assert np.abs(in_bulk[: len(rows), 1] - single[:, 1]).sum(axis=1).max() < 10


def test_everything_drawn_can_be_read(pack: Pack) -> None:
    rows = torch.arange(len(pack))
    for seed in range(2):
        profiles = measured_profiles(
            pack, rows, Laboratory(), torch.Generator().manual_seed(seed)
        ).numpy()
        root, covered = profiles[:, 0], profiles[:, 1]
        assert np.isfinite(profiles).all()
        assert root.min() >= 0.0
        assert set(np.unique(covered)) == {0.0, 1.0}
        assert not root[covered == 0].any()
        square = (root**2).sum(axis=1) / covered.sum(axis=1)
        np.testing.assert_allclose(square[square > 0], 1.0, rtol=1e-3)
        assert (square > 0).mean() > 0.95


def test_draws_repeat_with_their_seed_alone(drawn: Draw) -> None:
    rows = list(range(len(NAMES)))
    first, again, other = (drawn(rows, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert all((first[row] != other[row]).any() for row in rows)


def test_a_scan_covers_what_lies_between_its_ends(drawn: Draw) -> None:
    for wavelength in (0.7093, 1.5406):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drawing, "WAVELENGTHS", ((wavelength, 1.0),))
            covered = drawn([0, 1], start_deg=(12.0, 12.0), end_deg=(61.0, 61.0))[:, 1]
        q = 4 * math.pi / wavelength * np.sin(np.radians(np.array([12.0, 61.0]) / 2))
        ends = (np.log(q) - LN_Q_START) / STEP
        places = np.arange(BINS) + 0.5
        inside = (places > ends[0] + 4) & (places < ends[1] - 4)
        outside = (places < ends[0] - 4) | (places > ends[1] + 4)
        assert covered[:, inside].all()
        assert not covered[:, outside].any()


@pytest.mark.usefixtures("copper")
def test_the_ends_of_scans_are_drawn_from_their_ranges(drawn: Draw) -> None:
    covered = drawn([0] * 300, start_deg=(3.0, 20.0), end_deg=(55.0, 85.0))[:, 1]
    first, last = covered.argmax(axis=1), BINS - 1 - covered[:, ::-1].argmax(axis=1)
    starts, ends = (
        2 * np.degrees(np.arcsin(np.exp(LN_Q_START + STEP * (b + 0.5)) * 1.5406 / (4 * np.pi)))
        for b in (first, last)
    )
    lowest = 2 * math.degrees(math.asin(0.35 * 1.5406 / (4 * math.pi)))  # where the axis begins
    assert starts.min() == pytest.approx(lowest, abs=0.1)
    assert 19.0 < starts.max() < 20.1
    assert 54.9 < ends.min() < 57.0
    assert 83.0 < ends.max() < 85.1


@pytest.mark.usefixtures("copper")
def test_lines_stand_where_they_belong_and_shifts_move_them(drawn: Draw) -> None:
    row = NAMES.index("silicon")
    first = math.log(2 * math.pi * math.sqrt(3) / ALL["silicon"].cell[0])  # 111
    place = round((first - LN_Q_START) / STEP - 0.5)
    near = slice(place - 40, place + 41)
    still = drawn([row] * 40)[:, 0, near].argmax(axis=1) - 40
    assert np.abs(still).max() <= 2
    moved = drawn([row] * 40, shift_deg=0.2)[:, 0, near].argmax(axis=1) - 40
    # A degree is 1/tan(θ)·π/360 of Q here; two shifts of 0.2° add up.
    spread = math.hypot(0.2, 0.2) * math.pi / 360 / math.tan(math.radians(28.44 / 2)) / STEP
    assert 0.6 * spread < moved.std() < 1.5 * spread


def strains(pack: Pack, rows: Tensor, lab: Laboratory | None = None) -> NDArray[np.float64]:
    draw = drawing._Draw(len(rows), CPU, torch.Generator().manual_seed(3))
    return np.asarray(drawing._strain(pack, rows, lab or Laboratory(), draw).double().numpy())


def test_axes_that_symmetry_makes_equal_are_strained_alike(literal: Pack) -> None:
    alike = {"silicon": "abc", "quartz": "ab", "calcite": "ab", "rutile": "ab", "olivine": ""}
    for name, axes in alike.items():
        found = strains(literal, torch.full((200,), NAMES.index(name)))
        assert len(np.unique(found[:, 0])) > 190
        assert (found[:, 0] == found[:, 1]).all() == ("b" in axes)
        assert (found[:, 0] == found[:, 2]).all() == ("c" in axes)


def test_strain_is_as_large_as_said(literal: Pack) -> None:
    rows = torch.full((2000,), NAMES.index("olivine"))
    lab = Laboratory(strain_decades=(-2.0, -2.0), largest_strain=0.5)
    found = strains(literal, rows, lab) - 1
    np.testing.assert_allclose(found.std(axis=0), 0.01 * math.sqrt(2), rtol=0.1)
    assert np.asarray(np.corrcoef(found.T))[0, 1] == pytest.approx(0.5, abs=0.1)
    clipped = strains(literal, rows, Laboratory(strain_decades=(-1.0, -1.0))) - 1
    assert np.abs(clipped).max() == pytest.approx(0.03)


def test_strained_lines_are_those_of_the_strained_cell(
    literal: Pack, standards: dict[str, Standard]
) -> None:
    factor = torch.tensor([[1.01, 0.99, 1.02]])
    for row, standard in enumerate(standards.values()):
        lines = literal.lines(torch.tensor([row]), strain=factor)
        own = slice(*literal.line_offsets[row : row + 2].tolist())
        cell = standard.crystal.lattice * factor.numpy()[0][:, None]
        normals = literal.hkl[own].numpy() @ np.linalg.inv(cell).T
        np.testing.assert_allclose(lines.inv_d2[0], (normals**2).sum(axis=1), rtol=1e-4)
        unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        np.testing.assert_allclose(lines.direction[0], unit, atol=1e-4)


def test_a_background_is_taken_off_and_peaks_are_left() -> None:
    x = torch.linspace(0, 1, drawing.AXIS_POINTS)
    smooth = 200 + 100 * (-x / 0.1).exp() + 80 * (-0.5 * ((x - 0.3) / 0.06) ** 2).exp()
    peaks = torch.zeros_like(x)
    peaks[100::150] = 1.0
    wide = torch.exp(-0.5 * (torch.arange(-15, 16) / 3.0) ** 2)
    peaks = 3000 * torch.nn.functional.conv1d(peaks[None, None], wide[None, None], padding=15)[0, 0]
    covered = torch.ones(1, len(x), dtype=torch.bool)
    found = drawing._background((smooth + peaks)[None], covered)[0]
    inside = slice(150, -150)
    assert ((found - smooth).abs() / smooth)[inside].max() < 0.25
    assert ((found - smooth).abs() / smooth)[inside].mean() < 0.08
    assert found.shape == x.shape


@pytest.mark.usefixtures("copper")
def test_an_impurity_shows_lines_of_another_crystal_of_the_batch(drawn: Draw) -> None:
    """Every other pattern has an impurity, and every other impurity is of the other crystal."""
    rows = [NAMES.index("silicon"), NAMES.index("quartz")] * 100
    pure, mixed = drawn(rows, 2), drawn(rows, 2, impurity=0.5)
    apart = cosines(pure[::2], pure[1::2]).mean()
    # Each pattern beside those of the crystal that it is not.
    alike = cosines(mixed, pure).reshape(100, 2, 100, 2)
    other = np.stack([alike[:, 0, :, 1].mean(axis=1), alike[:, 1, :, 0].mean(axis=1)])
    shown = other > apart + 0.1
    assert ((shown.mean(axis=1) > 0.15) & (shown.mean(axis=1) < 0.35)).all()
    assert (np.abs(other - apart) < 0.1).mean() > 0.65
    # The largest share makes it as strong as the crystal itself.
    assert other.max() > 0.6


def test_an_impurity_is_of_one_crystal_in_the_same_beam() -> None:
    """Patterns of one point each show whose they are, and beams alternate."""
    count, beams = 400, torch.tensor([1.5406, 0.7093])
    wavelength = beams[torch.arange(count) % 2]
    partners = []
    for seed in (1, 2):
        draw = drawing._Draw(count, CPU, torch.Generator().manual_seed(seed))
        lab = Laboratory(impurity=0.5)
        mixed = drawing._with_impurity(torch.eye(count), wavelength, lab, draw)
        assert torch.equal(mixed.diagonal(), torch.ones(count))  # never weaker than what is added
        added = mixed - torch.eye(count)
        assert added.min() == 0.0
        some = added.any(dim=1)
        assert 0.4 < some.double().mean() < 0.6
        assert ((added > 0).sum(dim=1) == some).all()
        assert (added > 0).sum(dim=0).max() == 1
        ratio, partner = added.max(dim=1)
        share = (ratio / (1 + ratio))[some]
        assert 0.45 < share.max() <= 0.5
        assert share.double().mean() == pytest.approx(0.25, abs=0.03)
        # Sorted by beam, the first of each takes the last of the one before.
        assert (wavelength[partner] != wavelength)[some].sum() <= len(beams)
        partners.append(torch.where(some, partner, -1))
    both = (partners[0] >= 0) & (partners[1] >= 0)
    assert (partners[0] != partners[1])[both].double().mean() > 0.9
