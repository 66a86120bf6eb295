"""Jobs in a SQLite database that the server and its workers share.

A job goes from `queued` to `running` by an atomic claim, and from there to `succeeded`, `failed` or
`cancelled`. Every change counts up its revision, by which those who watch it see what is new.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from data.errors import BraggleError

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
LOST = frozenset({"failed", "cancelled"})
ENDED = LOST | {"succeeded"}

_TABLES = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS jobs (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, client TEXT NOT NULL, state TEXT NOT NULL,
        options TEXT NOT NULL, idempotency_key TEXT, fingerprint TEXT NOT NULL,
        created_at REAL NOT NULL, started_at REAL, ended_at REAL,
        done INTEGER NOT NULL DEFAULT 0, total INTEGER, stage TEXT NOT NULL DEFAULT '',
        cancel_asked_at REAL, worker INTEGER, revision INTEGER NOT NULL DEFAULT 1,
        problem TEXT, result TEXT
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS by_key ON jobs (client, idempotency_key);
    CREATE INDEX IF NOT EXISTS by_state ON jobs (state);
    CREATE TABLE IF NOT EXISTS inputs (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, place INTEGER NOT NULL,
        label TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (job, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS partials (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, revision INTEGER NOT NULL,
        document TEXT NOT NULL, PRIMARY KEY (job, revision)
    ) STRICT, WITHOUT ROWID;
"""
_SEEN = (
    "id, kind, client, state, created_at, started_at, ended_at, done, total, stage, "
    "cancel_asked_at, worker, revision, problem"
)
_CLAIM = f"""
    UPDATE jobs SET state = 'running', worker = ?, started_at = ?, revision = revision + 1
    WHERE place = (SELECT place FROM jobs WHERE state = 'queued' ORDER BY place LIMIT 1)
    RETURNING {_SEEN}
"""  # noqa: S608
_TAKEN = """
    SELECT (page_count - freelist_count) * page_size
    FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()
"""


class Input(Protocol):
    """The content of an uploaded file, and what answers call it."""

    @property
    def label(self) -> str:
        """A name that is never a path."""

    @property
    def content(self) -> bytes:
        """The bytes of the file."""


@dataclass(frozen=True)
class Job:
    """A job without its input and its result. Times are seconds since 1970, UTC.

    Attributes:
        id: random; who knows it and has no key may see the job where no keys are asked for.
        kind: what is to be done, of `service.jobs.kinds.KINDS`.
        client: who asked for it.
        state: where it stands.
        created_at, started_at, ended_at: None while that has not come.
        done, total, stage: progress; None where the total is not known.
        cancel_asked_at: since when it is to stop.
        worker: process that runs it, or ran it.
        revision: counts up with every change.
        problem: why it failed, a problem document.
    """

    id: str
    kind: str
    client: str
    state: State
    created_at: float
    started_at: float | None
    ended_at: float | None
    done: int
    total: int | None
    stage: str
    cancel_asked_at: float | None
    worker: int | None
    revision: int
    problem: dict[str, Any] | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED


@dataclass(frozen=True)
class Limits:
    """How many jobs wait or run, of one client and of all, and how much disk all jobs take."""

    per_client: int
    waiting: int
    megabytes: float = float("inf")


class TooManyJobsError(BraggleError):
    """A client, or all of them together, have asked for as many jobs as are taken on."""


class KeyReusedError(BraggleError):
    """An idempotency key came with another request than the first time."""


