import numpy as np
import pytest

from data.errors import PatternError
from data.radiation import CU_KA
from data.reading.pdcif import read_pdcif
from tests.data.pattern_files import COUNTS, ESD, X

RANGE = "_pd_meas_2theta_range_min 10\n_pd_meas_2theta_range_max 12.95\n"
VALUES = "\n".join(f"{y:.0f}" for y in COUNTS)
COUNTED = f"loop_\n_pd_meas_counts_total\n{VALUES}\n"


def loop(names: str, *values: np.ndarray) -> str:
    rows = "\n".join(" ".join(f"{v:.6g}" for v in row) for row in zip(*values, strict=True))
    return "loop_\n" + "\n".join(names.split()) + f"\n{rows}\n"


@pytest.mark.parametrize(
    "body",
    [
        RANGE + COUNTED,
        "_pd_meas_2theta_range_min 10\n_pd_meas_2theta_range_inc 0.05\n" + COUNTED,
        loop("_pd_meas_2theta_scan _pd_meas_counts_total", X, COUNTS),
        loop(
            "_pd_proc_2theta_corrected _pd_calc_intensity_total _pd_proc_intensity_total",
            X,
            X,
            COUNTS,
        ),
        loop(
            "_pd_meas_2theta_scan _pd_meas_intensity_total _pd_proc_2theta_corrected",
            X - 1,
            COUNTS,
            X,
        ),
    ],
)
def test_every_way_to_give_two_theta(body: str) -> None:
    scan = read_pdcif("data_structure\n_cell_length_a 5\ndata_pattern\n" + body)
    assert scan.axis == "two_theta"
    assert scan.x == pytest.approx(X)
    assert scan.counts == pytest.approx(COUNTS)


def test_d_spacings_become_q() -> None:
    d = np.linspace(5.0, 1.0, 60)
    scan = read_pdcif("data_a\n" + loop("_pd_proc_d_spacing _pd_proc_intensity_total", d, COUNTS))
    assert scan.axis == "q"
    assert scan.x == pytest.approx(2 * np.pi / d, rel=1e-5)


def test_uncertainties_in_brackets_are_esds() -> None:
    values = "\n".join(f"{y:.1f}({e * 10:.0f})" for y, e in zip(COUNTS, ESD, strict=True))
    scan = read_pdcif(f"data_a\n{RANGE}loop_\n_pd_proc_intensity_total\n{values}\n")
    assert scan.counts == pytest.approx(COUNTS)
    assert scan.esd == pytest.approx(ESD, abs=0.06)


def test_points_without_a_value_are_left_out() -> None:
    values = VALUES.replace("100", ".", 3)
    scan = read_pdcif(f"data_a\n{RANGE}loop_\n_pd_meas_counts_total\n{values}\n")
    assert len(scan) == 57
    assert scan.warnings == ("3 points without a value were left out.",)


@pytest.mark.parametrize(
    "words, wavelengths",
    [
        ("_diffrn_radiation_wavelength 0.7", (0.7,)),
        ("_diffrn_radiation_wavelength 1.54180(5)", CU_KA.wavelengths_angstrom),
        ("_diffrn_radiation_type 'Cu K\\a'", CU_KA.wavelengths_angstrom),
        (
            loop(
                "_diffrn_radiation_wavelength _diffrn_radiation_wavelength_wt",
                np.array([1.5405, 1.5443]),
                np.array([1.0, 0.5]),
            ),
            (1.5405, 1.5443),
        ),
    ],
)
def test_the_radiation_is_read_from_its_block_or_another(
    words: str, wavelengths: tuple[float, ...]
) -> None:
    for text in (
        f"data_a\n{words}\n{RANGE}{COUNTED}",
        f"data_instrument\n{words}\ndata_a\n{RANGE}{COUNTED}",
    ):
        stated = read_pdcif(text).stated
        assert stated is not None
        assert stated.wavelengths_angstrom == pytest.approx(wavelengths)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("data_a\n_cell_length_a 5\n", "without a measured powder pattern"),
        ("data_a\n" + loop("_pd_proc_2theta_corrected _pd_calc_intensity_total", X, X), "without"),
        ("data_a\n" + COUNTED, "no 2θ, Q or d for its 60 points"),
        (
            "data_a\n" + loop("_pd_meas_time_of_flight _pd_meas_counts_total", X, X),
            "time-of-flight",
        ),
        ("data_a\nloop_\n_pd_meas_counts_total\n_a\n1 2 3\n", "damaged CIF"),
        ("loop_", "damaged CIF"),
    ],
)
def test_what_is_no_measured_powder_pattern_is_refused(text: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        read_pdcif(text)
