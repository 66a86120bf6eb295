"""The service as a Python object, a method a route."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, Unpack
from urllib.parse import quote
from uuid import uuid4

import httpx

from service.client import answers, options
from service.client.connection import Connection
from service.client.content import Arrays, File, body, form, query
from service.client.jobs import Job, Progress

TIMEOUT_S = 180.0
"""More than the service lets a look-up take."""

PATIENCE_S = 60.0


class Client:
    """Asks one service.

    Requests that are lost, and those that the service asks to send again (429, 503), are sent again
    where that is safe, for `patience_s` at most; a request that makes a job carries an
    `Idempotency-Key`, so that it makes one job however often it is sent.

    Every method raises `ServiceError` where the service answers with a problem or not at all.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: address of the service.
            key: where it asks for one.
            timeout_s: that an answer may take.
            patience_s: for which one request is tried again.
            transport: of httpx, in place of the network.
        """
        self._connection = Connection(
            url, key=key, timeout_s=timeout_s, patience_s=patience_s, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is connected."""
        self._connection.close()

    def search(
        self, pattern: File | Arrays, **given: Unpack[options.SearchOptions]
    ) -> answers.Answer:
        """Name the phases of a pattern.

        Args:
            pattern: a path, the content of a file, or `Arrays`.
            given: what else is known, as of `braggle search`.
        """
        found: answers.Answer = self._post("/v1/search", body(pattern, given)).json()
        return found

    def search_all(
        self,
        patterns: Sequence[File],
        *,
        progress: Progress | bool = False,
        **given: Unpack[options.SearchOptions],
    ) -> list[answers.Answer | answers.Failure]:
        """Name the phases of several patterns, in their order; a job that is waited for.

        A pattern that cannot be looked up has an `error` in its place.

        Args:
            patterns: paths, or contents of files.
            progress: as of `Job.wait`.
            given: as of `search`.
        """
        if len(patterns) < 2:
            return [self.search(one, **given) for one in patterns]
        job: Job[list[answers.Answer | answers.Failure]]
        job = self._job("POST", "/v1/search", form(patterns, given))
        return job.wait(progress=progress)

    def pattern(
        self, pattern: File, **given: Unpack[options.PatternOptions]
    ) -> answers.ReadPattern:
        """What is in a pattern file, and its curve, before it is looked up."""
        found: answers.ReadPattern = self._post("/v1/patterns", form([pattern], given)).json()
        return found

    def report(self, pattern: File | Arrays, **given: Unpack[options.SearchOptions]) -> str:
        """Look a pattern up; the page of `braggle search --report`, one file of HTML."""
        return self._post("/v1/report", body(pattern, given)).text

    def hand_over(self, pattern: File | Arrays, **given: Unpack[options.SearchOptions]) -> bytes:
        """Look a pattern up; what `braggle search --export` writes, as a zip archive."""
        return self._post("/v1/hand-over", body(pattern, given)).content

    def similar(self, cif: File, **given: Unpack[options.SimilarOptions]) -> answers.SimilarAnswer:
        """Find crystals whose powder patterns are like that of the first crystal of a CIF."""
        found: answers.SimilarAnswer = self._post("/v1/similar", form([cif], given)).json()
        return found

    def simulate(self, cif: File, **given: Unpack[options.SimulateOptions]) -> answers.Simulated:
        """Simulate the powder pattern of the first crystal of a CIF."""
        found: answers.Simulated = self._post("/v1/simulate", form([cif], given)).json()
        return found

    def library(self) -> answers.Library:
        """The library at a glance."""
        found: answers.Library = self._get("/v1/library").json()
        return found

    def entries(self, **given: Unpack[options.PageOptions]) -> Iterator[answers.Entry]:
        """Entries that pass filters, of all pages, in the library's order."""
        while True:
            page = self.page(**given)
            yield from page["entries"]
            if page["next_cursor"] is None:
                return
            given["cursor"] = page["next_cursor"]

    def page(self, **given: Unpack[options.PageOptions]) -> answers.EntriesPage:
        """One page of entries that pass filters, and how many there are on all of them."""
        found: answers.EntriesPage = self._get("/v1/entries", given).json()
        return found

    def entry(self, entry_id: str) -> answers.EntryDetails:
        """All that the library knows of one crystal."""
        found: answers.EntryDetails = self._get(_entry(entry_id)).json()
        return found

    def entry_cif(self, entry_id: str) -> str:
        """One entry as a CIF."""
        return self._get(f"{_entry(entry_id)}.cif").text

    def entry_pattern(self, entry_id: str, **given: Unpack[options.SimulateOptions]) -> str:
        """The simulated pattern of one entry, as text in two columns: 2θ in degrees and counts."""
        return self._get(f"{_entry(entry_id)}.xy", given).text

    def entry_drawing(self, entry_id: str) -> answers.Drawing:
        """The unit cell of one entry as it is drawn."""
        found: answers.Drawing = self._get(f"{_entry(entry_id)}/drawing").json()
        return found

    def templates(self, **given: Unpack[options.TemplateOptions]) -> answers.Templates:
        """Templates with most members."""
        found: answers.Templates = self._get("/v1/templates", given).json()
        return found

    def generate(
        self,
        pattern: File | None = None,
        *,
        idempotency_key: str | None = None,
        **given: Unpack[options.GenerateOptions],
    ) -> Job[answers.Solution]:
        """Propose structures for a pattern that nothing known explains, or without one.

        Args:
            pattern: a path, or the content of a file; without one they are for the formula, or for
                elements alone with the engine pointcloud.
            idempotency_key: of your own, to find the job again when your program was cut off.
            given: what is known of the sample, as of `braggle generate`.
        """
        return self._job(
            "POST",
            "/v1/generate",
            form([] if pattern is None else [pattern], given),
            idempotency_key,
        )

    def add(self, *cifs: File, idempotency_key: str | None = None) -> Job[answers.Added]:
        """Add the crystals of CIFs, or of zip archives of CIFs; needs the scope `write`."""
        return self._job("POST", "/v1/entries", form(cifs, {}), idempotency_key)

    def remove(self, entry_id: str, *, idempotency_key: str | None = None) -> Job[answers.Removed]:
        """Take an entry out of the library; needs the scope `admin`."""
        return self._job("DELETE", _entry(entry_id), {}, idempotency_key)

    def history(self) -> answers.History:
        """The versions of the library that are kept."""
        found: answers.History = self._get("/v1/library/history").json()
        return found

    def draw(self, what: Literal["map", "templates"]) -> Job[answers.Page]:
        """The library's map, or its templates, as a page; the same job for each version."""
        return self._job("POST", f"/v1/library/{what}", {})

    def jobs(self) -> list[Job[Any]]:
        """Your jobs, last made first; with the scope `admin` those of everyone."""
        found = self._get("/v1/jobs").json()["jobs"]
        return [Job(self._connection, document) for document in found]

    def job(self, job_id: str) -> Job[Any]:
        """A job by its id."""
        found = self._get(f"/v1/jobs/{quote(job_id, safe='')}").json()
        return Job(self._connection, found)

    def _get(self, place: str, given: Mapping[str, Any] | None = None) -> httpx.Response:
        return self._connection.send("GET", place, **query(given or {}))

    def _post(self, place: str, content: Mapping[str, Any]) -> httpx.Response:
        return self._connection.send("POST", place, **content)

    def _job(
        self, method: str, place: str, content: Mapping[str, Any], key: str | None = None
    ) -> Job[Any]:
        headers = {"Idempotency-Key": key or uuid4().hex}
        answer = self._connection.send(method, place, headers=headers, **content)
        return Job(self._connection, answer.json())


def _entry(entry_id: str) -> str:
    return f"/v1/entries/{quote(entry_id, safe='')}"