class JobStore:
    """The database of jobs. Any thread and any process of this machine may use it."""

    def __init__(self, folder: Path) -> None:
        """Open it, and make it where it is not there.

        Raises:
            BraggleError: the folder cannot be written.
        """
        self.path = folder / "jobs.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.touch(mode=0o600)
            with closing(self._connect()) as database:
                database.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise BraggleError(
                f"{self.path}: jobs cannot be kept here ({error}); check the folder's rights, or "
                "set BRAGGLE_DATA_DIR to another"
            ) from None

    def submit(
        self,
        kind: str,
        client: str,
        options: Mapping[str, Any],
        inputs: Sequence[Input] = (),
        *,
        limits: Limits,
        idempotency_key: str | None = None,
        anew: bool = False,
    ) -> tuple[Job, bool]:
        """Queue a job; the second value says whether it is new.

        Args:
            kind: what is to be done.
            client: who asks.
            options: of the work, as JSON.
            inputs: files.
            limits: how many jobs are taken on.
            idempotency_key: under which the client may ask again and gets the same job.
            anew: not where that job has failed or was cancelled.

        Raises:
            KeyReusedError: the key came with another request before.
            TooManyJobsError: there are as many as are taken on.
        """
        said = json.dumps(options, sort_keys=True)
        fingerprint = _fingerprint(kind, said, inputs)
        with self._changing() as database:
            if idempotency_key is not None:
                known = database.execute(
                    f"SELECT fingerprint, {_SEEN} FROM jobs "  # noqa: S608
                    "WHERE client = ? AND idempotency_key = ?",
                    (client, idempotency_key),
                ).fetchone()
                if known is not None and anew and known["state"] in LOST:
                    database.execute(
                        "UPDATE jobs SET idempotency_key = NULL WHERE id = ?", (known["id"],)
                    )
                elif known is not None:
                    if known["fingerprint"] != fingerprint:
                        raise KeyReusedError(
                            f"Idempotency-Key: {idempotency_key!r} came with another request "
                            "before; take a new key"
                        )
                    return _job(known), False
            _check(database, client, limits)
            identifier = secrets.token_urlsafe(16)
            database.execute(
                "INSERT INTO jobs (id, kind, client, state, options, idempotency_key, "
                "fingerprint, created_at) VALUES (?, ?, ?, 'queued', ?, ?, ?, ?)",
                (identifier, kind, client, said, idempotency_key, fingerprint, time.time()),
            )
            database.executemany(
                "INSERT INTO inputs VALUES (?, ?, ?, ?)",
                [(identifier, i, one.label, one.content) for i, one in enumerate(inputs)],
            )
            return _one(database, identifier), True

    def get(self, identifier: str) -> Job | None:
        """A job; None where there is none."""
        with self._reading() as database:
            row = database.execute(f"SELECT {_SEEN} FROM jobs WHERE id = ?", (identifier,))  # noqa: S608
            found = row.fetchone()
            return None if found is None else _job(found)

    def all(self, client: str | None = None, most: int = 1000) -> list[Job]:
        """Jobs of a client, or of all, last made first."""
        with self._reading() as database:
            rows = database.execute(
                f"SELECT {_SEEN} FROM jobs WHERE ? IS NULL OR client = ? "  # noqa: S608
                "ORDER BY place DESC LIMIT ?",
                (client, client, most),
            )
            return [_job(row) for row in rows]

    def in_state(self, state: State) -> list[Job]:
        """Jobs that stand there, first made first."""
        with self._reading() as database:
            rows = database.execute(
                f"SELECT {_SEEN} FROM jobs WHERE state = ? ORDER BY place",  # noqa: S608
                (state,),
            )
            return [_job(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Jobs by state."""
        with self._reading() as database:
            rows = database.execute("SELECT state, count(*) FROM jobs GROUP BY state")
            return dict(rows.fetchall())

    def result(self, identifier: str) -> str | None:
        """The JSON document that a job ended with; None where it has none."""
        with self._reading() as database:
            row = database.execute("SELECT result FROM jobs WHERE id = ?", (identifier,)).fetchone()
            return None if row is None else row["result"]

    def options(self, identifier: str) -> dict[str, Any]:
        """What the work is to be like."""
        with self._reading() as database:
            row = database.execute("SELECT options FROM jobs WHERE id = ?", (identifier,))
            said: dict[str, Any] = json.loads(row.fetchone()["options"])
            return said

    def inputs(self, identifier: str) -> list[tuple[str, bytes]]:
        """Labels and contents of a job's files."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT label, content FROM inputs WHERE job = ? ORDER BY place", (identifier,)
            )
            return [(row["label"], row["content"]) for row in rows]

    def claim(self, worker: int) -> Job | None:
        """Take the job that has waited longest; no other worker gets it."""
        with self._changing() as database:
            row = database.execute(_CLAIM, (worker, time.time())).fetchone()
            return None if row is None else _job(row)

    def report(self, identifier: str, done: int, total: int | None, stage: str) -> bool:
        """Note how far a job is; whether it may go on."""
        with self._changing() as database:
            row = database.execute(
                "UPDATE jobs SET done = ?, total = ?, stage = ?, revision = revision + 1 "
                "WHERE id = ? AND state = 'running' RETURNING cancel_asked_at",
                (done, total, stage, identifier),
            ).fetchone()
            return row is not None and row["cancel_asked_at"] is None

    def publish(self, identifier: str, document: str) -> None:
        """Show a part of the result, a JSON document, while the job runs."""
        with self._changing() as database:
            row = database.execute(
                "UPDATE jobs SET revision = revision + 1 WHERE id = ? AND state = 'running' "
                "RETURNING revision",
                (identifier,),
            ).fetchone()
            if row is not None:
                database.execute(
                    "INSERT INTO partials VALUES (?, ?, ?)", (identifier, row["revision"], document)
                )

    def partials(self, identifier: str, after: int) -> list[tuple[int, str]]:
        """What a job that runs has shown since a revision: revisions and JSON documents."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT revision, document FROM partials WHERE job = ? AND revision > ? "
                "ORDER BY revision",
                (identifier, after),
            )
            return [(row["revision"], row["document"]) for row in rows]

    def finish(self, identifier: str, result: str) -> None:
        """A job has ended well with this JSON document."""
        self._end(identifier, "succeeded", result=result)

    def fail(self, identifier: str, problem: Mapping[str, Any]) -> None:
        """A job has ended with this problem."""
        self._end(identifier, "failed", problem=json.dumps(problem))

    def stop(self, identifier: str) -> None:
        """A job that was to be cancelled has stopped."""
        self._end(identifier, "cancelled")

    def requeue(self, identifier: str) -> None:
        """A job that runs is to be begun again, by whoever claims it next."""
        with self._changing() as database:
            database.execute(
                "UPDATE jobs SET state = 'queued', worker = NULL, started_at = NULL, done = 0, "
                "total = NULL, stage = '', revision = revision + 1 "
                "WHERE id = ? AND state = 'running'",
                (identifier,),
            )
            database.execute("DELETE FROM partials WHERE job = ?", (identifier,))

    def cancel(self, identifier: str) -> Job | None:
        """Cancel a job that waits, and ask one that runs to stop; the job as it is then."""
        with self._changing() as database:
            now = time.time()
            cancelled = database.execute(
                "UPDATE jobs SET state = 'cancelled', ended_at = ?, cancel_asked_at = ?, "
                "revision = revision + 1 WHERE id = ? AND state = 'queued'",
                (now, now, identifier),
            )
            if cancelled.rowcount:
                database.execute("DELETE FROM inputs WHERE job = ?", (identifier,))
            database.execute(
                "UPDATE jobs SET cancel_asked_at = coalesce(cancel_asked_at, ?), "
                "revision = revision + 1 WHERE id = ? AND state = 'running'",
                (now, identifier),
            )
            return _one_or_none(database, identifier)

    def delete(self, identifier: str) -> None:
        """Forget a job that has ended."""
        with self._changing() as database:
            database.execute(
                f"DELETE FROM jobs WHERE id = ? AND state IN {_ENDED}",  # noqa: S608
                (identifier,),
            )

    def clean(self, kept_s: float) -> int:
        """Forget jobs that ended longer ago; how many."""
        with self._changing() as database:
            gone = database.execute(
                f"DELETE FROM jobs WHERE state IN {_ENDED} AND ended_at < ?",  # noqa: S608
                (time.time() - kept_s,),
            )
            return gone.rowcount

    def _end(
        self,
        identifier: str,
        state: State,
        *,
        result: str | None = None,
        problem: str | None = None,
    ) -> None:
        with self._changing() as database:
            ended = database.execute(
                "UPDATE jobs SET state = ?, ended_at = ?, result = ?, problem = ?, "
                "revision = revision + 1 WHERE id = ? AND state = 'running'",
                (state, time.time(), result, problem, identifier),
            )
            if ended.rowcount:  # what was uploaded, and shown on the way, has done its service
                database.execute("DELETE FROM inputs WHERE job = ?", (identifier,))
                database.execute("DELETE FROM partials WHERE job = ?", (identifier,))

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA foreign_keys = ON")
        return database

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as database:
            yield database

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


_ENDED = f"({', '.join(repr(state) for state in sorted(ENDED))})"


def _check(database: sqlite3.Connection, client: str, limits: Limits) -> None:
    mine, everyone = database.execute(
        "SELECT count(*) FILTER (WHERE client = ?), count(*) FROM jobs "
        "WHERE state IN ('queued', 'running')",
        (client,),
    ).fetchone()
    if mine >= limits.per_client:
        raise TooManyJobsError(
            f"{mine} of your jobs wait or run, and no more are taken on; wait until one has ended, "
            "or cancel one"
        )
    (taken,) = database.execute(_TAKEN).fetchone()
    if taken / 1e6 > limits.megabytes:
        raise TooManyJobsError(
            f"jobs and their results take {taken / 1e6:.0f} MB, and no more are taken on; fetch "
            "what you want, and delete jobs that have ended"
        )
    if everyone >= limits.waiting:
        raise TooManyJobsError(
            f"{everyone} jobs wait or run, and no more are taken on; try again later"
        )


def _one(database: sqlite3.Connection, identifier: str) -> Job:
    found = _one_or_none(database, identifier)
    if found is None:
        raise ValueError(f"{identifier=} was made and is not there")
    return found


def _one_or_none(database: sqlite3.Connection, identifier: str) -> Job | None:
    row = database.execute(
        f"SELECT {_SEEN} FROM jobs WHERE id = ?",  # noqa: S608
        (identifier,),
    ).fetchone()
    return None if row is None else _job(row)


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in Job.__dataclass_fields__}
    problem = values.pop("problem")
    return Job(**values, problem=None if problem is None else json.loads(problem))


def _fingerprint(kind: str, options: str, inputs: Sequence[Input]) -> str:
    digest = hashlib.sha256(f"{kind}\n{options}\n".encode())
    for one in inputs:
        digest.update(f"{len(one.label)} {one.label} {len(one.content)}\n".encode())
        digest.update(one.content)
    return digest.hexdigest()
