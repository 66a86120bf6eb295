"""Dispatch by content, the tidying that all formats share, and bad input."""

import gzip
import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import reading
from data.errors import BraggleError, PatternError
from data.pattern import Pattern
from data.radiation import CU_KA, Radiation
from data.reading import read_pattern
from data.reading.scan import Scan, to_pattern
from tests.data.pattern_files import COUNTS, ESD, FILES, X, columns, zipped

VENDOR = (".raw", ".uxd", ".ras", ".brml", ".rasx")


def written(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder: Path, content: bytes | str, name: str = "sample.xy") -> Pattern:
    return read_pattern(written(folder, name, content))


def refusal(folder: Path, content: bytes | str, name: str = "sample.xy") -> str:
    with pytest.raises(PatternError) as caught:
        read(folder, content, name)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", FILES)
def test_one_pattern_in_every_format_is_the_same_pattern(name: str, tmp_path: Path) -> None:
    if name.endswith(VENDOR):
        pytest.importorskip("geddes")
    pattern = read(tmp_path, FILES[name], name)
    assert pattern.name == name
    assert pattern.axis == "two_theta"
    assert pattern.x == pytest.approx(X, abs=1e-6)
    assert pattern.counts == pytest.approx(COUNTS)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("suffix", [".xy", ".xrdml", ".dat", ""])
def test_the_content_decides_and_not_the_name(name: str, suffix: str, tmp_path: Path) -> None:
    if name.endswith(VENDOR):
        pytest.importorskip("geddes")
    pattern = read(tmp_path, FILES[name], f"other{suffix}")
    assert pattern.x == pytest.approx(X, abs=1e-6)
    assert pattern.counts == pytest.approx(COUNTS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_text_in_any_common_encoding(encoding: str, tmp_path: Path) -> None:
    text = "# Probe: Müllerit, λ = 0.7107 Å, 20 °C\n" if encoding != "latin-1" else "# Müll 20 °C\n"
    pattern = read(tmp_path, (text + columns(X, COUNTS)).encode(encoding))
    assert pattern.counts == pytest.approx(COUNTS)


def test_a_pattern_comes_in_by_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FILES["table.csv"])))
    pattern = read_pattern("-")
    assert pattern.counts == pytest.approx(COUNTS)
    assert pattern.name == "standard input"
    monkeypatch.setattr(sys, "stdin", io.StringIO(columns(X, COUNTS)))
    assert read_pattern("-").x == pytest.approx(X)


# Radiation


def test_an_assumed_wavelength_is_said_in_words(tmp_path: Path) -> None:
    pattern = read(tmp_path, columns(X, COUNTS))
    assert pattern.radiation == CU_KA
    assert pattern.wavelength_source == "assumed"
    assert pattern.warnings == (
        "Wavelength assumed to be Cu Kα (1.5406 Å): give `wavelength` if it is another.",
    )


def test_a_given_wavelength_wins_and_says_so_when_the_file_differs(tmp_path: Path) -> None:
    path = written(tmp_path, "a.xy", "# wavelength = 0.7000 Å\n" + columns(X, COUNTS))
    stated = read_pattern(path)
    assert stated.wavelength_source == "stated"
    assert stated.radiation == Radiation.monochromatic(0.7)
    given_ = read_pattern(path, radiation=CU_KA)
    assert given_.radiation == CU_KA
    assert given_.wavelength_source == "given"
    assert given_.warnings == ("The file states 0.7 Å; the given 1.54059 Å was used.",)
    close = read_pattern(path, radiation=Radiation.monochromatic(0.7005))
    assert close.warnings == ()


# Tidying


def test_a_descending_axis_is_turned_round(tmp_path: Path) -> None:
    pattern = read(tmp_path, columns(X[::-1], COUNTS[::-1], ESD[::-1]), "down.xye")
    assert pattern.x == pytest.approx(X)
    assert pattern.counts == pytest.approx(COUNTS)
    assert pattern.esd == pytest.approx(ESD)
    assert pattern.warnings[0] == "The axis descends; it was turned round."


def test_repeated_positions_are_averaged(tmp_path: Path) -> None:
    text = columns(np.repeat(X, 2), np.repeat(COUNTS, 2) + np.tile([-2.0, 2.0], 60))
    pattern = read(tmp_path, text)
    assert pattern.x == pytest.approx(X)
    assert pattern.counts == pytest.approx(COUNTS)
    assert pattern.warnings[0] == "60 point(s) repeat a position; they were averaged."


def test_scans_after_each_other_are_sorted(tmp_path: Path) -> None:
    text = columns(X[30:], COUNTS[30:]) + columns(X[:30], COUNTS[:30])
    pattern = read(tmp_path, text)
    assert pattern.counts == pytest.approx(COUNTS)
    assert "sorted" in pattern.warnings[0]


def test_points_at_or_below_zero_are_left_out(tmp_path: Path) -> None:
    pattern = read(tmp_path, columns(np.append([-0.5, 0.0], X), np.append([3.0, 4.0], COUNTS)))
    assert pattern.x == pytest.approx(X)
    assert pattern.warnings[0] == "Left out 2 point(s) at or below zero."


