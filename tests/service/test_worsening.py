"""Cells and patterns are made worse by what is said, on crystals small enough to reckon with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from data.diffraction import lines_of
from data.errors import PatternError
from data.lines import LinesTable
from data.pattern import Pattern
from data.preparation import Prepared, prepare
from data.radiation import CU_KA, Radiation
from search.free_cell import lines_in
from service.bench.worsening import cut, mixed, moved_lattices, noisy, stretched_lattices
from tests import crystals
from tests.service.bench_crystals import KNOWN, NAMES, measured

GROUPS = np.array([crystal.space_group_number for crystal in KNOWN.values()])
LATTICES = np.stack([crystal.lattice for crystal in KNOWN.values()])


def moved(
    spread: float, *, times: int = 1, seed: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cells before and after, each of the crystals so many times."""
    before = np.tile(LATTICES, (times, 1, 1))
    rng = np.random.default_rng(seed)
    return before, moved_lattices(before, np.tile(GROUPS, times), spread, rng)


def stretches(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relative change of each length. Shape (N, 3)."""
    lengths = np.linalg.norm(after, axis=2) / np.linalg.norm(before, axis=2)
    return np.asarray(lengths - 1)


def angles(lattices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines between the axes."""
    unit = lattices / np.linalg.norm(lattices, axis=2)[:, :, None]
    return np.asarray(unit @ unit.transpose(0, 2, 1))


class TestCells:
    def test_lengths_that_symmetry_ties_stay_equal_and_angles_stay(self) -> None:
        before, after = moved(0.02)
        np.testing.assert_allclose(angles(after), angles(before), atol=1e-12)
        by_name = dict(zip(NAMES, stretches(before, after), strict=True))
        for name in ("rock salt", "silicon"):
            assert np.ptp(by_name[name]) < 1e-12
        for name in ("rutile", "anatase", "quartz", "calcite"):
            a, b, c = by_name[name]
            assert abs(a - b) < 1e-12
            assert abs(a - c) > 1e-4
        for name in ("baddeleyite", "olivine"):
            assert len(set(np.round(by_name[name], 6))) == 3
        assert len(set(np.round(stretches(before, after)[:, 0], 6))) == len(NAMES)

    def test_spreads_are_those_of_the_isotropic_and_the_free_part(self) -> None:
        changes = stretches(*moved(0.01, times=1500)).reshape(1500, -1, 3)
        assert abs(changes.mean()) < 5e-4
        # Each length: s of all together and 0.6 s of its own.
        np.testing.assert_allclose(changes.std(axis=0), 0.01 * np.hypot(1, 0.6), rtol=0.1)
        olivine = changes[:, NAMES.index("olivine")]
        apart = olivine - olivine.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(apart.std(), 0.006 * np.sqrt(2 / 3), rtol=0.1)

    def test_a_wider_spread_moves_the_same_cells_further(self) -> None:
        small, large = (stretches(*moved(spread)) for spread in (0.005, 0.02))
        np.testing.assert_allclose(large, 4 * small, atol=1e-12)
        np.testing.assert_array_equal(moved(0.0)[1], LATTICES)

    def test_lines_are_those_of_the_crystal_in_the_moved_cell(self) -> None:
        # The same atoms in a cell that is made longer: the oracle finds its lines from scratch.
        _, lattices = moved(0.02, seed=8)
        table = LinesTable.of([lines_of(crystal) for crystal in KNOWN.values()])
        changed = lines_in(table, lattices)
        assert changed.offsets.tolist() == table.offsets.tolist()
        for i, crystal in enumerate(KNOWN.values()):
            expected = lines_of(replace(crystal, lattice=lattices[i]), d_min_angstrom=1.05)
            found = changed[i]
            assert (np.diff(found.inv_d2) >= 0).all()
            shared = len(expected)
            np.testing.assert_allclose(found.inv_d2[:shared], expected.inv_d2, rtol=1e-5)
            lengths = {tuple(hkl): one for hkl, one in zip(found.hkl, found.strength, strict=True)}
            own = {tuple(h): one for h, one in zip(table[i].hkl, table[i].strength, strict=True)}
            assert lengths == own

    def test_a_cubic_cell_moves_every_d_alike(self) -> None:
        table = LinesTable.of([lines_of(KNOWN["silicon"])])
        lattice = 1.013 * KNOWN["silicon"].lattice[None]
        ratio = np.sqrt(table.inv_d2 / lines_in(table, lattice).inv_d2)
        np.testing.assert_allclose(ratio, 1.013, rtol=1e-6)


class TestNoise:
    pattern = measured(crystals.QUARTZ, rng=None)

    @pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
    def test_it_is_normal_and_of_the_level_said(self, share: float) -> None:
        worse = noisy(self.pattern, share, np.random.default_rng(4))
        added = worse.counts - self.pattern.counts
        sigma = share * self.pattern.counts.max()
        assert abs(added.std() / sigma - 1) < 0.05
        centred = (added - added.mean()) / added.std()
        assert abs((centred**3).mean()) < 0.15
        assert abs((centred**4).mean() - 3) < 0.3

    def test_it_is_lifted_until_nothing_is_negative_and_no_further(self) -> None:
        worse = noisy(self.pattern, 0.1, np.random.default_rng(4))
        assert worse.counts.min() == 0.0
        little = noisy(self.pattern, 1e-4, np.random.default_rng(4))
        assert abs((little.counts - self.pattern.counts).mean()) < 1.0
        assert little.counts.min() > 100.0

    def test_more_of_the_same_noise(self) -> None:
        low, high = (
            noisy(self.pattern, share, np.random.default_rng(4)).counts - self.pattern.counts
            for share in (0.05, 0.1)
        )
        assert np.corrcoef(low, high)[0, 1] > 0.9999

    def test_uncertainties_grow_with_it(self) -> None:
        esd = noisy(self.pattern, 0.02, np.random.default_rng(4)).esd
        assert esd is not None
        assert self.pattern.esd is not None
        sigma = 0.02 * self.pattern.counts.max()
        np.testing.assert_allclose(esd**2 - self.pattern.esd**2, sigma**2, rtol=1e-6)
        bare = replace(self.pattern, esd=None)
        assert noisy(bare, 0.02, np.random.default_rng(4)).esd is None


class TestImpurity:
    @pytest.fixture
    def pair(self) -> tuple[Prepared, Prepared]:
        other = measured(crystals.FLUORITE, highest_counts=5000.0, background_counts=100.0)
        return prepare(measured(crystals.QUARTZ)), prepare(other)

    @pytest.mark.parametrize("share", [0.2, 0.4])
    def test_its_share_of_the_net_intensity(
        self, pair: tuple[Prepared, Prepared], share: float
    ) -> None:
        # The curve of quartz alone, without noise and background, is what is known of it.
        alone = measured(crystals.QUARTZ, background_counts=0.0, rng=None).counts.sum()
        added = mixed(*pair, share).counts - pair[0].pattern.counts
        assert added.sum() / (alone + added.sum()) == pytest.approx(share, abs=0.01)
        assert len(prepare(mixed(*pair, share)).peaks) > len(pair[0].peaks)

    def test_it_is_the_other_pattern_where_it_was(self, pair: tuple[Prepared, Prepared]) -> None:
        quartz, other = pair
        added = mixed(quartz, other, 0.4).counts - quartz.pattern.counts
        expected = np.interp(quartz.pattern.x, other.two_theta_deg, other.net, left=0, right=0)
        assert np.corrcoef(added, expected)[0, 1] > 0.999

    def test_another_wavelength_is_placed_by_q(self) -> None:
        quartz = prepare(measured(crystals.QUARTZ))
        cobalt = measured(
            crystals.FLUORITE, radiation=Radiation.parse("CoKa"), two_theta_range_deg=(6.0, 120.0)
        )
        added = mixed(quartz, prepare(cobalt), 0.4).counts - quartz.pattern.counts
        sine = np.sqrt(lines_of(crystals.FLUORITE).inv_d2) * CU_KA.wavelength_angstrom / 2
        bragg = 2 * np.degrees(np.arcsin(sine[sine < 1]))
        assert np.abs(bragg - quartz.pattern.x[np.argmax(added)]).min() < 0.05

    def test_what_lies_elsewhere_cannot_be_laid_over(self) -> None:
        quartz = prepare(measured(crystals.QUARTZ, two_theta_range_deg=(10.0, 40.0)))
        other = prepare(measured(crystals.RUTILE, two_theta_range_deg=(50.0, 90.0)))
        with pytest.raises(PatternError, match="nothing to lay over simulated, no intensity"):
            mixed(quartz, other, 0.2)


class TestRange:
    pattern = measured(crystals.RUTILE)

    @pytest.mark.parametrize(
        "limits, first, last",
        [
            ({"first_deg": 20.0}, 20.0, 90.0),
            ({"first_deg": 30.0}, 30.0, 90.0),
            ({"last_deg": 50.0}, 5.0, 50.0),
            ({"first_deg": 30.0, "last_deg": 50.0}, 30.0, 50.0),
            ({}, 5.0, 90.0),
        ],
    )
    def test_what_is_left_is_as_it_was(
        self, limits: dict[str, float], first: float, last: float
    ) -> None:
        part = cut(self.pattern, **limits)
        assert (part.x[0], part.x[-1]) == pytest.approx((first, last), abs=1e-6)
        inside = np.isin(self.pattern.x, part.x)
        np.testing.assert_array_equal(part.counts, self.pattern.counts[inside])
        assert part.esd is not None
        assert self.pattern.esd is not None
        np.testing.assert_array_equal(part.esd, self.pattern.esd[inside])

    def test_a_q_axis_is_cut_at_its_angle(self) -> None:
        q = np.linspace(0.5, 5.0, 4000)
        pattern = Pattern("q", q, 100 + 50 * np.sin(q), None, CU_KA, "given")
        part = cut(pattern, last_deg=50.0)
        assert part.x[-1] == pytest.approx(
            4 * np.pi * np.sin(np.radians(25)) / CU_KA.wavelength_angstrom, abs=0.002
        )

    def test_too_little_is_no_pattern(self) -> None:
        with pytest.raises(PatternError, match="too few"):
            cut(self.pattern, first_deg=89.9)


@pytest.mark.parametrize("change", [0.0, 0.01, 0.03])
def test_stretched_cells_change_their_volume_by_the_share_and_keep_their_symmetry(
    change: float,
) -> None:
    groups = np.repeat([2, 14, 62, 141, 167, 225], 50)
    lattices = np.tile(np.diag([4.0, 4.0, 4.0]), (len(groups), 1, 1))
    made = stretched_lattices(lattices, groups, change, np.random.default_rng(3))
    ratio = np.linalg.det(made) / np.linalg.det(lattices)
    np.testing.assert_allclose(np.abs(ratio - 1), change, atol=1e-12)
    a, b, c = np.linalg.norm(made, axis=2).T
    np.testing.assert_allclose(a[groups >= 75], b[groups >= 75])
    np.testing.assert_allclose(a[groups >= 195], c[groups >= 195])
    if change:
        assert (ratio > 1).mean() == pytest.approx(0.5, abs=0.15)
        assert np.abs(a / b - 1)[groups < 75].max() > 0.5 * change
