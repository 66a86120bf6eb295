"""Outcomes of a long benchmark, kept as they come, so that it goes on where it was cut off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import QueryError

_BEGINS = '{"asked": '


class Kept:
    """A file of JSON lines: what was asked, the case, and what became of it.

    A file may hold outcomes of several benchmarks; those that were asked otherwise do not count.
    """

    def __init__(self, path: Path | None, asked: Mapping[str, Any]) -> None:
        """Read what there is.

        Args:
            path: of the file, made when the first outcome comes; None keeps nothing.
            asked: everything that outcomes hang on, besides the case; of JSON's types.

        Raises:
            QueryError: a line that is not of such a file; one that was cut off is taken back.
        """
        self._path = path
        self._asked = json.loads(json.dumps(asked))
        self.outcomes: dict[str, Any] = {}
        if path is None or not path.is_file():
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            try:
                one = json.loads(line)
                of, case, outcome = one["asked"], one["case"], one["outcome"]
            except (ValueError, KeyError, TypeError):
                if line.endswith("\n") or not line.startswith(_BEGINS[: len(line)]):
                    raise QueryError(
                        f"{path}, line {number}: not an outcome of a benchmark; name another file"
                    ) from None
                path.write_text("".join(lines[:-1]), encoding="utf-8")
            else:
                if of == self._asked:
                    self.outcomes[case] = outcome

    def add(self, case: str, outcome: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Keep the outcome of a case."""
        self.outcomes[case] = outcome
        if self._path is None:
            return
        line = json.dumps({"asked": self._asked, "case": case, "outcome": outcome})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
