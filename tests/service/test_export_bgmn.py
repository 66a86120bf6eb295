"""Structure and control files for BGMN and Profex read back as what was found."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from data.canonical import standardize
from data.crystal import Crystal
from data.radiation import Radiation
from service.handover.bgmn import control_text, structure_text
from tests import crystals
from tests.data.test_wyckoff import SPINEL, SPINEL_AT_THE_OTHER_ORIGIN
from tests.service.conftest import MakeResult
from tests.service.handed_over import STRAIN_PERCENT, phase_of, strained


def text_of(crystal: Crystal, make_result: MakeResult) -> str:
    text = structure_text(phase_of(crystal, make_result))
    assert text is not None
    return text


HEADS = {
    "rutile": (crystals.RUTILE, "SpacegroupNo=136 HermannMauguin=P4_2/m2_1/n2/m Setting=1", "AC"),
    "baddeleyite": (crystals.BADDELEYITE, "SpacegroupNo=14 HermannMauguin=P12_1/c1 Setting=1",
                    ("A", "B", "C", "BETA")),
    "olivine": (crystals.OLIVINE, "SpacegroupNo=62 HermannMauguin=P2_1/n2_1/m2_1/a Setting=1",
                "ABC"),
    "calcite": (crystals.CALCITE, "SpacegroupNo=167 HermannMauguin=R-32/c Setting=1", "AC"),
    "spinel": (SPINEL, "SpacegroupNo=227 HermannMauguin=F4_1/d-32/m Setting=2", "A"),
    "spinel, origin 1": (SPINEL_AT_THE_OTHER_ORIGIN,
                         "SpacegroupNo=227 HermannMauguin=F4_1/d-32/m Setting=2", "A"),
    "anatase": (crystals.ANATASE, "SpacegroupNo=141 HermannMauguin=I4_1/a2/m2/d Setting=2", "AC"),
    "chalcanthite": (crystals.CHALCANTHITE, "SpacegroupNo=2 HermannMauguin=P-1 Setting=1",
                     ("A", "B", "C", "ALPHA", "BETA", "GAMMA")),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_the_structure_file_names_its_setting_and_its_cell(
    name: str, make_result: MakeResult
) -> None:
    crystal, head, free = HEADS[name]
    text = text_of(crystal, make_result)
    assert head in text
    cell = dict(re.findall(r"PARAM=([A-Z]{1,5})=([\d.]+)_", text.partition("RP=")[0]))
    assert list(cell) == list(free)
    standard = standardize(strained(crystal, STRAIN_PERCENT)).crystal
    a, b, c, alpha, beta, gamma = standard.cell
    expected = {"A": a / 10, "B": b / 10, "C": c / 10, "ALPHA": alpha, "BETA": beta, "GAMMA": gamma}
    for key, value in cell.items():
        assert float(value) == pytest.approx(expected[key], rel=1e-5)


POSITIONS = {
    2: {"a": "0 0 0", "b": "0 0 .5", "c": "0 .5 0", "d": ".5 0 0", "e": ".5 .5 0", "f": ".5 0 .5",
        "g": "0 .5 .5", "h": ".5 .5 .5", "i": "x y z"},
    14: {"e": "x y z"},
    62: {"a": "0 0 0", "b": "0 0 .5", "c": "x .25 z", "d": "x y z"},
    136: {"a": "0 0 0", "b": "0 0 .5", "f": "x x 0", "g": "x -x 0"},
    141: {"a": "0 .75 .125", "b": "0 .25 .375", "e": "0 .25 z"},
    167: {"a": "0 0 .25", "b": "0 0 0", "e": "x 0 .25"},
    227: {"a": ".125 .125 .125", "b": ".375 .375 .375", "c": "0 0 0", "d": ".5 .5 .5",
          "e": "x x x"},
}  # fmt: skip
GROUPS = {
    2: "P -1", 14: "P 1 21/c 1", 62: "P n m a", 136: "P 42/m n m", 141: "I 41/a m d:2",
    167: "R -3 c:H", 227: "F d -3 m:2",
}  # fmt: skip
"""First representatives of the International Tables, origin choice 2 where there are two."""


@pytest.mark.parametrize("name", HEADS)
def test_the_structure_file_makes_the_structure_again(name: str, make_result: MakeResult) -> None:
    """Letters and free coordinates put into the tables, expanded by gemmi's operations."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    from data.pymatgen_bridge import to_pymatgen

    crystal = strained(HEADS[name][0], STRAIN_PERCENT)
    text = text_of(HEADS[name][0], make_result)
    number = int(re.findall(r"SpacegroupNo=(\d+)", text)[0])
    cell = {
        key: float(value)
        for key, value in re.findall(r"PARAM=([A-Z]{1,5})=([\d.]+)_", text.partition("RP=")[0])
    }
    a = 10 * cell["A"]
    lengths = (a, 10 * cell.get("B", a / 10), 10 * cell.get("C", a / 10))
    angles = (
        cell.get("ALPHA", 90.0),
        cell.get("BETA", 90.0),
        cell.get("GAMMA", 120.0 if number == 167 else 90.0),
    )
    sites: list[crystals.Site] = []
    lines = re.findall(r"^E=(\S+) Wyckoff=(\w+)(.*) TDS=([\d.]+)$", text, re.MULTILINE)
    for content, letter, where, tds in lines:
        assert float(tds) > 0
        free = {key: float(value) for key, value in re.findall(r"([xyz])=([\d.]+)", where)}
        place = [
            -free[word[1:]] if word[0] == "-" else free[word] if word in free else float(word)
            for word in POSITIONS[number][letter].split()
        ]
        shares = re.findall(r"([A-Z]+)\(([\d.]+)\)", content) or [(content, "1")]
        sites += [(one.capitalize(), *place, float(share)) for one, share in shares]
    made = to_pymatgen(crystals.expand((*lengths, *angles), GROUPS[number], sites))
    ours = to_pymatgen(standardize(crystal).crystal)
    assert len(made) == len(ours)
    matcher = StructureMatcher(ltol=1e-4, stol=1e-3, angle_tol=0.01, scale=False)
    assert matcher.fit(made, ours)


