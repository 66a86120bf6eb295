"""Powder CIF: the measured or processed points of a pattern."""

from __future__ import annotations

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.errors import PatternError, RadiationError
from data.radiation import Radiation
from data.reading.scan import AxisKind, Scan, place
from data.reading.stated import stated_radiation

_POSITIONS: tuple[tuple[str, AxisKind], ...] = (
    ("_pd_proc_2theta_corrected", "two_theta"),
    ("_pd_meas_2theta_scan", "two_theta"),
    ("_pd_meas_2theta_corrected", "two_theta"),
    ("_pd_proc_recip_len_q", "q"),
    ("_pd_proc_d_spacing", "d"),
)
_COUNTS = (
    "_pd_meas_counts_total",
    "_pd_meas_intensity_total",
    "_pd_proc_intensity_total",
    "_pd_meas_counts_net",
    "_pd_meas_intensity_net",
    "_pd_proc_intensity_net",
)
_RANGES = ("_pd_meas_2theta_range_", "_pd_proc_2theta_range_")


def read_pdcif(text: str) -> Scan:
    """Read the first block with measured or processed intensities; calculated ones are ignored.

    Raises:
        PatternError: damaged CIF, no powder pattern in it, or positions that are not 2θ, Q or d.
    """
    try:
        document = gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "unreadable"
        raise PatternError(f"is damaged CIF ({reason}); correct it") from None
    for block in document:
        for tag in _COUNTS:
            column = _column(block, tag)
            if len(column) > 1:
                return _scan(block, column, document)
    raise PatternError("is a CIF without a measured powder pattern; give the measurement")


def _scan(block: gemmi.cif.Block, column: list[str], document: gemmi.cif.Document) -> Scan:
    counts, esd = _values(column)
    kind, positions = _positions(block, len(counts))
    axis, x = place(kind, positions)
    scan = Scan(axis, x, counts, esd, _radiation(block) or _radiation_elsewhere(document))
    known = np.isfinite(x) & np.isfinite(counts)
    if known.all():
        return scan
    return scan.take(known, f"{int((~known).sum())} points without a value were left out.")


def _positions(block: gemmi.cif.Block, points: int) -> tuple[AxisKind, NDArray[np.float64]]:
    for tag, kind in _POSITIONS:
        column = _column(block, tag)
        if len(column) == points:
            return kind, _values(column)[0]
    for prefix in _RANGES:
        start, step = (_single(block, prefix + end) for end in ("min", "inc"))
        stop = _single(block, prefix + "max")
        if start is not None and stop is not None:
            return "two_theta", np.linspace(start, stop, points)
        if start is not None and step is not None:
            return "two_theta", start + step * np.arange(points, dtype=np.float64)
    if _column(block, "_pd_meas_time_of_flight"):
        raise PatternError("is a neutron time-of-flight pattern; give an X-ray pattern over 2θ")
    raise PatternError(f"gives no 2θ, Q or d for its {points} points; add _pd_meas_2theta_scan")


def _radiation(block: gemmi.cif.Block) -> Radiation | None:
    lengths = _values(_column(block, "_diffrn_radiation_wavelength"))[0]
    weights = _values(_column(block, "_diffrn_radiation_wavelength_wt"))[0]
    lengths = lengths[np.isfinite(lengths)]
    if not len(lengths):
        return stated_radiation(" ".join(_column(block, "_diffrn_radiation_type")))
    second = float(lengths[1]) if len(lengths) > 1 else None
    ratio = float(weights[1] / weights[0]) if len(weights) > 1 and weights[0] > 0 else 0.5
    try:
        return Radiation.from_wavelengths(float(lengths[0]), second, ratio=ratio)
    except RadiationError:
        return None


def _radiation_elsewhere(document: gemmi.cif.Document) -> Radiation | None:
    return next((found for found in map(_radiation, document) if found is not None), None)


def _column(block: gemmi.cif.Block, tag: str) -> list[str]:
    return [gemmi.cif.as_string(word) for word in block.find_values(tag)]


def _single(block: gemmi.cif.Block, tag: str) -> float | None:
    values = _values(_column(block, tag))[0]
    return float(values[0]) if len(values) == 1 and np.isfinite(values[0]) else None


def _values(column: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Numbers, NaN where there are none, and their uncertainties where all have one: 120(11)."""
    values = np.array([gemmi.cif.as_number(word) for word in column], dtype=np.float64)
    if not column or not all("(" in word for word in column):
        return values, None
    return values, np.array([_uncertainty(word) for word in column])


def _uncertainty(word: str) -> float:
    """The standard uncertainty of "12.34(5)" is 0.05."""
    number, _, rest = word.partition("(")
    digits = rest.rstrip(")")
    if not digits.isdecimal():
        return 0.0
    mantissa, _, exponent = number.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    power = int(exponent) if exponent.lstrip("+-").isdecimal() and len(exponent) < 4 else 0
    return float(digits) * 10.0 ** (power - decimals)
