"""Where the answers of a look-up go: terminal, documents, report, summary, folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from data.errors import BraggleError
from indexer import Library
from search.result import LookupResult
from service.batch import Outcome
from service.commands.options import report_error
from service.handover import destinations, phases_of, write_hand_over
from service.summary import SummaryRow, row_of, write_summary
from service.summary.writing import check_place
from service.tables import lookup_table
from service.terminal import emit, emit_line, say, show


class Outputs:
    """Takes the outcomes of a batch one by one, and writes what is complete at the end.

    What was taken before an error or an interruption is written, too.

    Attributes:
        failed: whether a pattern had no answer, or could not be handed over.
    """

    def __init__(
        self,
        files: Sequence[str],
        *,
        as_list: bool,
        json: bool = False,
        jsonl: bool = False,
        report: Path | None = None,
        summary: Path | None = None,
        export: Path | None = None,
    ) -> None:
        """Check every place before the work begins.

        Args:
            files: of the batch, in the order in which outcomes will come.
            as_list: whether the JSON document is a list even for one pattern.
            json: one document at the end instead of tables.
            jsonl: a document a line, at once, instead of tables.
            report: page to write at the end.
            summary: table to write at the end.
            export: folder that holds a folder a pattern, each written at once.

        Raises:
            BraggleError: a place cannot be written, or holds something of the user's.
        """
        for path, what in ((report, "report"), (summary, "summary")):
            if path is not None:
                check_place(path, what)
        self.failed = False
        self._total, self._as_list = len(files), as_list
        self._json, self._jsonl = json, jsonl
        self._report, self._summary, self._export = report, summary, export
        self._destinations = [] if export is None else destinations(files, export)
        self._documents: list[dict[str, Any]] = []
        self._results: list[LookupResult] = []
        self._rows: list[SummaryRow] = []
        self._taken = self._exported = 0

    def take(self, outcome: Outcome, library: Library) -> None:
        """Show, write or keep one outcome.

        Args:
            outcome: the next of the batch.
            library: that was searched.
        """
        if outcome.error is not None:
            self._complain(outcome)
        if self._jsonl:
            emit_line(outcome.document)
        elif self._json:
            self._documents.append(outcome.document)
        elif outcome.result is not None:
            show(lookup_table(outcome.result))
        if self._summary is not None:
            self._rows.append(row_of(outcome))
        if self._report is not None and outcome.result is not None:
            self._results.append(outcome.result)
        if self._destinations and outcome.result is not None:
            folder = self._destinations[self._taken].folder
            try:
                phases = phases_of(outcome.result, library)
                together = len(phases) if outcome.result.mixtures else 1
                write_hand_over(outcome.result, phases, folder, together=together)
                self._exported += 1
            except Exception as error:  # noqa: BLE001 - the other patterns go on
                report_error(error, where=str(folder))
                self.failed = True
        self._taken += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, BrokenPipeError):
            return
        if isinstance(error, KeyboardInterrupt):
            say(f"braggle: interrupted after {self._taken} of {self._total} patterns")
        if self._json and (self._as_list or self._documents):
            emit(self._documents if self._as_list else self._documents[0])
        self._write(self._report, self._write_report, "Report written to", len(self._results))
        self._write(self._summary, self._write_summary, "Summary written to", len(self._rows))
        if self._exported:
            noun = "folder" if self._exported == 1 else "folders"
            say(f"{self._exported} {noun} exported to {self._export}")

    def _write(self, path: Path | None, write: Callable[[Path], None], said: str, n: int) -> None:
        if path is None or not n:
            return
        try:
            write(path)
        except Exception as error:  # noqa: BLE001 - what else there is to write still is
            report_error(error, where=str(path))
            self.failed = True
        else:
            say(f"{said} {path}")

    def _write_report(self, path: Path) -> None:
        from service.report import write_report

        write_report(self._results, path)

    def _write_summary(self, path: Path) -> None:
        write_summary(self._rows, path, report=self._report)

    def _complain(self, outcome: Outcome) -> None:
        error = outcome.error
        if isinstance(error, BraggleError):
            error = BraggleError(outcome.message).with_traceback(error.__traceback__)
        if error is not None:
            report_error(error, where=outcome.file)
        self.failed = True
