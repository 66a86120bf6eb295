"""Texts of little CIFs, whole and broken."""

from __future__ import annotations

HALITE = """data_halite
_chemical_name_mineral Halite
_cell_length_a 5.6402
_cell_length_b 5.6402
_cell_length_c 5.6402
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na 0 0 0
Cl 0.5 0.5 0.5
"""

CAESIUM_CHLORIDE = (
    HALITE.replace("data_halite", "data_caesium_chloride")
    .replace("_chemical_name_mineral Halite\n", "")
    .replace("5.6402", "4.123")
    .replace("F m -3 m", "P m -3 m")
    .replace("Na 0 0 0", "Cs 0 0 0")
)

WITHOUT_ATOMS = HALITE[: HALITE.index("loop_")]

P1 = """data_image0
_cell_length_a 6.0
_cell_length_b 7.0
_cell_length_c 8.0
_cell_angle_alpha 90
_cell_angle_beta 95
_cell_angle_gamma 90
_symmetry_space_group_name_H-M    P 1
_symmetry_int_tables_number 1
loop_
_symmetry_equiv_pos_as_xyz
  'x, y, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Zn1 Zn 0.1000 0.2000 0.3000
O1 O 0.4000 0.5000 0.6000
"""
"""As the CoRE MOFs are: all atoms of the cell, and `P 1` without quotes."""
