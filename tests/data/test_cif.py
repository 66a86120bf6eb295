from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from data.canonical import crystal_id, standardize
from data.cif import read_cif, read_cif_text, write_cif
from data.crystal import Crystal
from data.record import Problem, Record
from data.sites import element_of
from tests import crystals
from tests.data.settings import rewritten

SMALL = sorted(set(crystals.ALL) - {"MOF-5"})


def cif(
    *atoms: str,
    cell: str = "4 4 4 90 90 90",
    symmetry: str = "",
    columns: str = "label fract_x fract_y fract_z occupancy",
    more: str = "",
    name: str = "one",
) -> str:
    """A CIF of one block with these rows of atoms."""
    tags = ["length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"]
    lines = [f"data_{name}"]
    lines += [f"_cell_{tag} {value}" for tag, value in zip(tags, cell.split(), strict=True)]
    lines += [symmetry] if symmetry else []
    lines += [more] if more else []
    lines += ["loop_", *(f"_atom_site_{column}" for column in columns.split()), *atoms]
    return "\n".join(lines) + "\n"


def operations(*triplets: str) -> str:
    return "\n".join(["loop_", "_symmetry_equiv_pos_as_xyz", *(f"'{t}'" for t in triplets)])


def record(text: str) -> Record:
    (found,) = read_cif_text(text, "test.cif")
    assert isinstance(found, Record), found
    return found


def crystal(text: str) -> Crystal:
    return record(text).crystal


def problem(text: str) -> Problem:
    (found,) = read_cif_text(text, "test.cif")
    assert isinstance(found, Problem), found
    assert "\n" not in str(found)
    return found


class TestSymmetry:
    def test_operations_win_over_the_symbol(self) -> None:
        symmetry = "_symmetry_space_group_name_H-M 'F m -3 m'\n" + operations("x,y,z", "-x,-y,-z")
        found = crystal(cif("Na 0.1 0.2 0.3 1", symmetry=symmetry))
        assert len(found) == 2
        assert found.space_group_number == 2

    @pytest.mark.parametrize(
        "symmetry",
        [
            "_symmetry_space_group_name_H-M 'F m -3 m'",
            "_space_group_name_H-M_alt Fm-3m",
            "_symmetry_space_group_name_H-M F m -3 m",
            "_space_group_name_Hall '-F 4 2 3'",
            "_space_group_IT_number 225",
            "_symmetry_Int_Tables_number 225",
        ],
    )
    def test_any_way_of_naming_a_group(self, symmetry: str) -> None:
        found = crystal(cif("Na 0 0 0 1", "Cl .5 .5 .5 1", cell="5.64 5.64 5.64 90 90 90",
                            symmetry=symmetry))  # fmt: skip
        assert found.space_group_number == 225
        assert found.composition == {"Na": 4.0, "Cl": 4.0}

    def test_without_symmetry_it_is_p1(self) -> None:
        found = crystal(cif("Na 0.1 0.2 0.3 1"))
        assert (len(found), found.space_group_number) == (1, 1)

    def test_the_origin_left_open_is_settled_by_distances(self) -> None:
        symmetry = "_symmetry_space_group_name_H-M 'F d -3 m'"
        for x in ("0 0 0", "0.125 0.125 0.125"):
            found = crystal(cif(f"Si {x} 1", cell="5.43 5.43 5.43 90 90 90", symmetry=symmetry))
            assert crystal_id(found) == crystal_id(crystals.expand(
                (5.43, 5.43, 5.43, 90, 90, 90), "F d -3 m:2", [("Si", 0.125, 0.125, 0.125)]
            ))  # fmt: skip

    def test_rhombohedral_axes_are_seen_by_their_angles(self) -> None:
        found = crystal(cif("Bi 0.234 0.234 0.234 1", cell="4.75 4.75 4.75 57.2 57.2 57.2",
                            symmetry="_symmetry_space_group_name_H-M 'R -3 m'"))  # fmt: skip
        assert (len(found), found.space_group_number) == (2, 166)

    def test_unusual_translations(self) -> None:
        symmetry = operations("x,y,z", "x+1/5,y,z", "x+.4,y,z", "x+3/5,y,z", "0.8+x,y,z")
        found = crystal(cif("Na 0.1 0.2 0.3 1", cell="20 4 5 90 90 90", symmetry=symmetry))
        assert len(found) == 5
        assert found.space_group_number == standardize(found).crystal.space_group_number

    def test_symmetry_that_does_not_fit_the_cell_is_a_problem(self) -> None:
        symmetry = "_space_group_IT_number 194"
        found = problem(cif("Mg 0.33333 0.66667 0.25 1", symmetry=symmetry))
        assert "does not leave the cell as it is" in found.reason
        assert found.line == 8

    @pytest.mark.parametrize("triplet", ["x,y", "x,y,q", "x,x,z", "1/0+x,y,z", "2x,y,z", ""])
    def test_a_bad_operation_is_quoted(self, triplet: str) -> None:
        found = problem(cif("Na 0 0 0 1", symmetry=operations("x,y,z", triplet or "''")))
        assert "symmetry operation" in found.reason
        assert found.line == 8

    def test_an_unknown_symbol_is_quoted(self) -> None:
        found = problem(cif("Na 0 0 0 1", symmetry="_symmetry_space_group_name_H-M 'Q 99'"))
        assert "'Q 99'" in found.reason