@given(st.integers(0, 59), st.integers(0, 59))
@settings(max_examples=30)
def test_two_points_in_the_wrong_place_are_put_right(first: int, second: int) -> None:
    order = np.arange(60)
    order[[first, second]] = order[[second, first]]
    pattern = to_pattern(Scan("two_theta", X[order], COUNTS[order]), "a", CU_KA)
    assert pattern.counts == pytest.approx(COUNTS)


def test_a_first_column_that_is_no_axis_is_refused(tmp_path: Path) -> None:
    assert "so it is no axis" in refusal(tmp_path, columns(100 + np.arange(60) % 2 + X, COUNTS))


# Bad input


def test_what_is_not_there_or_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PatternError, match=r"nothing\.xy: no such file"):
        read_pattern(tmp_path / "nothing.xy")
    with pytest.raises(PatternError, match="is a folder"):
        read_pattern(tmp_path)
    with pytest.raises(PatternError, match="cannot be opened"):
        read_pattern("a\x00b.xy")
    with pytest.raises(PatternError, match="is a folder"):
        read_pattern("")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.xy"
    with path.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(PatternError, match=r"huge\.xy: has at least 1024 MB, .* give one"):
        read_pattern(path)


def test_more_than_the_limit_on_the_standard_input_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"1 2\n" * 100)))
    with pytest.raises(PatternError, match="standard input: has at least"):
        read_pattern("-")


def test_far_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "MAX_LINES", 1000)
    assert "more than 1,000 lines" in refusal(tmp_path, b"1 2\n" * 2000)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (columns(X[:3], COUNTS[:3]).encode(), "3 points are too few"),
        (bytes(range(256)), "binary file"),
        (b"\x7fELF\x02\x01\x01" + bytes(64), "binary file"),
        (b"\xff\xfe\x41", "UTF-16"),
        (pickle.dumps(list(range(100))), "pickle"),
        (gzip.compress(b"10 5\n" * 100, mtime=0), "gzip"),
        (zipped({"a.xy": "10 5\n" * 100}), "zip archive; unpack it"),
        (b"PK\x03\x04 and no more", "damaged zip"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "web page"),
        (b"<svg></svg>", "XML but not"),
        (b"no numbers here\n" * 60, "no rows of numbers"),
        (b"12\n" * 60, "one column"),
        (b"10 5 | 6\n" * 60 + b"11 oops\n" * 2, "line 61"),
    ],
)
def test_bad_files_are_refused_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    assert reason in refusal(tmp_path, content)


@pytest.mark.parametrize(
    "value, reason",
    [
        ("nan", "not finite"),
        ("inf", "not finite"),
        ("-3.5", "negative counts"),
        ("1e300", "no counts"),
        ("1e999", "not finite"),
        ("abc", "line 8"),
    ],
)
def test_a_bad_value_among_good_ones_is_refused(value: str, reason: str, tmp_path: Path) -> None:
    lines = columns(X, COUNTS).splitlines()
    lines[7] = f"10.35 {value}"
    assert reason in refusal(tmp_path, "\n".join(lines))


def test_angles_beyond_180_degrees_ask_for_the_unit(tmp_path: Path) -> None:
    assert "if it is Q, say so" in refusal(tmp_path, columns(X * 20, COUNTS))


def test_zero_counts_are_refused(tmp_path: Path) -> None:
    assert "every count is zero" in refusal(tmp_path, columns(X, COUNTS * 0))


SUFFIXES = sorted({Path(name).suffix for name in FILES} | {".tsv", ".gda", ""})


def _only_known_errors(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        pattern = read_pattern(path)
    except BraggleError as error:
        message = str(error)
    else:
        assert (np.diff(pattern.x) > 0).all()
        return
    assert message.startswith(f"{path.name}: ")
    assert "\n" not in message


@given(content=st.binary(max_size=400), suffix=st.sampled_from(SUFFIXES))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_bytes_break_a_reader(content: bytes, suffix: str, tmp_path: Path) -> None:
    _only_known_errors(tmp_path / f"fuzz{suffix}", content)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A real file with pieces cut out, doubled, or overwritten by what breaks parsers."""
    name = draw(st.sampled_from(sorted(FILES)))
    content = FILES[name]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 60)))
        piece = draw(
            st.sampled_from(
                [
                    b"",
                    b"nan",
                    b"-inf",
                    b"1e999",
                    b"-7",
                    b"99999999999999999999",
                    b"\n",
                    b"\x00",
                    b",",
                ]
            )
            | st.just(content[at:end] * 2)
            | st.binary(max_size=8)
            | st.text("0123456789.,;-+eE \t\n()<>_\"'#*=/", max_size=12).map(str.encode)
        )
        content = content[:at] + piece + content[end:]
    return draw(st.just(Path(name).suffix) | st.sampled_from(SUFFIXES)), content


@given(mutated())
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_damage_breaks_a_reader(tmp_path: Path, damaged: tuple[str, bytes]) -> None:
    suffix, content = damaged
    _only_known_errors(tmp_path / f"fuzz{suffix}", content)
