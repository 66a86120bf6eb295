import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import RadiationError
from data.radiation import CU_KA, HC_KEV_ANGSTROM, Radiation

ANODES = ("Cr", "Fe", "Co", "Cu", "Mo", "Ag")

# Hölzer et al. 1997 (Cr, Fe, Co, Cu) and International Tables C, table 4.2.2.1 (Mo, Ag), in Å
LITERATURE = {
    "Cr": (2.289726, 2.293651),
    "Fe": (1.936041, 1.939973),
    "Co": (1.788996, 1.792835),
    "Cu": (1.540593, 1.544427),
    "Mo": (0.709317, 0.713607),
    "Ag": (0.559422, 0.563813),
}


@pytest.mark.parametrize("anode", ANODES)
def test_the_doublets_are_those_of_the_literature(anode: str) -> None:
    assert Radiation.doublet(anode).wavelengths_angstrom == pytest.approx(
        LITERATURE[anode], abs=1e-6
    )
    assert Radiation.doublet(anode).weights == pytest.approx((2 / 3, 1 / 3))


@pytest.mark.parametrize("anode", ANODES)
@pytest.mark.parametrize(
    "spelling", ["{}Ka", "{}", "{} Kα", "{}K-alpha", "{}_Ka", "{} k_Alpha", " {}KA "]
)
def test_an_anode_is_a_doublet_however_it_is_spelt(anode: str, spelling: str) -> None:
    assert Radiation.parse(spelling.format(anode)) == Radiation.doublet(anode)
    assert Radiation.parse(spelling.format(anode.upper())) == Radiation.doublet(anode)


@pytest.mark.parametrize("anode", ANODES)
def test_one_line_of_an_anode_is_one_wavelength(anode: str) -> None:
    for line in (0, 1):
        radiation = Radiation.parse(f"{anode}Kα{line + 1}")
        assert radiation.wavelengths_angstrom == pytest.approx((LITERATURE[anode][line],), abs=1e-6)
        assert radiation.weights == (1.0,)
        assert radiation.name == f"{anode}Ka{line + 1}"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1.5406", 1.5406),
        ("1,5406", 1.5406),
        (".4137", 0.4137),
        ("0.4137 Å", 0.4137),
        ("0.4137A", 0.4137),
        ("0.5 angstrom", 0.5),
        ("12.398419843320026keV", 1.0),
        ("17.4 keV", 0.712553),
        ("8.04778 KEV", 1.540601),
    ],
)
def test_a_wavelength_or_an_energy_is_one_wavelength(text: str, expected: float) -> None:
    radiation = Radiation.parse(text)
    assert radiation.wavelengths_angstrom == pytest.approx((expected,), abs=2e-6)


@pytest.mark.parametrize(
    "text",
    ["", "Zz", "CuKb", "abc", "0", "-1.5", "0keV", "1e400", "nan", "1.54 m", "99", "Cu Ka 3"],
)
def test_what_is_no_radiation_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RadiationError) as caught:
        Radiation.parse(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(RadiationError):
        assert 0.05 <= Radiation.parse(text).wavelength_angstrom <= 10.0


@given(st.floats(0.051, 9.99))
def test_wavelength_and_energy_say_the_same(wavelength: float) -> None:
    by_energy = Radiation.parse(f"{HC_KEV_ANGSTROM / wavelength:.12f}keV")
    assert by_energy.wavelength_angstrom == pytest.approx(wavelength, rel=1e-9)


@given(st.floats(0.0501, 9.999))
def test_the_name_of_one_wavelength_reads_back(wavelength: float) -> None:
    radiation = Radiation.monochromatic(wavelength)
    assert Radiation.parse(radiation.name).wavelength_angstrom == pytest.approx(
        wavelength, rel=1e-5
    )


@pytest.mark.parametrize("anode", ANODES)
def test_the_name_of_a_doublet_reads_back(anode: str) -> None:
    assert Radiation.parse(Radiation.doublet(anode).name) == Radiation.doublet(anode)


@pytest.mark.parametrize(
    "wavelengths, weights",
    [
        ((), ()),
        ((1.5,), (0.5, 0.5)),
        ((1.5,), (0.9,)),
        ((1.5, 1.6), (1.5, -0.5)),
        ((1.5,), (math.nan,)),
        ((math.nan,), (1.0,)),
        ((0.01,), (1.0,)),
        ((11.0,), (1.0,)),
    ],
)
def test_an_impossible_radiation_is_refused(
    wavelengths: tuple[float, ...], weights: tuple[float, ...]
) -> None:
    with pytest.raises(RadiationError):
        Radiation(wavelengths, weights, "impossible")


def test_a_mean_wavelength_is_the_doublet() -> None:
    for mean in (1.5418, 1.54184, 1.541838):
        assert Radiation.from_wavelengths(mean) == CU_KA
    assert Radiation.from_wavelengths(0.71073) == Radiation.doublet("Mo")


def test_k_alpha_1_alone_is_the_doublet_unless_there_is_no_second() -> None:
    radiation = Radiation.from_wavelengths(1.5406)
    assert radiation.wavelengths_angstrom == pytest.approx((1.5406, 1.544434), abs=1e-6)
    assert radiation.name == "CuKa"
    alone = Radiation.from_wavelengths(1.5406, 0.0)
    assert alone.wavelengths_angstrom == (1.5406,)
    assert alone.name == "CuKa1"


def test_stated_lines_and_ratio_are_kept() -> None:
    radiation = Radiation.from_wavelengths(1.5405, 1.5443, ratio=0.25)
    assert radiation.wavelengths_angstrom == (1.5405, 1.5443)
    assert radiation.weights == pytest.approx((0.8, 0.2))
    assert Radiation.from_wavelengths(1.5405, 1.5443, ratio=math.nan).weights == (1.0,)


@given(st.floats(0.05, 10.0))
def test_a_stated_wavelength_is_kept_to_half_a_percent(wavelength: float) -> None:
    radiation = Radiation.from_wavelengths(wavelength)
    assert radiation.wavelength_angstrom == pytest.approx(wavelength, rel=5e-3)
    assert sum(radiation.weights) == pytest.approx(1.0)
