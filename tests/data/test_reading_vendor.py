import struct
import sys

import pytest

from data.errors import MissingExtraError, PatternError
from data.reading import vendor
from tests.data.pattern_files import COUNTS, FILES, UXD, X, bruker_raw, columns, zipped

VENDOR = ("bruker.raw", "bruker4.raw", "bruker.brml", "rigaku.rasx")


@pytest.mark.parametrize(
    "name, anode, first, second",
    [
        ("bruker.raw", "Co", 1.788996, 1.792835),
        ("bruker4.raw", "Cu", 1.540598, 1.544426),
        ("bruker.brml", "Cr", 2.289726, 2.293651),
        ("rigaku.rasx", "Ag", 0.559422, 0.563813),
    ],
)
def test_the_wavelengths_in_binary_files(
    name: str, anode: str, first: float, second: float
) -> None:
    pytest.importorskip("geddes")
    scan = vendor.read_binary(FILES[name], name)
    assert scan.x == pytest.approx(X, abs=1e-6)
    assert scan.counts == pytest.approx(COUNTS)
    assert scan.stated is not None
    assert scan.stated.wavelengths_angstrom == pytest.approx((first, second))
    assert scan.stated.name == f"{anode}Ka"


@pytest.mark.parametrize(
    "name, first, second",
    [("bruker.uxd", 1.5406, 1.54439), ("rigaku.ras", 0.7093, 0.71359)],
)
def test_the_wavelengths_in_vendors_text(name: str, first: float, second: float) -> None:
    pytest.importorskip("geddes")
    scan = vendor.read_text(FILES[name].decode(), name)
    assert scan.counts == pytest.approx(COUNTS)
    assert scan.stated is not None
    assert scan.stated.wavelengths_angstrom == pytest.approx((first, second))


def test_the_first_of_several_scans_is_read() -> None:
    pytest.importorskip("geddes")
    scan = vendor.read_text(UXD + "_START=20\n_COUNTS\n1 2 3\n", "two.uxd")
    assert scan.counts == pytest.approx(COUNTS)
    assert scan.warnings == ("The file holds several scans; the first one was read.",)


def test_a_header_without_wavelengths_states_none() -> None:
    pytest.importorskip("geddes")
    blank = bytearray(bruker_raw())
    struct.pack_into("<4d", blank, 624, 0.0, 0.0, 0.0, 0.0)
    assert vendor.read_binary(bytes(blank), "a.raw").stated is None


@pytest.mark.parametrize("name", VENDOR)
def test_without_the_extra_it_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geddes", None)
    with pytest.raises(MissingExtraError, match=rf"{name}: .*braggle\[vendor\]"):
        vendor.read_binary(FILES[name], name)


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"RAW1.01" + bytes(100), "export two columns"),
        (b"RAW2" + bytes(300), "versions 1 and 2"),
        (FILES["bruker.raw"][:-10], "export two columns"),
        (FILES["bruker.brml"][:-30], "damaged zip"),
        (zipped({"sample.xy": columns(X, COUNTS)}), "unpack it"),
        (zipped({"root.xml": "<root/>"}), "export two columns"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, reason: str) -> None:
    pytest.importorskip("geddes")
    with pytest.raises(PatternError, match=reason):
        vendor.read_binary(data, "a.raw")


def test_an_archive_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "_LARGEST_UNPACKED", 1000)
    with pytest.raises(PatternError, match="unpacks to more"):
        vendor.read_binary(FILES["bruker.brml"], "a.brml")


def test_an_encrypted_or_unknown_compression_is_refused() -> None:
    data = bytearray(zipped({"root.xml": "<root/>", "Data0/MesurementConditions0.xml": "<a/>"}))
    at = bytes(data).rfind(b"PK\x01\x02")
    struct.pack_into("<H", data, at + 10, 99)
    with pytest.raises(PatternError, match="damaged zip"):
        vendor.read_binary(bytes(data), "a.rasx")
