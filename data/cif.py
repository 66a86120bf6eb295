"""CIF in and out: every block with a structure becomes a record, every other one a problem."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from data.canonical import operations_of, standardize
from data.cif_document import Block, BlockError, blocks_of, decode, plain
from data.cif_sites import expanded, has_structure, read_lattice, read_sites
from data.cif_symmetry import StatedSymmetry, stated, stated_number
from data.cif_writing import write_cif
from data.crystal import Crystal
from data.errors import CrystalError
from data.record import Problem, Record, Source, one_line

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["read_cif", "read_cif_text", "write_cif"]

MAX_CIF_BYTES = 64 * 2**20
"""Crystals with all their intensities take a few; reading takes many times the file's memory."""

MAX_TEXT = 1000
"""Characters of a name, identifier or reference that are kept."""

_CODES = (
    "_cod_database_code", "_database_code_amcsd", "_amcsd_database_code", "_database_code_icsd",
    "_database_code_csd", "_database_code_depnum_ccdc_archive", "_database_code",
)  # fmt: skip
_NAMES = ("_chemical_name_mineral", "_chemical_name_common", "_chemical_name_systematic")


def read_cif(path: Path) -> Iterator[Record | Problem]:
    """Read a CIF of one or many blocks.

    A file that cannot be opened, and a block that cannot be read, is a `Problem`; nothing is
    raised. See `read_cif_text` for what is made of a block.
    """
    content = content_of(path)
    if isinstance(content, Problem):
        yield content
    else:
        yield from read_cif_text(decode(content), path.name)


def content_of(path: Path) -> bytes | Problem:
    """What is in a file that may be a CIF, or why it is not looked into."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device never end
            return Problem(path.name, 0, "cannot be read: it is no file; give a CIF")
        if status.st_size > MAX_CIF_BYTES:
            return _too_large(path.name)
        return path.read_bytes()
    except OSError as error:
        return Problem(str(path), 0, f"cannot be read: {error.strerror}; check the path")


def content_of_object(store: FileSystem, uri: str) -> bytes | Problem:
    """The same of an object in a store, by its URI."""
    try:
        with store.open_input_stream(uri.split("://", 1)[1]) as stream:
            content: bytes = stream.read(MAX_CIF_BYTES + 1)
    except OSError as error:
        reason = one_line(str(error), MAX_TEXT)
        return Problem(uri, 0, f"cannot be read ({reason}); check rights and address")
    return _too_large(uri) if len(content) > MAX_CIF_BYTES else content


def _too_large(name: str) -> Problem:
    limit = f"{MAX_CIF_BYTES // 2**20} MiB"
    return Problem(name, 0, f"larger than {limit}; split it into files")


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
        elif has_structure(block):
            found = True
            try:
                yield _record(block, name)
            except CrystalError as error:
                line = error.line if isinstance(error, BlockError) else block.line
                yield Problem(block.where, line, str(error))
            except Exception as error:  # noqa: BLE001 - one bad block must not end a build
                reason = f"{type(error).__name__}: {error}; correct the file"
                yield Problem(block.where, block.line, reason)
    if not found:
        yield Problem(name, 1, "no block has a cell with atoms; give a CIF of a crystal structure")


def _record(block: Block, name: str) -> Record:
    names = (one_line(block.text(tag), MAX_TEXT) for tag in _NAMES)
    return Record(
        crystal=_crystal(block),
        names=tuple(dict.fromkeys(filter(None, names))),
        source=Source(
            name,
            one_line(block.text(*_CODES) or block.name, MAX_TEXT),
            one_line(_reference(block), MAX_TEXT),
        ),
    )


def _crystal(block: Block) -> Crystal:
    lattice = read_lattice(block)
    sites = read_sites(block, lattice)
    symmetry, (fractional, site_of, occupancies) = expanded(sites, lattice, *stated(block))
    crystal = Crystal(
        lattice=lattice,
        species=tuple(sites.species[site] for site in site_of.tolist()),
        occupancies=occupancies,
        fractional=fractional,
        u_iso_angstrom2=sites.u_iso_angstrom2[site_of],
        space_group_number=symmetry.number or 1,
    )
    if symmetry.number:
        return crystal
    number = stated_number(block)
    if not _same_point_group(symmetry, number):
        number = standardize(crystal).crystal.space_group_number
    return replace(crystal, space_group_number=number)


def _same_point_group(symmetry: StatedSymmetry, number: int) -> bool:
    """Whether a stated number has as many rotations as the operations do."""
    if not number:
        return False
    stated = {rotation.tobytes() for rotation in operations_of(number)[0].astype(np.float64)}
    return len(stated) == len({rotation.tobytes() for rotation in symmetry.rotations})


def _reference(block: Block) -> str:
    """Authors, journal volume (year) pages, doi; what of it the block gives."""
    raw = block.column("_publ_author_name", "_citation_author_name") or []
    given = (plain(author) for author in raw if not gemmi.cif.is_null(author))
    authors = list(islice(given, 5))
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
