"""The kinds of jobs: options and files in, a JSON document out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from data.errors import BraggleError, LibraryError
from data.offered import Offered
from data.reading.content import is_zip
from data.record import Problem
from data.sources.files import ArchiveLimits, zip_stream
from generator.solver import Solution
from indexer.library import Library
from search.result import LookupResult
from search.searcher import Searcher
from service import map as maps
from service import templates
from service.api.asked import wanted_of
from service.api.parsing import parse_pattern
from service.api.queries import GenerateOptions, SearchOptions
from service.batch import Outcome, look_up_all
from service.proposals import cif_of, proposed, render_part, solution_answer
from service.settings import ServeSettings

Report = Callable[[int, int | None, str], None]
"""Called with how many are done, of how many, and the stage; raises where the job is to stop."""

File = tuple[str, bytes]
"""Label and content."""


@dataclass(frozen=True)
class Work:
    """What a job is done with.

    Attributes:
        library: folder of the library.
        settings: limits.
        options: of the job.
        files: that were uploaded.
        report: takes progress.
        publish: takes parts of the result, JSON documents, as they come.
    """

    library: Path
    settings: ServeSettings
    options: Mapping[str, Any]
    files: Sequence[File]
    report: Report
    publish: Callable[[object], None]


def search(work: Work) -> Any:  # noqa: ANN401 - a JSON document
    """Look several patterns up; the list of documents of `braggle search --json`."""
    options = SearchOptions.model_validate(work.options)
    filters, radiation = options.filters(), options.radiation()
    searcher = Searcher(Library.open(work.library))

    def look_up(number: str) -> LookupResult:
        label, content = work.files[int(number)]
        pattern = parse_pattern(content, label, radiation, work.settings.max_points)
        return searcher.lookup(
            pattern,
            filters=filters,
            top=options.top,
            first_stage=options.first_stage,
            phases=options.phases,
            profile=options.profile,
            overlays=0,
        )

    documents = []
    numbers = [str(number) for number in range(len(work.files))]
    work.report(0, len(numbers), "patterns")
    for number, outcome in enumerate(look_up_all(look_up, numbers)):
        named = replace(outcome, file=work.files[number][0])
        documents.append(_unexpected_hidden(named).document)
        work.publish({"number": number, "document": documents[-1]})
        work.report(number + 1, len(numbers), "patterns")
    return documents


def generate(work: Work) -> Any:  # noqa: ANN401 - a JSON document
    """Propose structures; the document of `braggle generate --json`, with the CIFs' texts in it."""
    options = GenerateOptions.model_validate(work.options)
    wanted = wanted_of(options, measured=bool(work.files))

    def told(solution: Solution) -> Any:  # noqa: ANN401 - a JSON document
        cifs = {one.rank: cif_of(one) for one in solution.proposals}
        document = solution_answer(solution, cifs)
        return {**document, "part": render_part(solution)} if options.part else document

    measured = None
    for label, content in work.files:
        measured = parse_pattern(content, label, wanted.radiation, work.settings.max_points)
    solution = proposed(
        Library.open(work.library),
        wanted,
        measured,
        progress=work.report,
        shown=lambda solution: work.publish(told(solution)),
    )
    return told(solution)


def add(work: Work) -> Any:  # noqa: ANN401 - a JSON document
    """Add crystals to the library; the document of `braggle library add --json`."""
    changed = Library.open(work.library).add(
        _uploads(work.files, work.settings),
        progress=work.report,
        workers=1,  # a worker has no processes of its own
    )
    change = changed.change
    if change is None:
        raise ValueError(f"{changed.path=} was not changed")
    if change.problems and not change.added + change.merged + change.known + change.skipped:
        raise BraggleError(f"nothing was added: {change.problems[0]}")
    return {**_library(changed), **asdict(change)}


def remove(work: Work) -> Any:  # noqa: ANN401 - a JSON document
    """Take an entry out of the library."""
    before = Library.open(work.library)
    after = before.remove([work.options["id"]], progress=work.report)
    return {**_library(after), "removed": len(before) - len(after)}


def draw(work: Work) -> Any:  # noqa: ANN401 - a JSON document
    """The page of `braggle library map`, or of `braggle library templates`."""
    library = Library.open(work.library)
    if work.options["what"] == "map":
        page = maps.render(maps.draw(library, "physical", work.report))
    else:
        work.report(0, None, "templates")
        page = templates.render(templates.list_templates(library, most=templates.SHOWN))
    return {**_library(library), "page": page}


KINDS: Mapping[str, Callable[[Work], Any]] = {
    "search": search,
    "generate": generate,
    "add": add,
    "remove": remove,
    "draw": draw,
}


def _uploads(files: Sequence[File], settings: ServeSettings) -> Iterator[Offered]:
    """The files, those in archives one by one, with the limits of uploads."""
    limits = ArchiveLimits(
        settings.max_archive_members,
        int(settings.max_archive_mb * 1e6),
        int(settings.max_archive_mb * 1e6),
    )
    for label, content in files:
        offered: Iterable[Offered] = [Offered.upload(content, label)]
        if is_zip(content):
            try:
                offered = zip_stream(io.BytesIO(content), label, limits).offered or ()
            except LibraryError as error:
                problem = Problem(label, 0, str(error).removeprefix(f"{label}: "))
                offered = [replace(one, content=b"", problem=problem) for one in offered]
        yield from (replace(one, most_atoms=settings.max_atoms) for one in offered)


def _unexpected_hidden(outcome: Outcome) -> Outcome:
    """What was not foreseen is for the log, not for the client."""
    if outcome.error is None or isinstance(outcome.error, BraggleError):
        return outcome
    said = f"{outcome.file}: could not be looked up, for a reason that was not foreseen"
    return replace(outcome, error=BraggleError(said))


def _library(library: Library) -> dict[str, Any]:
    return {
        "library": {
            "path": library.path.name,
            "version": library.version,
            "entries": len(library),
            "channels": [stamp.id for stamp in library.channels],
        }
    }
