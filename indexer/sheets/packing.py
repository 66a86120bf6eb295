"""Sheets in one packed file, to train with.

    python -m indexer.sheets.packing sheets.parquet --into sheets.npz [--exclude FORMULAS]

A tenth of the sheets is held out at random, and a tenth of the compositions whole; neither those
sheets nor any of a held-out composition are trained on. Of the others more are made with related
elements.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard, standardize
from data.crystal import Crystal
from data.errors import BraggleError
from data.formula import reduced_formula
from data.lines import Lines
from data.record import Record
from data.sheet_diffraction import Rods, amplitudes, rods_of
from data.sheets import sheet_of
from data.sources import open_source
from data.thermal import diffuse
from indexer.encoders.packing import formulas_in
from indexer.encoders.substitution import draw_substitution, substituted
from indexer.sheets.axes import AT_RANDOM, BY_COMPOSITION, TRAINED
from indexer.sheets.tokens import Geometry, geometry_of

TENTH = 10
LINES_KEPT = 64
LEAST_LINES = 2


@dataclass(frozen=True, eq=False)
class Packed:
    """A sheet as the file holds it; see `write_packed` for the columns."""

    formula: str
    part: int
    identifier: str
    geometry: Geometry
    lines: Lines
    diffuse: NDArray[np.float64]
    rods: NDArray[np.int64]


def part_of(formula: str, identifier: str) -> int:
    """What a sheet is for: training, or held out by its composition or at random."""
    if zlib.crc32(f"composition {formula}".encode()) % TENTH == 0:
        return BY_COMPOSITION
    return AT_RANDOM if zlib.crc32(f"sheet {identifier}".encode()) % TENTH == 0 else TRAINED


def packed_of(sheet: Crystal, part: int, identifier: str) -> Packed:
    """A sheet in the frame of sheets as the file holds it."""
    rods = rods_of(sheet)
    lines = rods.lines(np.abs(amplitudes(sheet, rods)) ** 2)
    strength = lines.strength / lines.inv_d2
    kept = np.sort(np.argsort(-strength, kind="stable")[:LINES_KEPT])
    scale = max(float(lines.strength.max(initial=0.0)), 1e-30)
    return Packed(
        reduced_formula(sheet.composition),
        part,
        identifier,
        geometry_of(sheet),
        Lines(lines.inv_d2[kept], lines.strength[kept] / scale, lines.hkl[kept]),
        diffuse(sheet, rods).strength[kept] / scale,
        _members(rods)[kept],
    )


def _members(rods: Rods) -> NDArray[np.int64]:
    """Of each line, how many rods it is made of."""
    return np.bincount(rods.line)


def sheets_in(source: str, *, among: Callable[[Record], bool] | None = None) -> Iterator[Record]:
    """Records of a file of sheets, each in the frame of sheets.

    Args:
        source: file.
        among: says which are wanted; all when None.

    Raises:
        BraggleError: something in it is no sheet.
    """
    for item in open_source(source):
        if not isinstance(item, Record):
            raise BraggleError(str(item))
        if among is not None and not among(item):
            continue
        sheet = sheet_of(item.crystal)
        if sheet is None:
            raise BraggleError(
                f"{source}: {item.source.identifier} is no sheet; make the file with "
                "`python -m indexer.sheets.making`"
            )
        yield replace(item, crystal=sheet)


def pack(records: Sequence[Record], total: int, *, excluded: set[str], seed: int) -> list[Packed]:
    """Sheets packed, and made up to `total` by relatives of those that are trained on."""
    rng = np.random.default_rng(seed)
    packed: list[Packed] = []
    own: list[Record] = []
    for record in records:
        formula = reduced_formula(record.crystal.composition)
        if formula in excluded:
            continue
        part = part_of(formula, record.source.identifier)
        packed.append(packed_of(record.crystal, part, record.source.identifier))
        if part == TRAINED:
            own.append(record)
        _count(packed)
    known = {one.formula for one in packed if one.part == AT_RANDOM}
    standards = [standardize(one.crystal) for one in own]
    for _ in range(2 * max(total - len(packed), 0)):
        if len(packed) >= total or not own:
            break
        at = int(rng.integers(len(own)))
        made = _relative(standards[at], rng)
        if made is None:
            continue
        formula = reduced_formula(made.composition)
        # A held-out sheet's composition may be trained on, but not by a relative of that sheet.
        if formula in excluded or formula in known or part_of(formula, "") == BY_COMPOSITION:
            continue
        packed.append(packed_of(made, TRAINED, f"after {own[at].source.identifier}"))
        _count(packed)
    return [one for one in packed if len(one.lines) >= LEAST_LINES]


def _relative(standard: Standard, rng: np.random.Generator) -> Crystal | None:
    exchange = draw_substitution(standard.crystal, rng)
    if exchange is None:
        return None
    return sheet_of(Standard.from_stored(substituted(standard.crystal, exchange, rng)))


def _count(packed: list[Packed]) -> None:
    if len(packed) % 500 == 0:
        sys.stderr.write(f"\r{len(packed)} sheets")


def write_packed(packed: list[Packed], path: Path) -> None:
    """Write the packed file.

    Columns of N sheets, S sites and M lines: `cell` (N, 7), `site_offsets` (N + 1,), `elements`
    (S,), `sites` (S, features), `rod_offsets` (N + 1,) and `rod_lines` (R, 2) as of
    `tokens.Geometry`; `line_offsets` (N + 1,), `inv_d2` (M,)
    in 1/Å², `strength` (M,) and `diffuse` (M,) relative to the strongest line, `rods` (M,) that a
    line is made of; `part` (N,), `formula` (N,), `identifier` (N,).

    Raises:
        BraggleError: nothing to write.
    """
    if not packed:
        raise BraggleError(f"{path}: no sheet is left to train on; exclude less")
    geometry = [one.geometry for one in packed]
    columns: dict[str, Any] = {
        "cell": np.stack([one.cell for one in geometry]).astype(np.float32),
        "site_offsets": _offsets(len(one.elements) for one in geometry),
        "elements": np.concatenate([one.elements for one in geometry]).astype(np.uint8),
        "sites": np.concatenate([one.sites for one in geometry]).astype(np.float16),
        "rod_offsets": _offsets(len(one.rods) for one in geometry),
        "rod_lines": np.concatenate([one.rods for one in geometry]).astype(np.float32),
        "line_offsets": _offsets(len(one.lines) for one in packed),
        "inv_d2": np.concatenate([one.lines.inv_d2 for one in packed]).astype(np.float32),
        "strength": np.concatenate([one.lines.strength for one in packed]).astype(np.float32),
        "diffuse": np.concatenate([one.diffuse for one in packed]).astype(np.float32),
        "rods": np.concatenate([one.rods for one in packed]).astype(np.int16),
        "part": np.array([one.part for one in packed], np.uint8),
        "formula": np.array([one.formula for one in packed]),
        "identifier": np.array([one.identifier for one in packed]),
    }
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, **columns)
    partial.replace(path)
    counts = np.bincount(columns["part"], minlength=3)
    sys.stderr.write(
        f"\r{path}: {len(packed)} sheets, {counts[AT_RANDOM]} of them held out at random and "
        f"{counts[BY_COMPOSITION]} by composition\n"
    )


def _offsets(lengths: Iterator[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(list(lengths))]).astype(np.int64)


def main() -> None:
    """Pack a file of sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sheets", help="as `indexer.sheets.making` writes them")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--exclude", type=Path, help="reduced formulas that are not to be used")
    parser.add_argument("--total", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    excluded = formulas_in(asked.exclude) if asked.exclude else set()
    records = list(sheets_in(asked.sheets))
    write_packed(pack(records, asked.total, excluded=excluded, seed=asked.seed), asked.into)


if __name__ == "__main__":
    try:
        main()
    except BraggleError as error:
        sys.exit(f"braggle: {error}")