class TestSites:
    def test_a_rounded_third_is_a_third(self) -> None:
        found = crystal(cif("Mg 0.3333 0.6667 0.25 1", cell="3.2 3.2 5.2 90 90 120",
                            symmetry="_space_group_IT_number 194"))  # fmt: skip
        assert len(found) == 2
        np.testing.assert_allclose(np.sort(found.fractional[:, 0]), [1 / 3, 2 / 3], atol=1e-12)

    def test_split_atoms_stay_apart(self) -> None:
        found = crystal(cif("O 0.05 0.2 0.3 0.5", symmetry=operations("x,y,z", "-x,y,z")))
        assert len(found) == 2

    def test_species_on_one_site_stay_rows_at_one_position(self) -> None:
        found = crystal(cif("Mg 0.1001 0.2 0.3 0.9", "Fe 0.1 0.2 0.3 0.1"))
        assert dict(zip(found.species, found.occupancies, strict=True)) == {"Mg": 0.9, "Fe": 0.1}
        np.testing.assert_array_equal(found.fractional[0], found.fractional[1])

    def test_parts_of_one_species_are_added(self) -> None:
        found = crystal(cif("Fe2+ 0.1 0.2 0.3 0.4", "Fe3+ 0.1 0.2 0.3 0.6"))
        assert found.species == ("Fe",)
        assert found.occupancies[0] == pytest.approx(1.0)

    def test_an_atom_listed_twice_is_one(self) -> None:
        symmetry = operations("x,y,z", "-x,-y,-z")
        found = crystal(cif("Na 0.1 0.2 0.3 1", "Na .9 .8 .7 1", symmetry=symmetry))
        assert len(found) == 2
        assert found.is_ordered

    def test_a_site_a_hair_over_full_is_scaled(self, caplog: pytest.LogCaptureFixture) -> None:
        found = crystal(cif("Mg 0 0 0 0.92", "Fe 0 0 0 0.1"))
        assert found.occupancies.sum() == pytest.approx(1.0)
        assert not caplog.records

    def test_a_site_filled_twice_is_scaled_and_said(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            found = crystal(cif("Cd1 0 0 0 1", "O1 0 0 0.001 1"))
        assert found.occupancies.sum() == pytest.approx(1.0)
        assert caplog.messages == [
            "test.cif, block one, line 8: Cd1, O1 fill one site 2.00 times; scaled to one"
        ]

    def test_several_sites_filled_twice_are_one_message_a_block(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        atoms = ("Cd1 0 0 0 1", "O1 0 0 0 1", "Cd2 .5 0 0 1", "O2 .5 0 0 1", "S1 0 .5 0 1")
        twice = cif(*atoms, name="first") + cif(*atoms[:2], name="second")
        # A block that gemmi refuses makes the text be read block by block.
        broken = twice + "data_broken\nloop_\n_a\n_b\n1\n"
        for text, blocks in ((twice, 2), (broken, 3)):
            caplog.clear()
            assert len(list(read_cif_text(text, "some.cif"))) == blocks
            first, second = caplog.messages
            assert first.startswith("some.cif, block first, line 8: Cd1, O1 fill one site 2.00")
            assert first.endswith("times, and 1 more such; scaled to one")
            assert second.startswith("some.cif, block second, line 26: Cd1, O1 fill one site 2.00")
            assert second.endswith("times; scaled to one")

    def test_occupancies_not_given_are_one_and_zeros_are_left_out(self) -> None:
        found = crystal(cif("Na 0 0 0 ?", "Cl .5 .5 .5 .", "K 0 0 .5 0", "Br .5 0 0 1.00(2)"))
        assert found.species == ("Na", "Cl", "Br")
        assert found.is_ordered

    @pytest.mark.parametrize("value", ["7", "100", "abc", "1e999"])
    def test_a_nonsense_occupancy_is_a_problem_with_its_line(self, value: str) -> None:
        found = problem(cif(f"Na1 0 0 0 {value}"))
        assert f"occupancy {value} of atom site 'Na1'" in found.reason
        assert found.line == 8

    def test_esds_fractions_and_null_coordinates(self) -> None:
        found = crystal(cif("Na 0.25(1) 1/3 -.25 1", "H ? ? ? 1", "Cl 1.5 0 0 1"))
        assert found.species == ("Na", "Cl")
        np.testing.assert_allclose(found.fractional, [[0.25, 1 / 3, 0.75], [0.5, 0, 0]])

    def test_a_nonsense_coordinate_is_quoted(self) -> None:
        assert "coordinate 1,5 of atom site 'Na'" in problem(cif("Na 1,5 0 0 1")).reason

    def test_the_type_symbol_goes_before_the_label(self) -> None:
        text = cif(
            "M1 Fe3+ 0 0 0", "C1 Ar .5 .5 .5", "CA1 ? 0 0 .5", "O1 X 0 .5 0",
            columns="label type_symbol fract_x fract_y fract_z",
            more="_chemical_formula_sum 'Fe1 Ca1 Ar1'",
        )  # fmt: skip
        found = crystal(text)
        assert found.species == ("Fe", "Ar", "Ca")

    def test_a_label_that_names_nothing_is_a_problem(self) -> None:
        assert "atom site 'M1' names no element" in problem(cif("M1 0 0 0 1")).reason

    def test_columns_of_different_loops_are_a_problem(self) -> None:
        text = cif("Na 0 0 0 1") + "loop_\n_atom_site_calc_flag\nd\nd\n"
        assert "2 values of _atom_site_calc_flag" in problem(text).reason


class TestDisplacements:
    def test_u_b_and_anisotropic(self) -> None:
        columns = "label fract_x fract_y fract_z U_iso_or_equiv B_iso_or_equiv"
        aniso = "loop_\n_atom_site_aniso_label\n" + "".join(
            f"_atom_site_aniso_U_{ij}\n" for ij in ("11", "22", "33", "12", "13", "23")
        )
        text = cif("Na 0 0 0 0.012(3) ?", "Cl .5 .5 .5 ? 0.7896", "O 0 0 .5 ? ?", "F 0 .5 0 ? .",
                   columns=columns, cell="4 4 5 90 90 120")  # fmt: skip
        found = crystal(text + aniso + "O 0.02 0.02 0.05 0.01 0 0\n")
        expected = [0.012, 0.7896 / (8 * np.pi**2), 0.03, np.nan]
        np.testing.assert_allclose(found.u_iso_angstrom2, expected, rtol=1e-4)


class TestLabels:
    @pytest.mark.parametrize(
        "label, element",
        [
            ("Fe3+", "Fe"), ("O2-", "O"), ("D1", "H"), ("D", "H"), ("Dy1", "Dy"), ("DY2", "Dy"),
            ("Wat", "O"), ("WAT3", "O"), ("Wa1", "O"), ("W1", "W"), ("Ow", "O"), ("OW1", "O"),
            ("OH", "O"), ("Oh2", "O"), ("Os1", "Os"), ("H2O", "O"), ("Hw1", "H"), ("NH4", "N"),
            ("Na1", "Na"), ("FE1", "Fe"), ("SI", "Si"), ("CaM1", "Ca"), ("AlT1", "Al"),
            ("OA1", "O"), ("CB2", "C"), ("HO1", "H"), ("2H", "H"), ("ca", "Ca"), ("cl1", "Cl"),
        ],
    )  # fmt: skip
    def test_elements(self, label: str, element: str) -> None:
        assert element_of(label) == element

    @pytest.mark.parametrize("label", ["X", "Du1", "Q3", "Vac", "Cg1", "?", ""])
    def test_dummies(self, label: str) -> None:
        assert element_of(label) is None

    @pytest.mark.parametrize("label", ["M1", "T", "Z9", "(Mg,Fe)"])
    def test_what_names_nothing(self, label: str) -> None:
        assert element_of(label) == ""

    def test_the_formula_settles_what_is_open(self) -> None:
        assert element_of("CA1", among=frozenset({"C", "H"})) == "C"
        assert element_of("CA1", among=frozenset({"Ca", "O"})) == "Ca"
        assert element_of("HO1", among=frozenset({"Ho", "O"})) == "Ho"


class TestDocuments:
    def test_names_reference_and_code(self) -> None:
        more = (
            "_chemical_name_mineral 'Halite'\n_chemical_name_common ?\n"
            "_chemical_name_systematic\n;Sodium\n chloride\n;\n_cod_database_code 9000629\n"
            "_journal_name_full 'Acta Crystallographica'\n_journal_year 1913\n_journal_volume 7\n"
            "_journal_page_first 1\n_journal_page_last 9\n_journal_paper_doi 10.1/x\n"
            "loop_\n_publ_author_name\n'Bragg, W. L.'\n'Other, A.'"
        )
        found = record(cif("Na 0 0 0 1", more=more))
        assert found.names == ("Halite", "Sodium chloride")
        assert found.source.collection == "test.cif"
        assert found.source.identifier == "9000629"
        assert found.source.reference == (
            "Bragg, W. L., Other, A., Acta Crystallographica 7 (1913) 1-9, doi:10.1/x"
        )

    def test_the_block_name_identifies_what_has_no_code(self) -> None:
        assert record(cif("Na 0 0 0 1", name="my_phase")).source.identifier == "my_phase"

    def test_a_bad_block_is_reported_with_its_line_and_the_others_are_read(self) -> None:
        bad = cif("Na 0 0 0 1", name="bad").replace("_cell_length_b 4", "_cell_length_b 'four")
        text = cif("Na 0 0 0 1", name="first") + bad + cif("Cl 0 0 0 1", name="last")
        first, middle, last = read_cif_text(text, "test.cif")
        assert isinstance(first, Record)
        assert isinstance(last, Record)
        assert last.source.identifier == "last"
        assert isinstance(middle, Problem)
        assert middle.where == "test.cif, block bad"
        assert text.splitlines()[middle.line - 1] == "_cell_length_b 'four"

    def test_a_block_that_makes_no_sense_leaves_the_others(self) -> None:
        text = cif("Na 0 0 0 9", name="bad") + cif("Na 0 0 0 1", name="good")
        bad, good = read_cif_text(text, "test.cif")
        assert isinstance(bad, Problem)
        assert isinstance(good, Record)

    def test_blocks_of_one_name_are_both_read(self) -> None:
        assert len(list(read_cif_text(cif("Na 0 0 0 1") * 2, "test.cif"))) == 2

    def test_a_block_of_text_is_passed_over(self) -> None:
        text = "data_global\n_publ_section_title 'On salt'\n" + cif("Na 0 0 0 1")
        assert len(list(read_cif_text(text, "test.cif"))) == 1

    def test_unquoted_symbols_and_operations_are_understood(self) -> None:
        symmetry = (
            "_symmetry_space_group_name_H-M P -1 # triclinic\n"
            "loop_\n_symmetry_equiv_pos_site_id\n_symmetry_equiv_pos_as_xyz\n"
            "1 x, y, z\n2 -x, -y, -z"
        )
        text = cif("Na .1 .2 .3 1", symmetry=symmetry).replace("data_one", "data_one two")
        assert crystal(text).space_group_number == 2

    def test_dots_and_capitals_in_tags(self) -> None:
        text = cif("Na 0 0 0 1").replace("_cell_length_", "_CELL.length_")
        assert len(crystal(text.replace("_atom_site_", "_atom_site."))) == 1

    @pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "data_x\n_a 1\n"])
    def test_nothing_is_one_problem(self, text: str) -> None:
        assert "give a CIF" in problem(text).reason

    def test_other_texts_are_one_problem(self) -> None:
        assert "no data_ block" in problem("2theta counts\n10.0 5\n").reason
        assert "binary" in problem("PK\x03\x04\0\0").reason

    def test_a_cell_without_atoms_is_a_problem(self) -> None:
        assert "no atom sites" in problem("data_x\n_cell_length_a 4\n_cell_length_b 4\n"
                                          "_cell_length_c 4\n").reason  # fmt: skip

    @pytest.mark.parametrize(
        "cell",
        ["? 4 4 90 90 90", "0 4 4 90 90 90", "4 4 1e9 90 90 90", "4 4 -4 90 90 90",
         "4 4 4 90 90 180", "4 4 4 30 30 120", "4 4 x 90 90 90"],
    )  # fmt: skip
    def test_a_cell_that_is_none_is_a_problem(self, cell: str) -> None:
        assert problem(cif("Na 0 0 0 1", cell=cell)).line == 2

    def test_what_explodes_is_refused(self) -> None:
        rng = np.random.default_rng(0)
        rows = [
            f"C{i} {x:.4f} {y:.4f} {z:.4f} 1" for i, (x, y, z) in enumerate(rng.random((5000, 3)))
        ]
        symmetry = "_space_group_IT_number 225"
        assert "more than 20000 atoms" in problem(cif(*rows, symmetry=symmetry)).reason
        assert "atom sites are more than" in problem(cif(*rows * 5)).reason
        many = operations(*["x,y,z"] * 1000)
        assert (
            "symmetry operations are more than" in problem(cif("C 0 0 0 1", symmetry=many)).reason
        )

    @pytest.mark.parametrize(
        "encoding, ends",
        [("utf-8", "\n"), ("utf-8-sig", "\r\n"), ("latin-1", "\r"), ("utf-16", "\n")],
    )
    def test_encodings_and_line_ends(self, tmp_path: Path, encoding: str, ends: str) -> None:
        text = cif("Na 0 0 0 1", more="_chemical_name_mineral 'Café'").replace("\n", ends)
        path = tmp_path / "x.cif"
        path.write_bytes(text.encode(encoding))
        (found,) = read_cif(path)
        assert isinstance(found, Record)
        assert found.names == ("Café",)

    def test_a_file_that_is_not_there_is_a_problem(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.cif", tmp_path):
            (found,) = read_cif(path)
            assert isinstance(found, Problem)
            assert "cannot be read" in found.reason

    @settings(max_examples=100, deadline=None,
              suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
    @given(content=st.binary(max_size=400))
    def test_any_bytes_end_in_problems(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "x.cif"
        path.write_bytes(content)
        assert all(isinstance(found, Problem) for found in read_cif(path))

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_a_damaged_cif_ends_in_records_or_problems(self, data: st.DataObject) -> None:
        text = write_cif(crystals.OLIVINE)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(text)))
            drop = data.draw(st.integers(0, 12))
            put = data.draw(st.text("0123456789.-+?'\";#_ \n(),/xyzFeOdataloop\0é", max_size=6))
            text = text[:at] + put + text[at + drop :]
        for found in read_cif_text(text, "x.cif"):
            assert isinstance(found, Record | Problem)
            assert "\n" not in str(found) or isinstance(found, Record)


class TestWriting:
    @pytest.mark.parametrize("name", sorted(crystals.ALL))
    def test_what_is_written_reads_back_as_the_same_crystal(self, name: str) -> None:
        for written in (crystals.ALL[name], standardize(crystals.ALL[name]).crystal):
            found = record(write_cif(written, name="a b"))
            assert found.source.identifier == "a_b"
            assert crystal_id(found.crystal) == crystal_id(written)
            assert found.crystal.cell == pytest.approx(written.cell, abs=1e-6)
            assert found.crystal.composition == pytest.approx(written.composition)

    def test_the_standard_setting_is_written_with_its_symmetry(self) -> None:
        standard = standardize(crystals.OLIVINE).crystal
        text = write_cif(standard)
        assert "'P n m a'" in text
        assert text.count("\nO") == 3
        assert crystal(text).space_group_number == 62

    def test_other_settings_are_written_as_p1(self) -> None:
        assert "'P 1'" in write_cif(crystals.OLIVINE)

    def test_displacements_are_kept(self) -> None:
        u_iso = np.linspace(0.001, 0.06, len(crystals.CHALCANTHITE))
        found = crystal(write_cif(replace(crystals.CHALCANTHITE, u_iso_angstrom2=u_iso,
                                          space_group_number=1)))  # fmt: skip
        np.testing.assert_allclose(found.u_iso_angstrom2, u_iso, atol=1e-6)

    @settings(max_examples=40, deadline=None)
    @given(name=st.sampled_from(SMALL), seed=st.integers(0, 2**32 - 1), copies=st.integers(1, 2))
    def test_any_setting_survives_writing_and_reading(
        self, name: str, seed: int, copies: int
    ) -> None:
        other = rewritten(crystals.ALL[name], np.random.default_rng(seed), copies=copies)
        assume(all(5 < angle < 175 for angle in other.cell[3:]))
        assert crystal_id(crystal(write_cif(other))) == crystal_id(crystals.ALL[name])


@pytest.mark.skipif("BRAGGLE_DEV_DATA" not in os.environ, reason="no development data named")
def test_every_development_cif_reads() -> None:
    folder = Path(os.environ["BRAGGLE_DEV_DATA"])
    found = [one for path in sorted(folder.glob("*/**/*.cif"))[:3000] for one in read_cif(path)]
    assert [str(one) for one in found if isinstance(one, Problem)] == []
