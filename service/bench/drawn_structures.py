"""Structures that are drawn for chosen elements, beside controls that are not learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.canonical import Standard
from data.crystal import Crystal
from data.formula import reduced_formula
from generator.chemistry import AtomicVolumes
from generator.contacts import closest_contact
from generator.hull import Hull, hull_of
from generator.matching import LOOSE, same_structure
from generator.pointcloud.cloud import MOST_ATOMS
from generator.pointcloud.engine import CROWDED, crystal_from, symmetrised
from generator.pointcloud.inference import drawn
from generator.pointcloud.model import CloudNetwork
from generator.pointcloud.room import with_room
from generator.pool import MouldPool
from generator.refinement.energy import Settle, chgnet_settling
from generator.refinement.relaxation import has_chgnet
from indexer.library import Library
from service.bench.kept import Kept

FIRST = (
    "Mg", "Ca", "Sr", "Ba", "Sc", "Y", "La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho",
    "Er", "Tm", "Yb", "Lu",
)  # fmt: skip
"""Alkaline earths and rare earths."""
SECOND = (
    "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Zr", "Nb", "Mo", "Ru", "Rh", "Pd", "Ag",
    "Cd", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg",
)  # fmt: skip
"""Transition metals."""
SEED, TRIES = 37, 8
RELAXING_STEPS = 15
BELOW_EV = (0.08, 0.25)
"""Energies above hull that the paper counts below, in eV an atom."""
DRAWN, EXCHANGED, RANDOM = "pointcloud", "exchanged", "random"

Advance = Callable[[int, int | None, str], None]


def chosen_systems(count: int) -> list[tuple[str, str, str]]:
    """So many choices of a rare or alkaline earth, a transition metal and oxygen."""
    every = [(one, other, "O") for one in FIRST for other in SECOND]
    order = np.random.default_rng(SEED).permutation(len(every))[:count]
    return [every[i] for i in order.tolist()]


def measured_systems(
    library: Library,
    network: CloudNetwork,
    kept: Kept,
    *,
    structures: int,
    systems: int,
    advance: Advance,
) -> list[dict[str, Any]]:
    """Figures of the structures of each system, drawn and of two controls.

    The controls have the formulas of what was drawn or of known crystals: a known crystal of
    three elements, one oxygen, with its elements exchanged whatever they are; and atoms thrown
    into a cube of the volume that they need, and pushed apart as drawn ones are.

    Args:
        library: of known crystals.
        network: trained.
        kept: outcomes that there are.
        structures: of all systems together.
        systems: choices of elements.
        advance: called with done, total and the stage.
    """
    volumes = MouldPool(library).volumes()
    moulds = _moulds(library)
    settles = (chgnet_settling(0), chgnet_settling(RELAXING_STEPS)) if has_chgnet() else None
    outcomes = []
    shares = [len(one) for one in np.array_split(np.arange(structures), systems)]
    for done, (symbols, share) in enumerate(zip(chosen_systems(systems), shares, strict=True)):
        advance(done, systems, "-".join(symbols))
        case = f"generation {'-'.join(symbols)} {share} energies={settles is not None}"
        if case not in kept.outcomes:
            kept.add(
                case,
                _system(library, network, symbols, share, volumes, moulds, settles, SEED + done),
            )
        outcomes.append(kept.outcomes[case])
    return outcomes


def summary_of(outcomes: Sequence[Mapping[str, Any]], structures: int) -> dict[str, Any]:
    """Shares over the structures of all systems."""
    energies = any(one["hull"] is not None for one in outcomes)
    return {
        "systems": [one["system"] for one in outcomes],
        "asked": structures,
        "clouds": sum(one["clouds"] for one in outcomes),
        "energies": "by CHGNet, an estimate, not DFT"
        if energies
        else "not measured: CHGNet is not installed",
        "systems_with_hull": sum(bool(one["hull"]) for one in outcomes),
        **{
            name: _shares([row for one in outcomes for row in one[name]])
            for name in (DRAWN, EXCHANGED, RANDOM)
        },
    }


def _system(
    library: Library,
    network: CloudNetwork,
    symbols: tuple[str, str, str],
    count: int,
    volumes: AtomicVolumes,
    moulds: Sequence[Crystal],
    settles: tuple[Settle, Settle] | None,
    seed: int,
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made, clouds = _drawn(symbols, count, seed, network)
    exchanged = [exchanged_mould(symbols, moulds, volumes, rng) for _ in range(len(made))]
    thrown = [thrown_atoms(one, volumes, rng) for one in made]
    hull = None if settles is None else hull_of(library, symbols, settles[1])
    known = _known_of(library, symbols)
    row = partial(_row, known=known, volumes=volumes, settles=settles, hull=hull)
    return {
        "system": "-".join(symbols),
        "hull": None if hull is None or hull.missing else list(hull.competing),
        "clouds": clouds,
        DRAWN: [row(one) for one in made],
        EXCHANGED: [row(one) for one in exchanged],
        RANDOM: [row(one) for one in thrown if one is not None],
    }


def _drawn(
    symbols: tuple[str, str, str], count: int, seed: int, network: CloudNetwork
) -> tuple[list[Crystal], int]:
    """So many crystals, and how many clouds it took; fewer where clouds hardly ever are any."""
    made: list[Crystal] = []
    clouds = 0
    for attempt in range(TRIES):
        missing = count - len(made)
        if not missing:
            break
        clouds += missing
        for some in drawn(symbols, missing, seed=1000 * attempt + seed, network=network):
            made += [one for one in map(crystal_from, some) if one is not None]
    return made, clouds


def exchanged_mould(
    symbols: tuple[str, str, str],
    moulds: Sequence[Crystal],
    volumes: AtomicVolumes,
    rng: np.random.Generator,
) -> Crystal:
    """A known crystal, drawn, whose two other elements are put for others, its cell scaled."""
    mould = moulds[int(rng.integers(len(moulds)))]
    others = [one for one in dict.fromkeys(mould.species) if one != "O"]
    order = rng.permutation(2)
    partners = {others[0]: symbols[order[0]], others[1]: symbols[order[1]], "O": "O"}
    crystal = replace(mould, species=tuple(partners[one] for one in mould.species))
    scale = (volumes.volume(crystal.composition) / crystal.volume_angstrom3) ** (1 / 3)
    return replace(crystal, lattice=crystal.lattice * scale)


def thrown_atoms(like: Crystal, volumes: AtomicVolumes, rng: np.random.Generator) -> Crystal | None:
    """The atoms of a crystal's primitive cell thrown into a cube of their volume and pushed apart.

    None where they overlap all the same.
    """
    primitive = Standard.from_stored(like).primitive
    side = volumes.volume(primitive.composition) ** (1 / 3)
    places: NDArray[np.float64] = rng.random((len(primitive), 3))
    crystal = replace(primitive, lattice=side * np.eye(3), fractional=places, space_group_number=1)
    pushed = with_room(crystal)
    return symmetrised(pushed) if closest_contact(pushed) >= CROWDED else None


def _moulds(library: Library) -> list[Crystal]:
    """Ordered oxides of three elements and few atoms."""
    rows = [row for row, one in enumerate(library.compositions) if len(one) == 3 and "O" in one]
    entries = library.entries(np.array(rows, np.int64))
    return [
        one.crystal
        for one in entries
        if one.crystal.is_ordered and len(Standard.from_stored(one.crystal).primitive) <= MOST_ATOMS
    ]


def _known_of(library: Library, symbols: Sequence[str]) -> list[Crystal]:
    rows = [row for row, one in enumerate(library.compositions) if set(one) == set(symbols)]
    return [one.crystal for one in library.entries(np.array(rows, np.int64))]


def _row(
    crystal: Crystal,
    *,
    known: Sequence[Crystal],
    volumes: AtomicVolumes,
    settles: tuple[Settle, Settle] | None,
    hull: Hull | None,
) -> dict[str, Any]:
    """What there is to tell of a structure; energies above hull as it is, and a little relaxed."""
    formula = reduced_formula(crystal.composition)
    same = [one for one in known if reduced_formula(one.composition) == formula]
    row: dict[str, Any] = {
        "formula": formula,
        "space_group": crystal.space_group_number,
        "contact": round(closest_contact(crystal), 3),
        "swollen": round(crystal.volume_angstrom3 / volumes.volume(crystal.composition), 3),
        "formula_known": bool(same),
        "structure_known": any(same_structure(one, crystal, LOOSE) for one in same),
    }
    if settles is None or hull is None:
        return row
    primitive = Standard.from_stored(crystal).primitive
    for name, settle in zip(("above_hull_ev", "relaxed_above_hull_ev"), settles, strict=True):
        end = settle(primitive) if closest_contact(primitive) >= 0.5 else None
        above = None if end is None else hull.above(crystal.composition, end.energy_ev_per_atom)
        row[name] = None if above is None else round(above, 4)
    return row


def _shares(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Shares over structures, all of which count where energies are asked for."""
    if not rows:
        return {"structures": 0}
    swollen = np.array([row["swollen"] for row in rows])
    table: dict[str, Any] = {
        "structures": len(rows),
        "formulas": len({row["formula"] for row in rows}),
        "formula_known": _share([row["formula_known"] for row in rows]),
        "structure_known": _share([row["structure_known"] for row in rows]),
        "symmetric": _share([row["space_group"] > 2 for row in rows]),
        "contact_median": round(float(np.median([row["contact"] for row in rows])), 3),
        "volume_within_10_percent": _share(np.abs(np.log(swollen)) < 0.1),
    }
    for name in ("above_hull_ev", "relaxed_above_hull_ev"):
        above = [row.get(name) for row in rows]
        known = [one for one in above if one is not None]
        if known:
            table[name] = {
                "known": len(known),
                "median": round(float(np.median(known)), 3),
                **{f"below_{limit:g}": _share(np.array(known) < limit) for limit in BELOW_EV},
            }
    return table


def _share(values: Any) -> float:  # noqa: ANN401 - whatever has truths
    return round(float(np.mean(values)), 4)
