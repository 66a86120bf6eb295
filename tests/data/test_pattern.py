from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import PatternError
from data.pattern import MIN_POINTS, Pattern
from data.radiation import CU_KA, Radiation

X = np.linspace(10.0, 90.0, 81)
COUNTS = np.full(81, 5.0)


def pattern(**changes: Any) -> Pattern:
    fields: dict[str, Any] = {
        "axis": "two_theta",
        "x": X,
        "counts": COUNTS,
        "esd": None,
        "radiation": CU_KA,
        "wavelength_source": "given",
        "name": "sample.xy",
    }
    return Pattern(**(fields | changes))


def test_its_arrays_cannot_be_changed() -> None:
    made = pattern(esd=np.sqrt(COUNTS))
    assert made.esd is not None
    for array in (made.x, made.counts, made.esd):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_it_does_not_change_with_the_arrays_it_was_made_from() -> None:
    x, counts = X.copy(), COUNTS.copy()
    made = pattern(x=x, counts=counts)
    x[0], counts[0] = 0.0, 99.0
    assert made.x[0] == 10.0
    assert made.counts[0] == 5.0
    assert len(made) == 81


def _with(values: np.ndarray, index: int, value: float) -> np.ndarray:
    changed = values.copy()
    changed[index] = value
    return changed


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"x": X[:3], "counts": COUNTS[:3]}, "3 points are too few"),
        ({"x": X[:-1]}, "disagree"),
        ({"x": X[:, None], "counts": COUNTS[:, None]}, "disagree"),
        ({"counts": _with(COUNTS, 3, np.nan)}, "not a finite number"),
        ({"x": _with(X, 3, np.inf)}, "not a finite number"),
        ({"counts": _with(COUNTS, 3, -2.0)}, r"negative counts \(-2 at 13\)"),
        ({"counts": np.zeros(81)}, "every count is zero"),
        ({"x": X[::-1]}, "does not ascend"),
        ({"x": _with(X, 3, X[2])}, "does not ascend"),
        ({"x": X + 100.0}, "it must lie within 0 to 180"),
        ({"radiation": None}, "needs a radiation"),
        ({"esd": COUNTS[:-1]}, "is not"),
    ],
)
def test_what_is_no_pattern_is_refused_by_name(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(PatternError, match=reason) as caught:
        pattern(**changes)
    assert str(caught.value).startswith("sample.xy: ")
    assert "\n" not in str(caught.value)


def test_the_least_number_of_points_is_enough() -> None:
    assert len(pattern(x=X[:MIN_POINTS], counts=COUNTS[:MIN_POINTS])) == MIN_POINTS


def test_a_literal_angle_is_a_literal_q() -> None:
    # silicon 111, a = 5.4307 Å: d = 3.13542 Å, 2θ = 28.4438° for Cu Kα1, Q = 2.00394 1/Å
    made = pattern(x=np.sort(np.append(X, 28.4438)), counts=np.append(COUNTS, 5.0))
    at = int(np.flatnonzero(made.x == 28.4438)[0])
    assert made.q_inv_angstrom[at] == pytest.approx(2.00394, abs=2e-5)


@given(st.floats(0.2, 3.0))
def test_two_theta_to_q_and_back_is_the_same(wavelength: float) -> None:
    radiation = Radiation.monochromatic(wavelength)
    made = pattern(radiation=radiation)
    back = pattern(axis="q", x=made.q_inv_angstrom, radiation=radiation)
    assert back.two_theta_deg == pytest.approx(X, abs=1e-9)
    assert made.two_theta_deg is made.x
    assert back.q_inv_angstrom is back.x


def test_a_q_axis_without_radiation_ends_at_90_degrees() -> None:
    made = pattern(axis="q", radiation=None, wavelength_source=None)
    assert made.two_theta_deg[-1] == pytest.approx(90.0)
    assert (np.diff(made.two_theta_deg) > 0).all()
    sine = np.sin(np.radians(made.two_theta_deg / 2))
    assert 4 * np.pi * sine / made.wavelength_angstrom == pytest.approx(X)


def test_a_q_beyond_the_reach_of_its_wavelength_has_no_angle() -> None:
    made = pattern(axis="q", x=X / 10, radiation=CU_KA)
    reach = 4 * np.pi / CU_KA.wavelength_angstrom
    assert np.array_equal(np.isnan(made.two_theta_deg), made.x > reach)
