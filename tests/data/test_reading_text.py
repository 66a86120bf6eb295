import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import PatternError
from data.radiation import CU_KA, Radiation
from data.reading.scan import Scan, to_pattern
from data.reading.stated import stated_radiation
from data.reading.text import read_text
from tests.data.pattern_files import COUNTS, ESD, X, columns, in_rows

BODY = columns(X, COUNTS)


def same(scan: Scan) -> bool:
    return bool(np.allclose(scan.x, X) and np.allclose(scan.counts, COUNTS))


# Separators


@pytest.mark.parametrize("separator", [" ", "   ", "\t", ";", " ; ", ",", ", ", " , ", "\t\t"])
def test_columns_with_decimal_points(separator: str) -> None:
    assert same(read_text(columns(X, COUNTS, separator=separator)))


@pytest.mark.parametrize("separator", [" ", "   ", "\t", ";", "; ", "\t "])
def test_columns_with_decimal_commas(separator: str) -> None:
    assert same(read_text(columns(X, COUNTS, separator=separator, comma=True)))


def test_a_decimal_comma_beside_a_comma_and_a_blank() -> None:
    rows = [f"{x:.2f}@ {y:.1f}" for x, y in zip(X, COUNTS, strict=True)]
    assert same(read_text("\n".join(rows).replace(".", ",").replace("@", ",")))


def test_whole_numbers_between_commas_are_columns() -> None:
    scan = read_text("".join(f"{i},{i % 7}\n" for i in range(10, 90)))
    assert scan.x[:2] == pytest.approx([10, 11])
    assert scan.counts[:2] == pytest.approx([3, 4])


def test_thousands_are_not_columns() -> None:
    rows = [f"{x:.2f}\t{y:,.1f}" for x, y in zip(X, COUNTS * 1000, strict=True)]
    scan = read_text("\n".join(rows))
    assert scan.counts == pytest.approx(COUNTS * 1000)


def test_commas_that_could_mean_anything_are_refused() -> None:
    with pytest.raises(PatternError, match="semicolons"):
        read_text(columns(X, COUNTS, separator="@", comma=True).replace("@", ","))
    with pytest.raises(PatternError, match="decimal points and commas"):
        read_text("".join(f"10,{i} 1.5\n" for i in range(60)))


