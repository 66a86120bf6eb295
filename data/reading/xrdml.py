"""PANalytical .xrdml, schema 1.0 to 2.x."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from data.errors import PatternError, RadiationError
from data.radiation import Radiation
from data.reading.scan import Scan
from data.reading.xml import parse_xml


@dataclass(frozen=True, eq=False)
class _Points:
    """One scan: degrees 2θ, counts corrected for the attenuator, and their variance. Shape (n,)."""

    x: NDArray[np.float64]
    counts: NDArray[np.float64]
    variance: NDArray[np.float64]

    def repeats(self, other: _Points) -> bool:
        return self.x.shape == other.x.shape and bool(np.allclose(self.x, other.x, atol=1e-4))


def read_xrdml(text: str) -> Scan:
    """Read the first measurement; completed scans that repeat one range are summed.

    Raw `counts` are multiplied by the attenuation factors, `intensities` are corrected in the
    file (XRDMeasurement schema); counts per second are turned into counts by the counting time.

    Raises:
        PatternError: damaged XML, or no scan over 2θ.
    """
    root = parse_xml(text)
    measurements = [m for m in root.iter("xrdMeasurement") if m.find("scan") is not None]
    if not measurements:
        raise PatternError("is .xrdml without a scan; export the measurement again")
    scans, warnings = _chosen(measurements[0].findall("scan"))
    points, first_error = [], None
    for scan in scans:
        try:
            points.append(_points(scan))
        except PatternError as error:
            first_error = first_error or error
    if not points:
        raise first_error or PatternError("is .xrdml without a scan; export it again")
    alike = [other for other in points if points[0].repeats(other)]
    if len(alike) > 1:
        warnings = (*warnings, f"{len(alike)} scans of the same range were summed.")
    left = len(scans) - len(alike) + len(measurements) - 1
    if left:
        warnings = (*warnings, f"{left} further scan(s) in the file were left out.")
    variance = np.sum([p.variance for p in alike], axis=0)
    counts = np.sum([p.counts for p in alike], axis=0)
    esd = None if np.array_equal(variance, counts) else np.sqrt(np.maximum(variance, 1.0))
    return Scan("two_theta", points[0].x, counts, esd, _radiation(measurements[0]), warnings)


def _chosen(scans: Sequence[Element]) -> tuple[list[Element], tuple[str, ...]]:
    completed = [scan for scan in scans if scan.get("status", "Completed") == "Completed"]
    if completed:
        return completed, ()
    return list(scans[:1]), ("The scan was not completed; what there is was read.",)


def _points(scan: Element) -> _Points:
    data = scan.find("dataPoints")
    if data is None:
        raise PatternError("has a scan without data points; export the measurement again")
    counts, variance = _counts(data)
    return _Points(_two_theta(data, len(counts), scan.get("scanAxis", "")), counts, variance)


def _two_theta(data: Element, points: int, scan_axis: str) -> NDArray[np.float64]:
    for positions in data.findall("positions"):
        if positions.get("axis") != "2Theta":
            continue
        listed = _numbers(positions.find("listPositions"))
        if listed is not None and len(listed) == points:
            return listed
        start = _number(positions.find("startPosition"))
        end = _number(positions.find("endPosition"))
        if start is not None and end is not None and points > 1:
            return np.linspace(start, end, points)
    raise PatternError(
        f"its scan runs over {scan_axis or 'an unnamed axis'} and gives no 2θ for each of its "
        f"{points} points; give a 2θ scan"
    )


def _counts(data: Element) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts and their variance, corrected for the attenuator. Two of shape (n,)."""
    raw, intensities = data.find("counts"), data.find("intensities")
    source = raw if raw is not None else intensities
    values = _numbers(source)
    if source is None or values is None:
        raise PatternError("has a scan without counts; export the measurement again")
    factors = _numbers(data.find("beamAttenuationFactors"))
    if factors is None or factors.shape != values.shape or not (factors > 0).all():
        factors = np.ones_like(values)
    if source.get("unit") == "cps":
        values = values * _seconds(data, len(values))
    counts = values * factors if raw is not None else values
    return counts, counts * factors


def _seconds(data: Element, points: int) -> NDArray[np.float64] | float:
    each = _numbers(data.find("countingTimes"))
    if each is not None and len(each) == points and (each > 0).all():
        return each
    common = _number(data.find("commonCountingTime"))
    return common if common is not None and common > 0 else 1.0


def _radiation(measurement: Element) -> Radiation | None:
    used = measurement.find("usedWavelength")
    if used is None:
        return None
    alpha1, alpha2 = _number(used.find("kAlpha1")), _number(used.find("kAlpha2"))
    ratio = _number(used.find("ratioKAlpha2KAlpha1"))
    if alpha1 is None:
        return None
    path = measurement.find("incidentBeamPath")
    monochromator = path is not None and path.find("monochromator") is not None
    if monochromator or alpha2 is None or ratio == 0:
        alpha2 = 0.0
    try:
        return Radiation.from_wavelengths(alpha1, alpha2, ratio=0.5 if ratio is None else ratio)
    except RadiationError:
        return None


def _number(element: Element | None) -> float | None:
    try:
        value = float(element.text or "") if element is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numbers(element: Element | None) -> NDArray[np.float64] | None:
    if element is None or not (element.text or "").strip():
        return None
    try:
        return np.array([float(word) for word in (element.text or "").split()])
    except ValueError:
        raise PatternError(
            f"<{element.tag}> holds a word among its numbers; export it again"
        ) from None
