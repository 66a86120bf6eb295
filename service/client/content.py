"""What is sent: files and arrays, and options as a form or as JSON says them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

File = str | os.PathLike[str] | bytes | tuple[str, bytes]
"""A path, the content of a file, or what answers are to call it with its content."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """A pattern that is in no file, over one of the two axes. Lists or arrays, all of one length.

    Attributes:
        counts: measured.
        two_theta_deg: 2θ in degrees.
        q_inv_angstrom: or Q in 1/Å.
        esd: standard deviations of the counts.
        name: what answers call it.
    """

    counts: Iterable[float]
    two_theta_deg: Iterable[float] | None = None
    q_inv_angstrom: Iterable[float] | None = None
    esd: Iterable[float] | None = None
    name: str = "pattern"

    def document(self) -> dict[str, Any]:
        """As JSON says it.

        Raises:
            ValueError: a number is not finite.
        """
        said: dict[str, Any] = {"name": self.name}
        for name in ("counts", "two_theta_deg", "q_inv_angstrom", "esd"):
            values = getattr(self, name)
            if values is not None:
                said[name] = [float(one) for one in values]
                if not all(map(math.isfinite, said[name])):
                    raise ValueError(f"{name}: holds what is no number; leave those points out")
        return said


def labelled(file: File) -> tuple[str, bytes]:
    """What answers call a file, and its content.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(file, tuple):
        return file
    if isinstance(file, bytes):
        return "pattern", file
    path = Path(file)
    return path.name, path.read_bytes()


def form(files: Sequence[File], options: Mapping[str, Any]) -> dict[str, Any]:
    """Files with options, as httpx takes a form of parts, even one without files."""
    fields = [(name, (None, _text(value))) for name, value in given(options).items()]
    return {"files": [*(("file", labelled(file)) for file in files), *fields]}


def body(pattern: File | Arrays, options: Mapping[str, Any]) -> dict[str, Any]:
    """A pattern with options: a file as a form, arrays as JSON."""
    if isinstance(pattern, Arrays):
        return {"json": pattern.document() | given(options)}
    return form([pattern], options)


def query(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an address."""
    return {"params": {name: _text(value) for name, value in given(options).items()}}


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without those that are None; several names are joined by commas."""

    def one(value: Any) -> Any:  # noqa: ANN401 - of any type that an option has
        return value if isinstance(value, str | int | float) else ",".join(value)

    return {name: one(value) for name, value in options.items() if value is not None}


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
