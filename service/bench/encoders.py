"""`braggle bench encoders`: trained encoders side by side, on crystals none was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.errors import BraggleError, QueryError
from data.preparation import prepare
from data.reading import read_pattern
from indexer.encoders.drawing import Laboratory, lines_profiles, measured_profiles
from indexer.encoders.loop import LOG, parts
from indexer.encoders.loss import TWIN_COSINE, coarse, ranks
from indexer.encoders.model import parameters
from indexer.encoders.pack import Pack
from indexer.encoders.profile import profile_of_lines, profile_of_pattern
from indexer.encoders.run import encoder_in, open_pack
from indexer.encoders.strongest import LINES_KEPT, strongest_lines
from indexer.library import Library
from service.bench.cases import find_cases, truth_of
from service.bench.provenance import provenance
from service.bench.ranks import STAGE_HITS, Ranks
from service.bench.truth import Answers, TruthTable

ANSWERS, QUERIES = 10_000, 1_000
METAL_ORGANIC_ATOMS = 100
"""Of the primitive cell at most, as in hMOF-100."""
BATCH = 256
SEED = 11

ORDINARY = replace(
    Laboratory(),
    fwhm_deg=(0.05, 0.2),
    strain_decades=(-4.0, -2.5),
    texture=0.3,
    line_error=0.35,
    counts=(100.0, 5000.0),
    background=(0.005, 0.3),
    impurity=0.15,
    start_deg=(3.0, 15.0),
    end_deg=(60.0, 90.0),
)
"""A laboratory that is kinder than the one encoders are trained in: `Diffractometer`'s figures."""
CLEAN = replace(
    ORDINARY,
    strain_decades=(-9.0, -8.0),
    texture=0.0,
    line_error=0.0,
    impurity=0.0,
    missing=0.0,
    shift_deg=0.0,
    counts=(2e4, 2e4),
    background=(0.003, 0.003),
)
LABORATORIES = {"as trained": Laboratory(), "ordinary": ORDINARY, "clean": CLEAN}

Advance = Callable[[int, int | None, str], None]


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Crystals that are asked for, and those among which they are sought."""

    name: str
    asked: Tensor
    among: Tensor
    twins: Tensor


def bench_encoders(
    pack: Path,
    folders: list[Path],
    *,
    queries: Path | None = None,
    library: Library | None = None,
    device: torch.device | None = None,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Recall of each encoder: simulated patterns of held-out crystals, and measured patterns.

    Held-out crystals are of prototypes and formulas that no encoder was trained on. They are
    sought among 10,000 crystals, and the metal-organic ones of at most 100 atoms among all such
    crystals of the pack. Counted strictly, and with twins of the answer passed over.

    Args:
        pack: packed training crystals.
        folders: each where an encoder of profiles was trained on that pack.
        queries: folder of measured cases, to be sought in `library`.
        library: for them; no formula of it should have been trained on.
        device: to run on; the CPU when not given.
        advance: called with done, total and the stage.

    Raises:
        BraggleError: a folder without a trained encoder of profiles; no pack; bad queries.
    """
    report = advance or _silent
    encoders = [encoder_in(folder) for folder in folders]
    crystals = open_pack(pack, device or torch.device("cpu"))
    rng = torch.Generator(crystals.device).manual_seed(SEED)
    held_out = [one for one in (_any(crystals, rng), _metal_organic(crystals, rng)) if one]
    measured = _measured(queries, library, report) if queries and library else None
    results: list[dict[str, Any]] = []
    for folder, (encoder, recipe) in zip(folders, encoders, strict=True):
        encoder.to(crystals.device).eval()
        report(len(results), len(folders), f"encoder {folder.name}")
        results.append(
            {
                "name": folder.name,
                "kind": recipe.kind,
                "parameters": parameters(encoder),
                "recipe": asdict(recipe),
                **_training(folder),
                "held_out": {one.name: _recall(encoder, crystals, one) for one in held_out},
                **({"measured": measured(encoder)} if measured else {}),
            }
        )
    report(len(results), len(folders), "encoders")
    return {
        "benchmark": "encoders",
        "held_out": {
            one.name: {"queries": len(one.asked), "answers": len(one.among)} for one in held_out
        },
        "encoders": results,
        **provenance(library),
    }


def _any(pack: Pack, rng: torch.Generator) -> _HeldOut:
    held_out = _shuffled(pack.held_out_rows, rng)
    others = _shuffled(pack.training_rows, rng)[: max(ANSWERS - len(held_out), 0)]
    return _sought(
        f"any of {ANSWERS:,}", pack, torch.cat([held_out, others])[:ANSWERS], len(held_out)
    )


