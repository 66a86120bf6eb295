"""API keys: made, listed, taken back; stored as hashes only."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data.errors import BraggleError

SCOPES = ("read", "write", "admin")
"""Each allows what those before it allow: looking up; adding; removing, others' jobs, metrics."""

PREFIX = "braggle"

_TABLE = """
    CREATE TABLE IF NOT EXISTS keys (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, sha256 TEXT NOT NULL,
        made_at TEXT NOT NULL, revoked_at TEXT
    ) STRICT
"""


@dataclass(frozen=True)
class Key:
    """A key as it is known after it was made: everything but the secret.

    Attributes:
        id: eight characters that stand in the key, too.
        name: whose, or what for.
        scope: the most it allows, of `SCOPES`.
        made_at: UTC time, ISO 8601.
        revoked_at: since when it is refused; None while it is not.
    """

    id: str
    name: str
    scope: str
    made_at: str
    revoked_at: str | None = None

    def allows(self, scope: str) -> bool:
        """Whether this scope is within the key's."""
        return SCOPES.index(scope) <= SCOPES.index(self.scope)


class KeyStore:
    """The keys of a service, in a small database. Any number of processes may use it."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is made before the first key."""
        self._path = folder / "keys.sqlite"

    def add(self, name: str, scope: str) -> tuple[Key, str]:
        """Make a key; the second value is what the client sends, and is stored nowhere.

        Raises:
            BraggleError: a scope that there is not, or a place that cannot be written.
        """
        if scope not in SCOPES:
            raise BraggleError(f"scope {scope!r}: there is no such; give {', '.join(SCOPES)}")
        identifier = secrets.token_hex(4)
        secret = f"{PREFIX}_{identifier}_{secrets.token_urlsafe(32)}"
        key = Key(identifier, name, scope, _now())
        with self._database(make=True) as database:
            database.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?, NULL)",
                (key.id, key.name, key.scope, _digest(secret), key.made_at),
            )
        return key, secret

    def all(self) -> list[Key]:
        """Every key, revoked ones too, first made first."""
        if not self._path.exists():
            return []
        with self._database() as database:
            rows = database.execute(
                "SELECT id, name, scope, made_at, revoked_at FROM keys ORDER BY made_at, rowid"
            )
            return [Key(*row) for row in rows]

    def revoke(self, identifier: str) -> Key:
        """Refuse a key from now on; one that is revoked already stays so.

        Raises:
            BraggleError: there is no such key.
        """
        known = {key.id for key in self.all()}
        if identifier not in known:
            raise BraggleError(
                f"key {identifier!r}: there is no such; `braggle keys list` shows those there are"
            )
        with self._database() as database:
            database.execute(
                "UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?",
                (_now(), identifier),
            )
        return next(key for key in self.all() if key.id == identifier)

    def of(self, secret: str) -> Key | None:
        """The key that a client sent; None when it is none, or revoked."""
        parts = secret.split("_", 2)
        if len(parts) != 3 or parts[0] != PREFIX or not self._path.exists():
            return None
        with self._database() as database:
            row = database.execute(
                "SELECT id, name, scope, made_at, sha256 FROM keys "
                "WHERE id = ? AND revoked_at IS NULL",
                (parts[1],),
            ).fetchone()
        # A secret of 32 random bytes needs no slow hash; comparing takes the same time always.
        if row is None or not secrets.compare_digest(row[4], _digest(secret)):
            return None
        return Key(*row[:4])

    @contextmanager
    def _database(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if make:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._path.touch(mode=0o600)
            with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
                if make:
                    database.execute(_TABLE)
                yield database
        except (OSError, sqlite3.Error) as error:
            raise BraggleError(
                f"{self._path}: the keys cannot be read or written ({error}); check the file"
            ) from None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
