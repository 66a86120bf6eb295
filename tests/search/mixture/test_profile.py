from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from data.diffraction import lines_of
from data.preparation import prepare
from data.profile import simulate, simulate_pattern
from search.mixture import profile
from search.mixture.cell import strain_shares
from search.mixture.joint_fit import nonnegative
from search.mixture.texture import intensity_modes, mean_over_sphere
from tests import crystals

PREPARED = prepare(simulate_pattern(crystals.RUTILE, background_counts=50.0))
LINES = lines_of(crystals.RUTILE)


def drawn(**changes: Any) -> Any:
    values: dict[str, Any] = {
        "zero_shift_deg": 0.02,
        "fwhm_deg": 0.25,
        "broadening_deg": 0.05,
        "lorentzian": 0.3,
        "strain": np.array([0.001, -0.002]),
        "amounts": np.array([0.2]),
    } | changes
    strain, amounts = values.pop("strain"), values.pop("amounts")
    shares = strain_shares(LINES.hkl, crystals.RUTILE.lattice, 136)
    modes = intensity_modes(LINES.hkl, crystals.RUTILE.lattice, 136)
    return profile.draw(
        PREPARED,
        np.sqrt(LINES.inv_d2) / 2,
        LINES.strength,
        shares,
        strain,
        modes,
        amounts,
        **values,
    )


@pytest.mark.parametrize(
    "row, change",
    [
        (profile.ZERO, {"zero_shift_deg": 0.02}),
        (profile.WIDTH, {"fwhm_deg": 0.25}),
        (profile.BROADENING, {"broadening_deg": 0.05}),
        (profile.LORENTZIAN, {"lorentzian": 0.3}),
        (profile.STRAIN, {"strain": np.array([0.001, -0.002])}),
        (profile.STRAIN + 2, {"amounts": np.array([0.2])}),
    ],
)
def test_derivatives_are_those_of_differences(row: int, change: dict[str, Any]) -> None:
    ((name, value),) = change.items()
    by = np.array([1e-5, 0.0])[: np.size(value)] if np.ndim(value) else 1e-5
    difference = (drawn(**{name: value + by})[0] - drawn(**{name: value - by})[0]) / 2e-5
    # Where a line is cut off a point comes or goes: leave out the few that do.
    apart = np.abs(drawn()[row] - difference)
    assert np.quantile(apart, 0.99) < 0.02 * np.abs(difference).max()


def test_the_profile_is_the_simulators() -> None:
    mine = drawn(strain=np.zeros(2), amounts=np.zeros(1), zero_shift_deg=0.0, broadening_deg=0.0)
    other = simulate(
        LINES,
        PREPARED.pattern.radiation,  # type: ignore[arg-type]
        two_theta_deg=PREPARED.two_theta_deg,
        caglioti=(0.0, 0.0, 0.25**2),
        eta=0.3,
    )
    assert np.corrcoef(mine[0], other)[0, 1] > 0.9999
    assert mine[0].sum() == pytest.approx(other.sum(), rel=0.03)


def test_texture_keeps_the_mean_of_all_directions() -> None:
    assert mean_over_sphere(np.zeros(1), 136) == pytest.approx(1.0)
    assert mean_over_sphere(np.array([]), 225) == 1.0
    z = np.linspace(-1, 1, 20001)
    exact = np.exp(0.8 * (z**2 - 1 / 3)).mean()
    assert mean_over_sphere(np.array([0.8]), 136) == pytest.approx(exact, rel=1e-3)


def test_no_negative_amounts() -> None:
    design = np.array([[1.0, 0.9, 0.0], [0.0, 0.1, 1.0]])
    target = np.array([1.0, 0.8, -1.0])
    found = nonnegative(design @ design.T, design @ target)
    assert found[1] == 0.0
    assert found[0] == pytest.approx(design[0] @ target / (design[0] @ design[0]), rel=1e-6)
