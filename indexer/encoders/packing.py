"""Training crystals of a library, and many more made from them, in one packed file.

    python -m indexer.encoders.packing --library LIB --into crystals.npz [--exclude FORMULAS]

Space groups are rebalanced as UstcUnfold does: members of rare ones are substituted more often.
Prototypes (space group, anonymous formula, atoms in the primitive cell) are held out whole for
validation, and no formula of theirs is trained on.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard, operations_of
from data.crystal import Crystal
from data.diffraction import lines_of
from data.errors import BraggleError
from data.formula import parse_formula, reduced_formula
from indexer.encoders.strongest import LINES_KEPT, strongest_lines
from indexer.entry import Entry
from indexer.library import Library
from indexer.workers import one_a_core, worked_out

D_MIN_ANGSTROM = 1.0
MOST_ATOMS = 400
"""Of the primitive cell; larger crystals are trained on by their lines only, and never varied."""
MOST_VARIANTS = 150
"""Made of one prototype at most, however rare its space group."""
REBALANCING = 0.5
"""A space group of n prototypes gets variants in proportion to n to this power."""
HELD_OUT = 48
"""One prototype of so many is held out."""
CHUNK = 64


@dataclass(frozen=True, eq=False)
class Packed:
    """One crystal as the file holds it; see `write_packed` for the columns."""

    formula: str
    prototype: int
    lattice: NDArray[np.float64]
    space_group_number: int
    hkl: NDArray[np.int16]
    strength: NDArray[np.float64]
    primitive: Crystal | None
    known: bool = True


@dataclass(frozen=True, eq=False)
class Job:
    """Entries, and how many variants of each are wanted."""

    entries: tuple[Entry, ...]
    variants: tuple[int, ...]
    seed: int


def main() -> None:
    """Pack the training crystals of a library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--library", required=True, help="a library of everything to train on")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--exclude", type=Path, help="reduced formulas that are not to be used")
    parser.add_argument("--crystals", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    excluded = formulas_in(options.exclude) if options.exclude else set()
    library = Library.open(options.library)
    rows = np.arange(len(library))
    wanted = variants(library.space_group_numbers, options.crystals - len(library))
    jobs = (
        Job(library.entries(part), tuple(wanted[part].tolist()), options.seed + int(part[0]))
        for part in np.array_split(rows, max(len(rows) // CHUNK, 1))
    )
    packed: list[Packed] = []
    for done in worked_out(_pack, jobs, one_a_core()):
        packed.extend(one for one in done if one.formula not in excluded)
        sys.stderr.write(f"\r{len(packed)} crystals")
    sys.stderr.write("\n")
    write_packed(packed, options.into)


def formulas_in(path: Path) -> set[str]:
    """The formulas of a file, between blanks, as written and as crystals' formulas are written.

    Raises:
        BraggleError: there is no such file, or something in it is not a formula.
    """
    if not path.is_file():
        raise BraggleError(f"{path}: no such file of formulas to exclude")
    written = path.read_text("utf-8").split()
    return {form for one in written for form in (one, reduced_formula(parse_formula(one)))}


def variants(space_groups: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """How many variants each crystal gets, rare space groups more. Shape (N,)."""
    members = np.bincount(space_groups, minlength=231)[space_groups].astype(float)
    share = members ** (REBALANCING - 1.0)
    low, high = 0.0, float(MOST_VARIANTS) * share.size
    for _ in range(60):
        middle = (low + high) / 2
        enough = np.minimum(middle * share, MOST_VARIANTS).sum() > total
        low, high = (low, middle) if enough else (middle, high)
    return np.rint(np.minimum(low * share, MOST_VARIANTS)).astype(np.int64)


def prototype_of(crystal: Crystal, atoms: int) -> int:
    """A number for the structure type: space group, anonymous formula, atoms a primitive cell."""
    amounts = sorted(parts for parts in crystal.composition.values())
    anonymous = " ".join(f"{amount / amounts[0]:.2f}" for amount in amounts)
    return zlib.crc32(f"{crystal.space_group_number} {atoms} {anonymous}".encode())


def _pack(job: Job) -> list[Packed]:
    """The crystals of a job and their variants."""
    from indexer.encoders.substitution import draw_substitution, substituted

    rng = np.random.default_rng(job.seed)
    made: list[Packed] = []
    for entry, count in zip(job.entries, job.variants, strict=True):
        standard = Standard.from_stored(entry.crystal)
        primitive = standard.primitive
        prototype = prototype_of(entry.crystal, len(primitive))
        small = len(primitive) <= MOST_ATOMS
        made.append(_packed(entry.crystal, primitive if small else None, prototype))
        for _ in range(count if small else 0):
            exchange = draw_substitution(entry.crystal, rng)
            if exchange is None:
                break
            crystal = substituted(entry.crystal, exchange, rng)
            deformation = np.linalg.solve(entry.crystal.lattice, crystal.lattice)
            own = Crystal(
                primitive.lattice @ deformation,
                tuple(exchange.partners.get(symbol, symbol) for symbol in primitive.species),
                primitive.occupancies,
                primitive.fractional,
                primitive.u_iso_angstrom2,
                primitive.space_group_number,
            )
            made.append(_packed(crystal, own, prototype, known=False))
    return [one for one in made if len(one.strength) >= 3 and abs(one.hkl).max() < 128]


def _packed(
    crystal: Crystal, primitive: Crystal | None, prototype: int, *, known: bool = True
) -> Packed:
    number = crystal.space_group_number
    lines = lines_of(crystal, d_min_angstrom=D_MIN_ANGSTROM, operations=operations_of(number))
    lines = strongest_lines(lines, LINES_KEPT)
    return Packed(
        reduced_formula(crystal.composition),
        prototype,
        crystal.lattice,
        number,
        lines.hkl,
        lines.strength / max(float(lines.strength.max(initial=0.0)), 1e-30),
        primitive,
        known,
    )


def held_out(packed: list[Packed]) -> NDArray[np.bool_]:
    """Which crystals are for validation: whole prototypes. Shape (N,)."""
    return np.array([one.prototype % HELD_OUT == 0 for one in packed])


def write_packed(packed: list[Packed], path: Path) -> None:
    """Write the packed file.

    Columns of N crystals, M lines and A atoms: `lattice` (N, 3, 3) in Å and `space_group` (N,) of
    the conventional cell; `line_offsets` (N + 1,), `hkl` (M, 3) and `log_strength` (M,), natural
    logarithm relative to the strongest; `atom_offsets` (N + 1,), equal where a crystal's atoms
    are left out, `primitive` (N, 3, 3) in Å, `atomic_number`, `occupancy` (A,) in 1/200 and
    `fractional` (A, 3) in 1/65536; `prototype` (N,), `formula` (N,), `held_out` (N,) and `known`
    (N,), False of those that were made.

    Raises:
        BraggleError: nothing to write, or no crystal small enough to have its atoms written.
    """
    if not packed:
        raise BraggleError(f"{path}: no crystal is left to train on; exclude less")
    for_validation = held_out(packed)
    theirs = {one.formula for one, out in zip(packed, for_validation, strict=True) if out}
    kept = [
        (one, bool(out))
        for one, out in zip(packed, for_validation, strict=True)
        if out or one.formula not in theirs
    ]
    crystals = [one for one, _ in kept]
    atoms = [one.primitive for one in crystals]
    known = [one for one in atoms if one is not None]
    if not known:
        raise BraggleError(
            f"{path}: every crystal has more than {MOST_ATOMS} atoms, and none of their atoms are "
            "packed; add smaller ones"
        )
    columns = {
        "lattice": np.array([one.lattice for one in crystals], np.float32),
        "space_group": np.array([one.space_group_number for one in crystals], np.uint8),
        "line_offsets": _offsets(len(one.strength) for one in crystals),
        "hkl": np.concatenate([one.hkl for one in crystals]).astype(np.int8),
        "log_strength": np.log(
            np.maximum(np.concatenate([one.strength for one in crystals]), 1e-6)
        ).astype(np.float16),
        "atom_offsets": _offsets(0 if one is None else len(one) for one in atoms),
        "primitive": np.array(
            [np.zeros((3, 3)) if one is None else one.lattice for one in atoms], np.float32
        ),
        "atomic_number": np.concatenate([_numbers(one) for one in known]),
        "occupancy": np.concatenate([np.rint(200 * one.occupancies) for one in known]).astype(
            np.uint8
        ),
        "fractional": np.concatenate([np.rint(65536 * one.fractional) for one in known]).astype(
            np.uint16
        ),
        "prototype": np.array([one.prototype for one in crystals], np.uint32),
        "formula": np.array([one.formula for one in crystals]),
        "held_out": np.array([out for _, out in kept]),
        "known": np.array([one.known for one in crystals]),
    }
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, **columns)
    partial.replace(path)
    count = sum(out for _, out in kept)
    sys.stderr.write(
        f"{path}: {len(kept)} crystals, {count} of them held out; "
        f"{len(packed) - len(kept)} left out for a held-out formula\n"
    )


def _offsets(lengths: Iterator[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(list(lengths))]).astype(np.int64)


def _numbers(crystal: Crystal) -> NDArray[np.uint8]:
    return np.array([gemmi.Element(symbol).atomic_number for symbol in crystal.species], np.uint8)


if __name__ == "__main__":
    try:
        main()
    except BraggleError as error:
        sys.exit(f"braggle: {error}")
