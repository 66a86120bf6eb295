import re

import numpy as np
import pytest

from data.errors import PatternError
from data.reading.xrdml import read_xrdml
from tests.data.pattern_files import COUNTS, XRDML, X

SCAN = XRDML[XRDML.index("<scan ") : XRDML.index("</scan>") + len("</scan>")]


def changed(old: str, new: str) -> str:
    assert old in XRDML
    return XRDML.replace(old, new)


@pytest.mark.parametrize("schema", ["1.0", "1.3", "1.5", "2.0", "2.3"])
def test_every_schema_by_its_names(schema: str) -> None:
    scan = read_xrdml(changed("XRDMeasurement/1.5", f"XRDMeasurement/{schema}"))
    assert scan.x == pytest.approx(X)
    assert scan.counts == pytest.approx(COUNTS)
    assert scan.esd is None
    assert scan.stated is not None
    assert scan.stated.wavelengths_angstrom == (1.540598, 1.544426)
    assert scan.stated.weights == pytest.approx((2 / 3, 1 / 3))


def test_listed_positions_are_used_as_they_are() -> None:
    listed = " ".join(f"{x + 0.001 * i}" for i, x in enumerate(X))
    text = re.sub(
        r"<startPosition>10\.0</startPosition><endPosition>[\d.]+</endPosition>",
        f"<listPositions>{listed}</listPositions>",
        XRDML,
    )
    assert read_xrdml(text).x == pytest.approx(X + 0.001 * np.arange(60))


def _attenuated(element: str) -> str:
    factors = " ".join(["1"] * 30 + ["100"] * 30)
    text = XRDML.replace("intensities", element)
    return text.replace(
        "<commonCounting",
        f"<beamAttenuationFactors>{factors}</beamAttenuationFactors><commonCounting",
    )


def test_raw_counts_are_corrected_for_the_attenuator_and_intensities_are_not_again() -> None:
    factors = np.repeat([1.0, 100.0], 30)
    raw = read_xrdml(_attenuated("counts"))
    assert raw.counts == pytest.approx(COUNTS * factors)
    assert raw.esd == pytest.approx(np.sqrt(COUNTS) * factors)
    corrected = read_xrdml(_attenuated("intensities"))
    assert corrected.counts == pytest.approx(COUNTS)
    assert corrected.esd == pytest.approx(np.sqrt(COUNTS * factors))


def test_counts_per_second_become_counts() -> None:
    assert read_xrdml(changed('unit="counts"', 'unit="cps"')).counts == pytest.approx(COUNTS * 2)


def test_repeated_scans_are_summed_and_others_left_out() -> None:
    scan = SCAN
    aborted = scan.replace('status="Completed"', 'status="Aborted"')
    other = scan.replace("<startPosition>10.0", "<startPosition>9.0")
    found = read_xrdml(changed(scan, aborted + scan + other + scan))
    assert found.counts == pytest.approx(COUNTS * 2)
    assert found.warnings == (
        "2 scans of the same range were summed.",
        "1 further scan(s) in the file were left out.",
    )


def test_only_the_first_measurement_is_read() -> None:
    measurement = re.search(r"<xrdMeasurement .*</xrdMeasurement>", XRDML, re.DOTALL)
    assert measurement is not None
    found = read_xrdml(changed(measurement.group(), measurement.group() * 3))
    assert found.counts == pytest.approx(COUNTS)
    assert found.warnings == ("2 further scan(s) in the file were left out.",)


def test_an_aborted_scan_is_read_when_there_is_no_other() -> None:
    found = read_xrdml(XRDML.replace('status="Completed"', 'status="Aborted"'))
    assert found.counts == pytest.approx(COUNTS)
    assert "not completed" in found.warnings[0]


def test_an_incident_monochromator_leaves_k_alpha_1() -> None:
    found = read_xrdml(
        changed("<incidentBeamPath>", '<incidentBeamPath><monochromator id="1" name="Ge 220"/>')
    )
    assert found.stated is not None
    assert found.stated.weights == (1.0,)
    assert found.stated.name == "CuKa1"


def test_without_a_wavelength_none_is_stated() -> None:
    text = re.sub(r"<usedWavelength.*</usedWavelength>", "", XRDML, flags=re.DOTALL)
    assert read_xrdml(text).stated is None
    assert read_xrdml(changed(">1.5405980<", ">zero<")).stated is None
    assert read_xrdml(changed(">1.5405980<", ">1000<")).stated is None


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("</xrdMeasurements>", "", "damaged XML"),
        ('axis="2Theta"', 'axis="Phi"', "gives no 2θ for each of its 60 points"),
        ("</scan>", "</scan", "damaged XML"),
        ("intensities", "photons", "without counts"),
        ("dataPoints", "points", "without data points"),
        ('<intensities unit="counts">', '<intensities unit="counts">many ', "word among"),
        ("<scan ", "<scam ", "damaged XML"),
        ("<xrdMeasurements", "<!DOCTYPE a [<!ENTITY b 'c'>]><xrdMeasurements", "document type"),
    ],
)
def test_what_cannot_be_read_is_refused(old: str, new: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        read_xrdml(changed(old, new))


def test_a_measurement_without_a_scan_is_refused() -> None:
    with pytest.raises(PatternError, match="without a scan"):
        read_xrdml(changed(SCAN, ""))
