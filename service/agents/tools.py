"""The tools, on one library. What a method's docstring says is what an agent is told."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import Context
from pydantic import BaseModel, Field

from data.cif import write_cif
from data.errors import QueryError
from data.radiation import CU_KA
from indexer.catalogue import Filters
from indexer.entry import Entry
from indexer.profiles import Profile
from search.similar import similar_to
from service.agents.files import cif_of, content_of, pattern_of, write_new
from service.agents.words import (
    Document,
    briefly,
    entry_facts,
    likenesses,
    looked_up,
    proposed,
    strongest_lines,
)
from service.api.asked import wanted_of
from service.api.bodies import Upload, checked
from service.api.metrics import Metrics
from service.api.parsing import columns, parse_crystal, simulate_cif
from service.api.queries import GenerateOptions, SearchOptions, SimulateOptions
from service.api.served import Opened, Served, opened_of
from service.jobs.store import JobStore, Limits
from service.jobs.supervisor import Supervisor
from service.settings import ServeSettings

M = TypeVar("M", bound=BaseModel)

ENTRY_ID = re.compile("[0-9a-f]{20}")
MOST_FOUND = 10
LONGEST_WAIT_S = 300.0
LOOK_S = 0.25

PatternText = Annotated[
    str,
    Field(
        description="Path of a measured powder pattern on this machine (.xy, .xye, .xrdml, .raw, "
        ".fxye, powder CIF …), or the text of one: lines of 2θ in degrees and counts"
    ),
]
CrystalText = Annotated[
    str, Field(description="Id of an entry, path of a CIF on this machine, or the text of a CIF")
]
Wavelength = Annotated[
    str | None,
    Field(description="CuKa, MoKa1, …, a number in Å, or 17.4keV; wins over the file's"),
]
Symbols = Annotated[str, Field(description="Symbols with commas: Pb,S,O")]


class Tools:
    """What agents can call; `close` ends what runs."""

    def __init__(self, library: Path, folder: Path, settings: ServeSettings) -> None:
        """Open the library; jobs are kept in a folder that no one else uses.

        Raises:
            BraggleError: there is no library, or the folder cannot be used.
        """
        self._settings = settings
        self._served = Served(library, Metrics())
        self._served.start()
        self._jobs = JobStore(folder)
        self._supervisor = Supervisor(self._jobs, library, settings)
        self._supervisor.start()
        # One fit has all cores; two at a time would share them, and some machines' threads cannot.
        self._fitting = threading.Lock()

    def close(self) -> None:
        """End the jobs that run."""
        self._supervisor.stop()

    def search_pattern(
        self,
        pattern: PatternText,
        *,
        elements: Annotated[
            str, Field(description="Only these may be in it, traces and H allowed: Pb,S,O")
        ] = "",
        require: Symbols = "",
        exclude: Symbols = "",
        formula: str | None = None,
        space_group: str | None = None,
        wavelength: Wavelength = None,
        profile: Annotated[
            Profile | None,
            Field(
                description="What the library has to be of: powders, or sheets measured in their "
                "plane (2d); whatever it is when left out"
            ),
        ] = None,
        phases: Annotated[
            int, Field(description="Most phases; from 2 on, mixtures with weights come along")
        ] = 1,
        top: Annotated[int, Field(description="Rows")] = 5,
    ) -> Document:
        """Name the crystalline phases of a measured powder X-ray diffraction pattern.

        `answer` says the verdict in words, with a calibrated confidence: repeat it, and do not name
        a phase where it names none. Read `warnings`, above all the one of an assumed wavelength.
        Elements that are known help most.
        """
        options = _checked(
            SearchOptions,
            elements=elements, require=require, exclude=exclude, formula=formula,
            space_group=space_group, wavelength=wavelength, profile=profile, phases=phases,
            top=top,
        )  # fmt: skip
        filters = options.filters()
        measured = pattern_of(pattern, options.radiation())
        opened = self._opened()
        with self._fitting:
            result = opened.searcher.lookup(
                measured,
                filters=filters,
                top=options.top,
                phases=options.phases,
                profile=options.profile,
                overlays=0,
            )
        return looked_up(result)

    def similar_crystals(
        self, crystal: CrystalText, *, top: Annotated[int, Field(ge=1, le=50)] = 8
    ) -> Document:
        """Find crystals of the library whose powder patterns are like that of a given crystal.

        What counts is where lines are and how strong, not which elements make them: isotypes come
        first. In a library of sheets, the crystal is taken as the layers it has.
        """
        opened = self._opened()
        label, content = self._cif(opened, crystal)
        most = self._settings.max_atoms
        asked = parse_crystal(content, label, most, opened.library.profile)
        with self._fitting:
            found = similar_to(opened.library, asked.print, top=top)
        return {"warnings": list(asked.warnings), "entries": likenesses(found)}

    def get_entry(
        self,
        entry: Annotated[
            str, Field(description="Id of an entry; or a name, identifier or formula to find it")
        ],
        *,
        with_cif: Annotated[bool, Field(description="Its CIF, too")] = False,
    ) -> Document:
        """What the library knows of one crystal: cell, density, sources to cite, and its CIF.

        Given a name or a formula, entries to choose from where there are several.
        """
        opened = self._opened()
        if ENTRY_ID.fullmatch(entry):
            found = [_entry(opened, entry)]
        else:
            rows = self._rows(opened, entry)
            found = list(opened.library.entries(rows[:MOST_FOUND]))
            if len(rows) > 1:
                return {"found": len(rows), "entries": briefly(found)}
        if not found:
            raise QueryError(
                f"{entry[:100]}: no entry has this name, identifier or formula; try another "
                "spelling, or a formula such as PbSO4"
            )
        said = entry_facts(found[0])
        return {**said, "cif": _cif_text(found[0])} if with_cif else said

    def simulate_pattern(
        self,
        crystal: CrystalText,
        *,
        wavelength: Wavelength = None,
        two_theta_min: float = 5.0,
        two_theta_max: float = 90.0,
        fwhm: Annotated[float, Field(description="Width of lines in degrees")] = 0.1,
        save_to: Annotated[
            str | None, Field(description="A new .xy file for the curve, two columns")
        ] = None,
    ) -> Document:
        """Simulate the powder pattern of a crystal: its strongest lines with hkl. With a library of
        sheets, it is the pattern of the sheet, or of the first layer, in its plane.

        The whole curve is written where `save_to` says, to be looked up or plotted.
        """
        options = _checked(
            SimulateOptions,
            wavelength=wavelength or CU_KA.name, two_theta_min=two_theta_min,
            two_theta_max=two_theta_max, fwhm=fwhm,
        )  # fmt: skip
        opened, most = self._opened(), self._settings.max_atoms
        wanted = options.simulation(self._settings.max_points, opened.library.profile)
        label, content = self._cif(opened, crystal)
        simulated = simulate_cif(content, label, most, wanted)
        lines = parse_crystal(content, label, most, wanted.profile).print.lines[0]
        radiation = wanted.radiation
        said: Document = {
            "formula": simulated.formula,
            "space_group": simulated.space_group,
            "wavelength_angstrom": radiation.wavelength_angstrom,
            "warnings": list(simulated.warnings),
            "strongest_lines": strongest_lines(
                lines, radiation.wavelength_angstrom, two_theta_min, two_theta_max
            ),
        }
        if save_to is not None:
            file = Path(save_to).expanduser()
            said["file"] = write_new(file, columns(simulated.pattern))
        return said

    def generate_structures(
        self,
        formula: Annotated[
            str | None, Field(description="What the sample is made of: PbSO4")
        ] = None,
        pattern: PatternText | None = None,
        *,
        elements: Annotated[
            str | None,
            Field(description="In place of a formula, with the engine pointcloud: Mg,Mn,O"),
        ] = None,
        metals: Annotated[
            str | None, Field(description="Of a coordination compound, with numbers: Zn:4,Cu:1")
        ] = None,
        ligands: Annotated[
            str | None,
            Field(description="SMILES, each with its number, with blanks: [O-2]:1; with a pattern"),
        ] = None,
        cell: Annotated[
            str | None, Field(description="If known: 'a b c α β γ' in Å and degrees")
        ] = None,
        space_group: Annotated[str | None, Field(description="If known: 62 or Pnma")] = None,
        formula_units: Annotated[int | None, Field(description="If known: Z of the cell")] = None,
        wavelength: Wavelength = None,
        engines: Annotated[
            str | None,
            Field(
                description="Of substitution, diffusion, direct, distance and pointcloud; "
                "three in turn when left out"
            ),
        ] = None,
        without: Annotated[
            str, Field(description="Formulas that nothing is made from, with commas")
        ] = "",
        samples: int = 10,
        relax: Annotated[
            bool, Field(description="The best by the force field CHGNet, too, which takes minutes")
        ] = False,
        time_limit: Annotated[float, Field(description="In seconds")] = 300.0,
    ) -> Document:
        """Propose crystal structures for a pattern that `search_pattern` does not explain.

        It takes seconds to minutes, so this only begins a job: ask `job_status` for what comes of
        it. Proposals are hypotheses; a wrong one can fit nearly as well as the right one. Those
        without a pattern are for the formula alone, and much less sure; those for elements alone
        are the least sure of all. Give a formula, elements, or metals and ligands.
        """
        options = _checked(
            GenerateOptions,
            formula=formula, elements=elements, metals=metals, ligands=ligands, cell=cell,
            space_group=space_group, formula_units=formula_units, wavelength=wavelength,
            engines=engines, without=without, samples=samples, relax=relax, time_limit=time_limit,
        )  # fmt: skip
        wanted = wanted_of(options, measured=pattern is not None)
        uploads, warnings = [], list[str]()
        if pattern is not None:
            measured = pattern_of(pattern, wanted.radiation)
            uploads.append(Upload(measured.name, content_of(pattern)))
            warnings.extend(measured.warnings)
        limits = Limits(self._settings.jobs_per_client, self._settings.jobs_waiting)
        job, _ = self._jobs.submit(
            "generate", "agent", options.model_dump(mode="json"), uploads, limits=limits
        )
        self._supervisor.wake()
        return {"job": job.id, "state": job.state, "warnings": warnings}

    async def job_status(
        self,
        job: Annotated[str, Field(description="As `generate_structures` said")],
        ctx: Context[Any, Any],
        *,
        wait_s: Annotated[
            float, Field(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for its end")
        ] = 30.0,
        cancel: Annotated[bool, Field(description="Stop it")] = False,
        save_to: Annotated[
            str | None, Field(description="A folder for the CIFs of the proposals, at the end")
        ] = None,
    ) -> Document:
        """Where a job stands; once it has succeeded, the structures it proposes, best first."""
        if cancel:
            self._jobs.cancel(job)
            self._supervisor.wake()
        until = monotonic() + wait_s
        while True:
            now = self._jobs.get(job)
            if now is None:
                raise QueryError(
                    f"{job[:60]}: there is no such job; jobs end with the session that began them, "
                    "begin another by generate_structures"
                )
            if now.has_ended or monotonic() > until:
                break
            await ctx.report_progress(now.done, now.total, now.stage)
            await asyncio.sleep(LOOK_S)
        said: Document = {"job": now.id, "state": now.state}
        if not now.has_ended:
            said["progress"] = {"done": now.done, "of": now.total, "stage": now.stage}
        if now.problem is not None:
            said["problem"] = now.problem["detail"]
        if now.state == "succeeded":
            solution = json.loads(self._jobs.result(now.id) or "{}")
            said |= proposed(solution, {} if save_to is None else _saved(solution, save_to))
        return said

    def _opened(self) -> Opened:
        """The library as it is published now."""
        self._served.look()
        return opened_of(self._served.current)

    def _cif(self, opened: Opened, crystal: str) -> tuple[str, bytes]:
        if ENTRY_ID.fullmatch(crystal):
            return crystal, _cif_text(_entry(opened, crystal)).encode()
        return cif_of(crystal)

    @staticmethod
    def _rows(opened: Opened, entry: str) -> Any:  # noqa: ANN401 - rows of the library
        rows = opened.library.select(Filters(text=entry))
        if not len(rows):
            with suppress(QueryError):  # it need be no formula either
                rows = opened.library.select(Filters(formula=entry))
        return rows


def _checked(model: type[M], **given: object) -> M:
    return checked(model, {name: value for name, value in given.items() if value is not None})


def _entry(opened: Opened, entry_id: str) -> Entry:
    return opened.library.entry(opened.library.row(entry_id))


def _cif_text(entry: Entry) -> str:
    return write_cif(entry.crystal, name=f"{entry.formula}-{entry.id}")


def _saved(solution: Document, folder: str) -> dict[int, str]:
    """Write the CIF of each proposal; their paths by rank."""
    return {
        one["rank"]: write_new(
            Path(folder).expanduser() / f"{one['rank']:02d}-{one['formula']}.cif", one["cif"]
        )
        for one in solution["proposals"]
    }