def test_mixed_and_partly_empty_sites_are_written_with_their_shares(
    make_result: MakeResult,
) -> None:
    text = text_of(crystals.OLIVINE, make_result)
    assert "E=(FE(0.1000),MG(0.9000)) Wyckoff=a" in text
    assert "axes or origin differ from the CIF" in text


def test_displacements_are_b_in_square_nanometres(make_result: MakeResult) -> None:
    from dataclasses import replace

    u = np.full(len(crystals.RUTILE), 0.005)
    text = text_of(replace(crystals.RUTILE, u_iso_angstrom2=u), make_result)
    assert f"TDS={8 * math.pi**2 * 0.005 / 100:.6f}" in text
    assert "TDS=0.010000" in text_of(crystals.RUTILE, make_result)


@pytest.mark.parametrize(
    "radiation, said",
    [
        ("CuKa", "LAMBDA=CU\n"),
        ("MoKa", "LAMBDA=MO\n"),
        ("0.4137", "SYNCHROTRON=0.0413700\n"),
        ("AgKa", "% AgKa: 0.0559422 and 0.0563813 nm. Name the emission profile"),
    ],
)
def test_the_control_file_names_the_radiation(
    radiation: str, said: str, make_result: MakeResult
) -> None:
    phases = [phase_of(crystals.RUTILE, make_result, name) for name in ("Rutile", "Other")]
    text = control_text(phases, Radiation.parse(radiation))
    assert said in text
    assert "STRUC[1]=1-Rutile.str\nSTRUC[2]=1-Other.str\n" in text
    assert "sum=P1_Rutile+P1_Other\nQP1_Rutile=P1_Rutile/sum\n" in text
