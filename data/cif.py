"""CIF in and out: every block with a structure becomes a record, every other one a problem."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from data import canonical
from data.cif_document import Block, blocks_of, decode, plain
from data.cif_symmetry import (
    StatedSymmetry,
    from_group,
    from_operations,
    groups_named,
    metric_lattice,
)
from data.crystal import Crystal
from data.errors import CrystalError
from data.record import Problem, Record, Source
from data.sites import element_of, equivalent_displacements, grouped, orbits

MAX_ATOMS = 20_000
MAX_FILE_BYTES = 500_000_000
MAX_SITE_OCCUPANCY = 1.1
"""Rounding and refinement bring a full site a little above one, not further."""

_log = logging.getLogger(__name__)
_EIGHT_PI2 = 8 * math.pi**2
_CELL = (
    "_cell_length_a", "_cell_length_b", "_cell_length_c",
    "_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma",
)  # fmt: skip
_X, _Y, _Z = (f"_atom_site_fract_{axis}" for axis in "xyz")
_OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_pos_as_xyz_",
)
_SYMBOLS = (
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_alt",
    "_space_group_name_h-m_full",
    "_space_group_name_h-m_ref",
)
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_CODES = (
    "_cod_database_code", "_database_code_amcsd", "_amcsd_database_code", "_database_code_icsd",
    "_database_code_csd", "_database_code_depnum_ccdc_archive", "_database_code",
)  # fmt: skip
_NAMES = ("_chemical_name_mineral", "_chemical_name_common", "_chemical_name_systematic")


class _BlockError(CrystalError):
    """What is wrong with a block, and the line of the file where."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def read_cif(path: Path) -> Iterator[Record | Problem]:
    """Read a CIF of one or many blocks.

    A file that cannot be opened, and a block that cannot be read, is a `Problem`; nothing is
    raised. See `read_cif_text` for what is made of a block.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            yield Problem(
                path.name, 0, f"larger than {MAX_FILE_BYTES // 10**6} MB; split it into files"
            )
            return
        content = path.read_bytes()
    except OSError as error:
        yield Problem(str(path), 0, f"cannot be read: {error.strerror}; check the path")
        return
    yield from read_cif_text(decode(content), path.name)


def read_cif_text(text: str, name: str) -> Iterator[Record | Problem]:
    """Read CIF text; `name` is what its problems and sources are called by.

    Symmetry operations in the block win over its space-group symbol, and that over its number;
    without any the block is P1. Atoms are moved onto their special positions and multiplied to
    the whole cell; species that share a site stay several rows. Blocks without any structure
    (publication texts, powder patterns) are passed over where another block has one.
    """
    found = False
    for block in blocks_of(text, name):
        if isinstance(block, Problem):
            found = True
            yield block
        elif block.column(_X) is not None or (block.text(_CELL[0]) and not _is_pattern(block)):
            found = True
            try:
                yield _record(block, name)
            except CrystalError as error:
                line = error.line if isinstance(error, _BlockError) else block.line
                yield Problem(f"{name}, block {block.name}", line, str(error))
    if not found:
        yield Problem(name, 1, "no block has a cell with atoms; give a CIF of a crystal structure")


def _is_pattern(block: Block) -> bool:
    return any(tag.startswith("_pd_") for tag in block.values)


def _record(block: Block, name: str) -> Record:
    return Record(
        crystal=_crystal(block),
        names=tuple(dict.fromkeys(filter(None, (block.text(tag) for tag in _NAMES)))),
        source=Source(name, block.text(*_CODES) or block.name, _reference(block)),
    )


def _crystal(block: Block) -> Crystal:
    lattice = _lattice(block)
    sites = _Sites(block, lattice)
    number = _stated_number(block)
    symmetry, fractional, site_of = _expanded(block, lattice, sites, number)
    rows = _merged(fractional, site_of, sites, lattice)
    crystal = Crystal(
        lattice=lattice,
        species=tuple(sites.species[site] for _, site, _ in rows),
        occupancies=np.array([occupancy for _, _, occupancy in rows]),
        fractional=np.array([position for position, _, _ in rows]),
        u_iso_angstrom2=sites.u_iso[[site for _, site, _ in rows]],
        space_group_number=symmetry.number or 1,
    )
    if symmetry.number:
        return crystal
    found = number if _same_point_group(symmetry, number) else _found_number(crystal)
    return Crystal(
        crystal.lattice, crystal.species, crystal.occupancies, crystal.fractional,
        crystal.u_iso_angstrom2, found,
    )  # fmt: skip


def _lattice(block: Block) -> NDArray[np.float64]:
    values = [_number(block.text(tag) or "?") for tag in _CELL]
    lengths, angles = values[:3], [90.0 if math.isnan(v) else v for v in values[3:]]
    line = block.line_of(*_CELL)
    if any(math.isnan(length) for length in lengths):
        raise _BlockError("no cell lengths; give _cell_length_a, _b and _c in Å", line)
    said = " ".join(f"{value:g}" for value in (*lengths, *angles))
    if not (all(0.5 < v < 1000 for v in lengths) and all(5 < v < 175 for v in angles)):
        raise _BlockError(f"cell {said} is not one of a crystal; correct it (Å, degrees)", line)
    cosines = np.cos(np.radians(angles))
    if 1 - (cosines**2).sum() + 2 * cosines.prod() < 1e-4:
        raise _BlockError(f"the angles of cell {said} enclose no volume; correct them", line)
    return metric_lattice((*lengths, *angles))


def _number(value: str) -> float:
    """A CIF number without its esd; also a fraction such as 1/3. NaN where it is neither."""
    number = gemmi.cif.as_number(value)
    if math.isnan(number) and (parts := re.fullmatch(r"\s*(-?\d+)/([1-9]\d*)\s*", value)):
        return int(parts[1]) / int(parts[2])
    return float(number)


class _Sites:
    """The atom sites of a block that are atoms: species, positions, shares, displacements."""

    def __init__(self, block: Block, lattice: NDArray[np.float64]) -> None:
        self.line = block.line_of(_X)
        columns = [block.column(tag) for tag in (_X, _Y, _Z)]
        count = len(columns[0] or [])
        if count == 0 or any(column is None for column in columns):
            raise _BlockError("no atom sites; give _atom_site_fract_x, _y and _z", self.line)
        if count > MAX_ATOMS:
            raise _BlockError(f"{count} atom sites are more than {MAX_ATOMS}", self.line)
        self._labels = block.column("_atom_site_label") or [""] * count
        self._types = block.column("_atom_site_type_symbol") or self._labels
        self._formula = frozenset(re.findall(r"[A-Z][a-z]?", block.text("_chemical_formula_sum")))
        occupancies = block.column("_atom_site_occupancy") or ["1"] * count
        flags = block.column("_atom_site_calc_flag") or [""] * count
        displacements = _displacements(block, self._labels, lattice)
        self.labels: list[str] = []
        self.species: list[str] = []
        shares: list[float] = []
        positions: list[list[float]] = []
        u_iso: list[float] = []
        for row in range(count):
            raw = [column[row] for column in columns if column is not None]
            symbol = self._symbol(row)
            if symbol is None or flags[row] == "dum" or any(map(gemmi.cif.is_null, raw)):
                continue
            share = self._share(row, occupancies[row])
            if share <= 0:
                continue
            positions.append([self._coordinate(row, value) for value in raw])
            self.labels.append(plain(self._labels[row]))
            self.species.append(symbol)
            shares.append(share)
            u_iso.append(displacements[row])
        if not positions:
            raise _BlockError("no atom site has an element and coordinates", self.line)
        self.occupancies = np.array(shares)
        self.fractional = np.array(positions)
        self.u_iso = np.array(u_iso)

    def _symbol(self, row: int) -> str | None:
        label = plain(self._labels[row])
        symbol = element_of(plain(self._types[row]), among=frozenset())
        if self._types is self._labels or not symbol:
            symbol = element_of(label, among=self._formula)
        if symbol == "":
            raise _BlockError(f"atom site {label!r} names no element", self.line)
        return symbol

    def _share(self, row: int, value: str) -> float:
        if gemmi.cif.is_null(value):
            return 1.0
        share = _number(value)
        if not share <= MAX_SITE_OCCUPANCY:
            raise _BlockError(
                f"occupancy {value} of atom site {plain(self._labels[row])!r} is not between "
                "0 and 1; correct it",
                self.line,
            )
        return min(share, 1.0)

    def _coordinate(self, row: int, value: str) -> float:
        number = _number(value)
        if not abs(number) < 1000:
            raise _BlockError(
                f"coordinate {value} of atom site {plain(self._labels[row])!r} is not a "
                "fraction of the cell; correct it",
                self.line,
            )
        return number


def _displacements(
    block: Block, labels: Sequence[str], lattice: NDArray[np.float64]
) -> list[float]:
    """Mean square displacement of every site in Å², NaN where neither U nor B nor U_ij is given."""
    u_iso = block.column("_atom_site_u_iso_or_equiv")
    b_iso = block.column("_atom_site_b_iso_or_equiv")
    anisotropic = _equivalent_displacements(block, lattice)
    found = []
    for row, label in enumerate(labels):
        value = _number(u_iso[row]) if u_iso else math.nan
        if math.isnan(value) and b_iso:
            value = _number(b_iso[row]) / _EIGHT_PI2
        if math.isnan(value):
            value = anisotropic.get(label, math.nan)
        found.append(value if 0 <= value < 1 else math.nan)
    return found


def _equivalent_displacements(block: Block, lattice: NDArray[np.float64]) -> dict[str, float]:
    """Ueq of the sites in the anisotropic loop, in Å²."""
    labels = block.column("_atom_site_aniso_label")
    if labels is None:
        return {}
    for letter, scale in (("u", 1.0), ("b", 1 / _EIGHT_PI2)):
        pairs = ("11", "22", "33", "12", "13", "23")
        columns = [block.column(f"_atom_site_aniso_{letter}_{pair}") for pair in pairs]
        values = [[_number(value) for value in column] for column in columns if column]
        if len(values) == len(pairs):
            equivalent = equivalent_displacements(np.array(values).T, lattice) * scale
            return dict(zip(labels, equivalent.tolist(), strict=True))
    return {}


def _stated_number(block: Block) -> int:
    """Space-group number that the block writes down, 0 where it writes none."""
    number = _number(block.text(*_NUMBERS) or "?")
    return int(number) if 1 <= number <= 230 else 0


def _symmetries(block: Block, number: int) -> tuple[list[StatedSymmetry], int]:
    """What the symmetry may be, best first, and the line that says it."""
    operations = block.column(*_OPERATIONS)
    line = block.line_of(*_OPERATIONS)
    if operations and not all(map(gemmi.cif.is_null, operations)):
        try:
            return [from_operations(tuple(map(plain, operations)))], line
        except CrystalError as error:
            raise _BlockError(str(error), line) from error
    symbol = block.text(*_SYMBOLS)
    hall = block.text("_space_group_name_hall", "_symmetry_space_group_name_hall")
    cell = [float(gemmi.cif.as_number(block.text(tag) or "90")) for tag in (_CELL[3], _CELL[5])]
    groups = groups_named(symbol, hall, number, *cell)
    line = block.line_of(*_SYMBOLS, *_NUMBERS)
    if not groups:
        if symbol and not re.fullmatch(r"[PA-Z]?\s*1", symbol):
            raise _BlockError(
                f"space group {symbol!r} is not known; give the symmetry operations", line
            )
        _log.info("block %s states no symmetry and is read as P1", block.name)
        groups = (gemmi.SpaceGroup("P 1"),)
    return [from_group(group.xhm()) for group in groups], line


def _expanded(
    block: Block, lattice: NDArray[np.float64], sites: _Sites, number: int
) -> tuple[StatedSymmetry, NDArray[np.float64], NDArray[np.int64]]:
    """All atoms of the cell: the symmetry used, coordinates (n, 3) and the site of each (n,).

    Where the block leaves the origin open, the one that keeps the atoms further apart is taken.
    """
    symmetries, line = _symmetries(block, number)
    candidates = []
    for symmetry in symmetries:
        if not symmetry.fits(lattice):
            raise _BlockError(
                "the symmetry operations do not leave the cell as it is; correct the cell, "
                "or the space group",
                line,
            )
        images, site_of = orbits(
            sites.fractional,
            (symmetry.rotations, symmetry.translations),
            lattice,
            limit=MAX_ATOMS,
        )
        if len(images) > MAX_ATOMS:
            raise _BlockError(f"the cell holds more than {MAX_ATOMS} atoms", sites.line)
        candidates.append((symmetry, images, site_of))
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda candidate: _shortest_distance(candidate[1], lattice))


def _shortest_distance(fractional: NDArray[np.float64], lattice: NDArray[np.float64]) -> float:
    """Between different sites, in Å; of the first few hundred atoms."""
    part = fractional[np.unique(grouped(fractional, lattice), return_index=True)[1]][:400]
    difference = part[:, None] - part[None]
    distances = np.linalg.norm((difference - np.round(difference)) @ lattice, axis=-1)
    np.fill_diagonal(distances, np.inf)
    return round(float(distances.min()), 1)


def _merged(
    fractional: NDArray[np.float64],
    site_of: NDArray[np.int64],
    sites: _Sites,
    lattice: NDArray[np.float64],
) -> list[tuple[NDArray[np.float64], int, float]]:
    """Rows of the crystal: position, index into `sites`, occupancy.

    Species on one site get one position. A species listed twice there is added up, unless that
    makes more than a whole atom: then the file lists one atom twice.
    """
    group = grouped(fractional, lattice)
    if len(group) == int(group.max()) + 1:
        shares = sites.occupancies[site_of].tolist()
        return list(zip(fractional, site_of.tolist(), shares, strict=True))
    members: dict[int, list[int]] = {}
    for image, number in enumerate(group.tolist()):
        members.setdefault(number, []).append(image)
    rows: list[tuple[NDArray[np.float64], int, float]] = []
    for images in members.values():
        shares = sites.occupancies[site_of[images]]
        apart = fractional[images] - fractional[images[0]]
        centre = fractional[images[0]] + shares @ (apart - np.round(apart)) / shares.sum()
        centre -= np.floor(centre + 1e-9)
        content: dict[str, tuple[int, float]] = {}
        for image, share in zip(images, shares.tolist(), strict=True):
            site = int(site_of[image])
            known = content.get(sites.species[site])
            total = share + (known[1] if known else 0.0)
            if known and total > MAX_SITE_OCCUPANCY:
                total = max(share, known[1])
            content[sites.species[site]] = (known[0] if known else site, total)
        total = math.fsum(share for _, share in content.values())
        if total > MAX_SITE_OCCUPANCY:
            named = ", ".join(dict.fromkeys(sites.labels[site_of[image]] for image in images))
            raise _BlockError(
                f"atoms {named} share a site and fill it {total:.2f} times; correct their "
                "occupancies",
                sites.line,
            )
        centre = np.maximum(centre, 0.0)
        rows += [(centre, site, share / max(total, 1.0)) for site, share in content.values()]
    return rows


def _same_point_group(symmetry: StatedSymmetry, number: int) -> bool:
    """Whether a stated number has as many rotations as the operations do."""
    if not number:
        return False
    stated = {rotation.tobytes() for rotation in canonical.operations_of(number)[0]}
    return len(stated) == len({rotation.tobytes() for rotation in symmetry.rotations})


def _found_number(crystal: Crystal) -> int:
    return canonical.standardize(crystal).crystal.space_group_number


def _reference(block: Block) -> str:
    """Authors, journal volume (year) pages, doi; what of it the block gives."""
    raw = block.column("_publ_author_name", "_citation_author_name") or []
    authors = [plain(author) for author in raw if not gemmi.cif.is_null(author)]
    if len(authors) > 4:
        authors = [*authors[:3], "et al."]
    journal = block.text("_journal_name_full", "_citation_journal_full", "_citation_journal_abbrev")
    volume = block.text("_journal_volume", "_citation_journal_volume")
    year = block.text("_journal_year", "_citation_year")
    pages = block.text("_journal_page_first", "_citation_page_first")
    if pages and (last := block.text("_journal_page_last", "_citation_page_last")):
        pages += f"-{last}"
    doi = block.text("_journal_paper_doi", "_citation_doi")
    place = " ".join(filter(None, (journal, volume, f"({year})" if year else "", pages)))
    return ", ".join(filter(None, (", ".join(authors), place, f"doi:{doi}" if doi else "")))


def write_cif(crystal: Crystal, *, name: str = "crystal") -> str:
    """One block of CIF text that reads back as the same crystal.

    In the standard setting of its space group the asymmetric unit is written with the operations;
    in any other cell all atoms are, as P1.

    Args:
        crystal: any cell; a left-handed one is inverted, which moves no atom.
        name: of the block; white space becomes underscores.
    """
    fractional, lattice = crystal.fractional, crystal.lattice
    if np.linalg.det(lattice) < 0:
        fractional, lattice = -fractional, -lattice
    number = crystal.space_group_number
    rows = _asymmetric_unit(crystal)
    if rows is None:
        number, rows = 1, [(row, 1) for row in range(len(crystal))]
    rotations, translations = canonical.operations_of(number)
    lines = [
        f"data_{'_'.join(name.split()) or 'crystal'}",
        f"_chemical_formula_sum            {gemmi.cif.quote(_formula_sum(crystal))}",
        *(f"{tag:<32} {value:.8f}" for tag, value in zip(_CELL, crystal.cell, strict=True)),
        f"_cell_volume                     {crystal.volume_angstrom3:.6f}",
        f"_space_group_name_H-M_alt        {gemmi.cif.quote(gemmi.SpaceGroup(number).hm)}",
        f"_space_group_IT_number           {number}",
        "loop_",
        "_space_group_symop_operation_xyz",
        *(f"'{_triplet(r, t)}'" for r, t in zip(rotations, translations, strict=True)),
        "loop_",
        *(f"_atom_site_{part}" for part in _WRITTEN),
    ]
    counts: dict[str, int] = {}
    for row, multiplicity in rows:
        symbol = crystal.species[row]
        counts[symbol] = counts.get(symbol, 0) + 1
        x, y, z = fractional[row] % 1.0
        displacement = crystal.u_iso_angstrom2[row]
        lines.append(
            f"{symbol}{counts[symbol]} {symbol} {multiplicity} {x:.8f} {y:.8f} {z:.8f} "
            f"{crystal.occupancies[row]:.6g} "
            + (f"{displacement:.6f}" if np.isfinite(displacement) else "?")
        )
    return "\n".join(lines) + "\n"


_WRITTEN = (
    "label", "type_symbol", "symmetry_multiplicity", "fract_x", "fract_y", "fract_z", "occupancy",
    "U_iso_or_equiv",
)  # fmt: skip


def _asymmetric_unit(crystal: Crystal) -> list[tuple[int, int]] | None:
    """One row of each orbit with its multiplicity; None if the standard operations do not fit."""
    rotations, translations = canonical.operations_of(crystal.space_group_number)
    symmetry = StatedSymmetry(rotations.astype(np.float64), translations, 0)
    if np.linalg.det(crystal.lattice) < 0 or not symmetry.fits(crystal.lattice, 1e-5):
        return None
    kinds = np.unique(
        [f"{s} {n:.3f}" for s, n in zip(crystal.species, crystal.occupancies, strict=True)],
        return_inverse=True,
    )[1]
    left = np.ones(len(crystal), dtype=bool)
    rows = []
    for row in range(len(crystal)):
        if not left[row]:
            continue
        same = np.flatnonzero(kinds == kinds[row])
        images = symmetry.rotations @ crystal.fractional[row] + symmetry.translations
        apart = images[:, None] - crystal.fractional[same]
        distance = np.linalg.norm((apart - np.round(apart)) @ crystal.lattice, axis=-1)
        if (distance.min(axis=1) > 1e-4).any():
            return None
        orbit = same[np.unique(distance.argmin(axis=1))]
        if not left[orbit].all():
            return None
        left[orbit] = False
        rows.append((row, len(orbit)))
    return rows


def _triplet(rotation: NDArray[np.int64], translation: NDArray[np.float64]) -> str:
    """An operation as in "x+1/2,-y,z"."""
    operation = gemmi.Op()
    operation.rot = (rotation * gemmi.Op.DEN).tolist()
    operation.tran = [round(float(value) * gemmi.Op.DEN) for value in translation]
    return str(operation.triplet())


def _formula_sum(crystal: Crystal) -> str:
    return " ".join(
        f"{symbol}{amount:.6g}" for symbol, amount in sorted(crystal.composition.items())
    )