def test_quoted_cells_signs_and_exponents() -> None:
    scan = read_text("".join(f'"+{x:.2f}","{y:.3e}"\r\n' for x, y in zip(X, COUNTS, strict=True)))
    assert same(scan)


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=80),
    st.sampled_from([(" ", False), (";", True), ("\t", True), (",", False), ("\t", False)]),
    st.sampled_from(["", "# comment\n", "2theta;I\n", "Sample 5\n12 of May\n", "! a\n' b\n\n"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read(
    counts: list[int], style: tuple[str, bool], heading: str, newline: str
) -> None:
    x = 5.0 + 0.01 * np.arange(len(counts))
    text = heading + columns(x, np.array(counts), separator=style[0], comma=style[1])
    scan = read_text(text.replace("\n", newline))
    assert scan.x == pytest.approx(x)
    assert scan.counts == pytest.approx(counts)


def test_very_many_points() -> None:
    x = np.linspace(1.0, 150.0, 200_000)
    text = "\n".join(f"{a:.5f} {b}" for a, b in zip(x, itertools.cycle(range(97)), strict=False))
    scan = read_text(text)
    assert len(scan) == 200_000
    assert np.allclose(scan.x, x, atol=1e-5, rtol=0)


# Headings


@pytest.mark.parametrize(
    "heading",
    [
        "",
        "Sample: quartz, measured 2012-05-03\n",
        "2012-05-03 10:22\n",
        "# 2theta I\n",
        "; from a diffractometer\n;\n",
        "! 3 lines\n' free text\n\n",
        "2Theta,Counts\n",
        "-----\n",
        "60\n",
        "##NAMES=Quartz\n##RRUFFID=R040031\n",
    ],
)
def test_any_heading_is_passed_over(heading: str) -> None:
    assert same(read_text(heading + BODY))


def test_comments_between_behind_and_after_the_rows() -> None:
    lines = BODY.splitlines()
    lines[5] += "  # a spike"
    lines.insert(30, "# filter changed")
    lines += ["", "##END="]
    assert same(read_text("\n".join(lines)))


def test_words_in_a_further_column_are_left_aside() -> None:
    scan = read_text("\n".join(f"{row} ok" for row in BODY.splitlines()))
    assert same(scan)
    assert "first two columns" in scan.warnings[0]


def test_a_last_line_cut_off_is_left_out() -> None:
    scan = read_text(BODY + "13.0")
    assert same(scan)
    assert scan.warnings == ("Line 61 is cut off; it was left out.",)


def test_a_line_that_cannot_be_read_is_named() -> None:
    lines = BODY.splitlines()
    lines[40] = "12.00 12O"
    with pytest.raises(PatternError, match=re.escape("line 41 ('12.00 12O')")):
        read_text("\n".join(lines))


# Columns


def test_a_third_column_like_the_root_of_the_counts_is_the_esd() -> None:
    scan = read_text(columns(X, COUNTS, ESD))
    assert scan.esd == pytest.approx(ESD)
    assert scan.warnings == ()


def test_a_third_column_of_something_else_is_ignored_with_a_warning() -> None:
    scan = read_text(columns(X, COUNTS, np.ones(60), np.ones(60)))
    assert scan.esd is None
    assert scan.warnings == ("2 more column(s) were ignored.",)


def test_the_suffix_xye_says_what_the_third_column_is() -> None:
    scan = read_text(columns(X, COUNTS, ESD / 50), ".xye")
    assert scan.esd == pytest.approx(ESD / 50, abs=0.01)


def test_esds_of_zero_are_mended_and_impossible_ones_dropped() -> None:
    some_zero = ESD.copy()
    some_zero[:5] = 0.0
    pattern = to_pattern(read_text(columns(X, COUNTS, some_zero), ".xye"), "a", CU_KA)
    assert pattern.esd is not None
    assert pattern.esd[:5] == pytest.approx(ESD.min())
    assert "5 esd(s) of zero" in pattern.warnings[0]
    pattern = to_pattern(read_text(columns(X, COUNTS, -ESD), ".xye"), "a", CU_KA)
    assert pattern.esd is None
    assert "no uncertainties" in pattern.warnings[0]


@pytest.mark.parametrize(
    "names",
    [
        "no,two_theta,sigma,I_calc,I_obs",
        "no\t2Theta (deg)\terror\tbackground\tcounts",
        "# no  2-theta  esd  ycalc  yobs",
        "index;Angle;Std;weight;Intensity",
        '"no","2θ","σ","diff","Int."',
    ],
)
def test_names_tell_the_columns(names: str) -> None:
    separator = next((s for s in (",", "\t", ";") if s in names), "  ")
    other = np.full(60, 7.0)
    text = columns(np.arange(60), X, ESD, other, COUNTS, separator=separator)
    scan = read_text(f"{names}\n{text}")
    assert same(scan)
    assert scan.esd == pytest.approx(ESD)
    assert scan.warnings == ("2 more column(s) were ignored.",)


# The axis

Q = 4 * np.pi * np.sin(np.radians(X / 2)) / 1.0


@pytest.mark.parametrize(
    "heading, values",
    [
        ("# Q (1/A)   I", Q),
        ("Q[1/Å],Intensity", Q),
        ("q(A^-1) counts", Q),
        ("# pyFAI\n#       q_nm^-1             I", Q * 10),
        ("#q_A^-1  I", Q),
        ("title\nQ (nm\\-1\\)\nIntensity\n   60", Q * 10),
        ("title\nQ (Inverse Nanometres)\nIntensity\n   60", Q * 10),
        ("Scattering vector (nm-1)\tI", Q * 10),
        ("d-spacing (A)  I", 2 * np.pi / Q),
        ("d I", 2 * np.pi / Q),
    ],
)
def test_an_axis_of_q_or_d_is_brought_to_inverse_angstrom(heading: str, values: np.ndarray) -> None:
    rows = "".join(f"{v:.6f} {y:.0f}\n" for v, y in zip(values, COUNTS, strict=True))
    scan = read_text(f"{heading}\n{rows}")
    assert scan.axis == "q"
    assert scan.x == pytest.approx(Q, rel=1e-5)
    pattern = to_pattern(scan, "q.dat", None)
    assert pattern.radiation is None
    assert pattern.wavelength_source is None
    assert pattern.counts == pytest.approx(COUNTS)


def test_q_without_a_unit_is_said_to_be_assumed() -> None:
    scan = read_text(f"q I\n{BODY}")
    assert scan.axis == "q"
    assert scan.warnings == ("The unit of Q is not stated; 1/Å was assumed.",)


def test_radians_become_degrees() -> None:
    rows = "".join(f"{v:.8f} {y:.0f}\n" for v, y in zip(np.radians(X), COUNTS, strict=True))
    assert same(read_text(f"# 2th_rad  I\n{rows}"))


@pytest.mark.parametrize(
    "heading", ["Quartz, A-1 quality\n", "# Q = 5, sample A\n", "# seq (1/a)\n"]
)
def test_a_q_in_a_sentence_is_no_axis(heading: str) -> None:
    assert read_text(heading + BODY).axis == "two_theta"


def test_a_wavelength_too_long_for_its_q_is_refused_when_given_and_left_when_stated() -> None:
    scan = read_text("# wavelength 1.5406\n# Q (1/A) I\n" + BODY)
    assert to_pattern(scan, "a", None).radiation is None
    with pytest.raises(PatternError, match="1/nm"):
        to_pattern(scan, "a", CU_KA)


# Counts in rows


@pytest.mark.parametrize("width", [1, 8, 10])
@pytest.mark.parametrize(
    "heading", ["  10.000   0.050  12.950\n", "# title\n10 .05 12.95 PbSO4 (a, b, c) d e f g\n"]
)
def test_counts_in_rows_below_start_step_and_stop(width: int, heading: str) -> None:
    assert same(read_text(heading + in_rows(COUNTS, width)))


def test_zeros_that_fill_the_last_row_are_no_points() -> None:
    padded = np.append(COUNTS, np.zeros(4))
    assert same(read_text("10.0 0.05 12.95\n" + in_rows(padded, 8)))


@pytest.mark.parametrize(
    "heading",
    ["*START = 10.0\n*STEP = 0.05\n*STOP = 12.95\n", "Start angle: 10.0\nStep size: 0.05\n"],
)
def test_counts_in_rows_below_named_values(heading: str) -> None:
    assert same(read_text("Start time = 12:30\n" + heading + in_rows(COUNTS)))


def test_fewer_counts_than_announced_are_refused() -> None:
    with pytest.raises(PatternError, match=r"60 points from 10 to 12\.95°, and 40 follow"):
        read_text("10.0 0.05 12.95\n" + in_rows(COUNTS[:40]))


def test_a_word_among_the_counts_is_refused() -> None:
    with pytest.raises(PatternError, match="word among the counts"):
        read_text("10.0 0.05 12.95\n" + in_rows(COUNTS) + "0.5 end\n")


# The wavelength in words


@pytest.mark.parametrize(
    "words, expected",
    [
        ("# wavelength=0.4137", 0.4137),
        ("Wavelength (Å): 0.7", 0.7),
        ("# Lambda 0.82578", 0.82578),
        ("λ = 0,6200 Å", 0.62),
        ("# Wavelength: 4.137e-11 m", 0.4137),
        ('{"wavelength": 4.137e-11}', 0.4137),
        ("wavelength 0.04137 nm", 0.4137),
        ("# Calibrated wavelength = 0.413909", 0.413909),
        ("sa= 4.00 fa= 81.02 icr=0.010 LA= 1.23966", 1.23966),
        ("# energy = 31.0 keV", 0.399949),
        ("Energy: 31000.0 eV", 0.399949),
    ],
)
def test_one_wavelength_in_words(words: str, expected: float) -> None:
    found = stated_radiation(words)
    assert found is not None
    assert found.wavelengths_angstrom == pytest.approx((expected,), abs=1e-5)


@pytest.mark.parametrize(
    "words, first, second",
    [
        ("K-Alpha1 wavelength,1.5405980\nK-Alpha2 wavelength,1.5444260", 1.540598, 1.544426),
        ("_WL1=1.540600\n_WL2=1.544390\n_WL3=1.392220\n_WLRATIO=0.500000", 1.5406, 1.54439),
        ("*WAVE_LENGTH1 = 1.54059\n*WAVE_LENGTH2 = 1.54441", 1.54059, 1.54441),
        (
            '<WaveLengthAlpha1 Unit="Å" Value="1.7890"/>\n<WaveLengthAlpha2 Value="1.7929"/>',
            1.789,
            1.7929,
        ),
        ("Alpha1 1.54056 Alpha2 1.54439 Ratio 0.5", 1.54056, 1.54439),
        ("##X-RAY WAVELENGTH: 1.541838", 1.5405929, 1.5444274),
        ("wavelength=1.5406", 1.5406, 1.544434),
        ('Anode: "Cu"', 1.5405929, 1.5444274),
        ("Target = Mo", 0.7093172, 0.713607),
        ("radiation Co Ka", 1.788996, 1.792835),
        ("measured with CuKα1,2 radiation", 1.5405929, 1.5444274),
        ("Cu K\\a", 1.5405929, 1.5444274),
    ],
)
def test_a_doublet_in_words(words: str, first: float, second: float) -> None:
    found = stated_radiation(words)
    assert found is not None
    assert found.wavelengths_angstrom == pytest.approx((first, second), abs=1e-6)


def test_k_alpha_1_alone_in_words() -> None:
    for words in ("CuKa1", "Cu K-alpha1 radiation, wavelength 1.5406", "CuKα1 λ=1.54056"):
        found = stated_radiation(words)
        assert found is not None
        assert found.weights == (1.0,)
        assert found.name == "CuKa1"


def test_the_ratio_in_words() -> None:
    found = stated_radiation("_WL1=1.5406\n_WL2=1.54439\n_WLRATIO=0.25")
    assert found is not None
    assert found.weights == pytest.approx((0.8, 0.2))


@pytest.mark.parametrize(
    "words",
    ["", "quartz", "wavelength unknown", "wavelength 154.06", "Copper ore CuCO3", "energy 0.0 keV"],
)
def test_words_that_state_nothing(words: str) -> None:
    assert stated_radiation(words) is None


@given(st.text(max_size=200))
def test_any_words_state_something_credible_or_nothing(words: str) -> None:
    found = stated_radiation(words)
    assert found is None or isinstance(found, Radiation)
