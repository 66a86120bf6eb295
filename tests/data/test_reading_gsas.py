from pathlib import Path

import numpy as np
import pytest

from data.errors import PatternError
from data.radiation import Radiation
from data.reading import read_pattern, read_pattern_bytes
from data.reading.gsas import read_gsas
from data.reading.scan import Scan
from tests.data.pattern_files import COUNTS, ESD, GSAS_FXYE, GSAS_STD, X, in_rows

DOUBLET = (1.5405, 1.5443)
NOWHERE = Path("nowhere/sample.gsa")


def fixed(values: np.ndarray, form: str, per_line: int) -> str:
    words = [format(value, form) for value in values]
    lines = (words[i : i + per_line] for i in range(0, len(words), per_line))
    return "\n".join("".join(line) for line in lines) + "\n"


def bank(form: str, records: str, binning: str = "CONST") -> str:
    return f"title\nBANK 1 60 6 {binning} 1000.0 5.0 0 0 {form}\n{records}"


def same(scan: Scan) -> bool:
    return bool(np.allclose(scan.x, X, atol=1e-3) and np.allclose(scan.counts, COUNTS, atol=0.01))


@pytest.mark.parametrize(
    "text",
    [
        GSAS_STD,
        GSAS_FXYE,
        bank("STD", in_rows(COUNTS) + "\x1a"[:0]),
        bank("", in_rows(COUNTS)),
        bank("STD", " ".join(f"{y:.0f}" for y in COUNTS)),
        bank(
            "STD",
            "\n".join(" ".join(f"{y:.0f}" for y in COUNTS[i : i + 7]) for i in range(0, 60, 7)),
        ),
        bank("FXY", "\n".join(f"{x * 100:.1f} {y}" for x, y in zip(X, COUNTS, strict=True))),
        bank("STD", in_rows(COUNTS), "CONS").replace("BANK 1", "BANK1"),
    ],
)
def test_every_form_of_record(text: str) -> None:
    assert same(read_gsas(text, NOWHERE))


def test_esd_records_hold_pairs() -> None:
    pairs = np.column_stack([COUNTS, ESD]).ravel()
    for records in (fixed(pairs, "8.2f", 10), fixed(pairs, " 9.2f", 6)):
        scan = read_gsas(bank("ESD", records), NOWHERE)
        assert same(scan)
        assert scan.esd == pytest.approx(ESD)


def test_esd_records_may_touch_each_other() -> None:
    pairs = np.column_stack([COUNTS + 100000, ESD + 1000]).ravel()
    scan = read_gsas(bank("ESD", fixed(pairs, "8.1f", 10)), NOWHERE)
    assert scan.counts == pytest.approx(COUNTS + 100000)
    assert scan.esd == pytest.approx(ESD + 1000, abs=0.06)


def test_alt_records_hold_position_counts_and_esd() -> None:
    records = "\n".join(
        "".join(
            f"{x * 3200:8.0f}{y * 1000:7.0f}{e * 1000:5.0f}"
            for x, y, e in zip(X[i : i + 4], COUNTS[i : i + 4] / 10, ESD[i : i + 4], strict=True)
        )
        for i in range(0, 60, 4)
    )
    scan = read_gsas(bank("ALT", records), NOWHERE)
    assert scan.x == pytest.approx(X, abs=1e-3)
    assert scan.counts == pytest.approx(COUNTS / 10)
    assert scan.esd == pytest.approx(ESD, abs=1e-3)


def test_std_records_may_count_the_detectors() -> None:
    records = "\n".join(
        "".join(f" 4{y:6.0f}" for y in COUNTS[i : i + 10]) for i in range(0, 60, 10)
    )
    scan = read_gsas(bank("STD", records), NOWHERE)
    assert same(scan)
    assert scan.esd == pytest.approx(np.sqrt(COUNTS) / 2)


def test_a_file_cut_off_says_so() -> None:
    scan = read_gsas(GSAS_STD[:-90], NOWHERE)
    assert len(scan) < 60
    assert scan.warnings == (f"The file announces 60 points and holds {len(scan)}.",)


def test_the_first_bank_is_read() -> None:
    scan = read_gsas(GSAS_STD + GSAS_STD, NOWHERE)
    assert same(scan)
    assert scan.warnings == ("1 further bank(s) in the file were left out.",)


def test_the_wavelength_of_a_comment() -> None:
    assert read_gsas(GSAS_FXYE, NOWHERE).stated == Radiation.monochromatic(0.413909)
    assert read_gsas(GSAS_STD, NOWHERE).stated is None


@pytest.mark.parametrize(
    "suffix, text, wavelengths, weights",
    [
        (".prm", "INS  1 ICONS  1.5405  1.5443  0.0  0  0.7  0  0.5\n", DOUBLET, (2 / 3, 1 / 3)),
        (".EXP", "HST  1 ICONS  1.5405  1.5443  0.0  0  0.5  0\n", DOUBLET, (2 / 3, 1 / 3)),
        (".prm", "INS  1 ICONS  0.4137  0.0000  0.0  0  0.99\n", (0.4137,), (1.0,)),
        (".instprm", "Lam1:1.5405\nLam2:1.5443\nI(L2)/I(L1):0.25\n", DOUBLET, (0.8, 0.2)),
        (".instprm", "#GSAS-II\nType:PXC\nLam:0.4596\n", (0.4596,), (1.0,)),
    ],
)
def test_the_instrument_parameters_beside_the_file(
    suffix: str,
    text: str,
    wavelengths: tuple[float, ...],
    weights: tuple[float, ...],
    tmp_path: Path,
) -> None:
    (tmp_path / f"sample{suffix}").write_text(text)
    stated = read_gsas(GSAS_STD, tmp_path / "sample.gsa").stated
    assert stated is not None
    assert stated.wavelengths_angstrom == pytest.approx(wavelengths)
    assert stated.weights == pytest.approx(weights)
    assert read_gsas(GSAS_STD, tmp_path / "other.gsa").stated is None


@pytest.mark.parametrize(
    "text", ["nothing here", "INS 1 ICONS 99.5 0.0\n", "Lam:.\n", "Lam1:1.5\nLam2:..\n"]
)
def test_useless_instrument_parameters_state_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "sample.prm").write_text(text)
    assert read_gsas(GSAS_STD, tmp_path / "sample.gsa").stated is None


@pytest.mark.parametrize(
    "text, reason",
    [
        ("title\nTIME_MAP 1 2 3 TIME_MAP 100\nBANK 1 60 6 TIME_MAP 1 STD\n", "time-of-flight"),
        (bank("STD", in_rows(COUNTS), "RALF"), "binned as RALF"),
        ("title\nBANK 1\n", "binned as nothing"),
        ("title\nBANK 1 60 6 CONST one 5.0 0 0 STD\n", "no number of points, start and step"),
        (bank("FXYE", "1000.0 12.0\n"), "FXYE records cannot be read"),
        (bank("ALT", "oops\n"), "ALT records cannot be read"),
        (bank("ESD", "     100"), "ESD records cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        read_gsas(text, NOWHERE)


def test_content_without_a_place_looks_at_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample.prm").write_text("INS  1 ICONS  0.4596  0.0 0.0 0 0.0 0 0.0\n")
    (tmp_path / "sample.gsa").write_text(GSAS_STD)
    assert read_pattern("sample.gsa").wavelength_source == "stated"
    read = read_pattern_bytes(GSAS_STD.encode(), "sample.gsa")
    assert read.wavelength_source == "assumed"
    assert read.name == "sample.gsa"