def _metal_organic(pack: Pack, rng: torch.Generator) -> _HeldOut | None:
    """None where the pack has none that are held out."""
    counts = torch.diff(pack.atom_offsets)
    owner = torch.repeat_interleave(torch.arange(len(pack), device=pack.device), counts)
    number = pack.atomic_number.long()
    carbon, metal = (torch.zeros(len(pack), dtype=torch.bool, device=pack.device) for _ in "cm")
    carbon[owner[number == 6]] = True
    metals = torch.tensor([gemmi.Element(z).is_metal for z in range(119)], device=pack.device)
    metal[owner[metals[number]]] = True
    chosen = carbon & metal & (counts <= METAL_ORGANIC_ATOMS)
    held_out = _shuffled(pack.held_out_rows[chosen[pack.held_out_rows]], rng)
    if not len(held_out):
        return None
    others = pack.training_rows[chosen[pack.training_rows]]
    name = f"metal-organic, at most {METAL_ORGANIC_ATOMS} atoms"
    return _sought(name, pack, torch.cat([held_out, others]), len(held_out))


def _sought(name: str, pack: Pack, among: Tensor, held_out: int) -> _HeldOut:
    """The first of `among` are asked for."""
    asked = among[: min(QUERIES, held_out)]
    shapes = torch.cat([coarse(lines_profiles(pack.lines(part))) for part in parts(among, BATCH)])
    return _HeldOut(name, asked, among, shapes[: len(asked)] @ shapes.T > TWIN_COSINE)


def _shuffled(rows: Tensor, rng: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=rng, device=rows.device)]


@torch.no_grad()
def _recall(encoder: nn.Module, pack: Pack, held_out: _HeldOut) -> dict[str, dict[str, float]]:
    """Shares of patterns whose crystal is found, by laboratory."""
    with torch.autocast(pack.device.type, torch.bfloat16):
        answers = torch.cat(
            [encoder(lines_profiles(pack.lines(part))) for part in parts(held_out.among, BATCH)]
        ).float()
        found = {}
        for name, laboratory in LABORATORIES.items():
            rng = torch.Generator(pack.device).manual_seed(SEED)
            questions = [
                encoder(measured_profiles(pack, part, laboratory, rng))
                for part in parts(held_out.asked, BATCH)
            ]
            found[name] = _shares(torch.cat(questions).float(), answers, held_out.twins)
    return found


def _shares(questions: Tensor, answers: Tensor, twins: Tensor) -> dict[str, float]:
    own = torch.arange(len(questions), device=questions.device)
    strict, forgiving = ranks(questions, answers, own), ranks(questions, answers, own, twins)
    return {
        f"{said}hit@{depth}": round(float((rank < depth).float().mean()), 4)
        for said, rank in (("", strict), ("but for twins, ", forgiving))
        for depth in (1, 10)
    }


def _measured(
    queries: Path, library: Library, report: Advance
) -> Callable[[nn.Module], dict[str, dict[str, float]]]:
    """What counts strict hits of an encoder on measured patterns: all, and without their copies."""
    truths = TruthTable(library)
    asked: list[tuple[NDArray[np.float32], Answers]] = []
    cases = find_cases(queries)
    for done, case in enumerate(cases):
        report(done, len(cases), "measured patterns")
        try:
            answers = truths.answers(truth_of(case))
            asked.append((profile_of_pattern(prepare(read_pattern(case.pattern))), answers))
        except BraggleError as error:
            raise QueryError(f"{case.name}: {error}") from None
    profiles = []
    for row in range(len(library)):
        report(row, len(library), "profiles of the library")
        profiles.append(profile_of_lines(strongest_lines(library.lines[row], LINES_KEPT)))
    crystals = torch.from_numpy(np.stack(profiles))

    @torch.no_grad()
    def count(encoder: nn.Module) -> dict[str, dict[str, float]]:
        device = next(encoder.parameters()).device
        with torch.autocast(device.type, torch.bfloat16):
            known = torch.cat([encoder(part.to(device)) for part in parts(crystals, BATCH)]).float()
            patterns = torch.from_numpy(np.stack([profile for profile, _ in asked]))
            questions = encoder(patterns.to(device)).float()
        found = Ranks()
        for scores, (_, right) in zip((questions @ known.T).cpu().numpy(), asked, strict=True):
            order = np.argsort(-scores, kind="stable")
            found.note("all", order, right)
            apart = order[~right.copies[order]]
            if right.right["strict"][apart].any():
                found.note("independent", apart, right)
        return {
            which: {"queries": len(by["strict"]), **found.table(which, "strict", STAGE_HITS)}
            for which, by in found.by.items()
        }

    return count


def _training(folder: Path) -> dict[str, Any]:
    """Steps and crystals a second of a training, from its log."""
    log = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    rates = [one["crystals_per_second"] for one in log]
    return {"steps": log[-1]["step"], "crystals_a_second": round(float(np.median(rates)))}


def _silent(_done: int, _total: int | None, _stage: str) -> None:
    """Nobody asked for progress."""
