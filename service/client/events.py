"""Server-sent events, as the HTML standard has them (9.2.6, "Interpreting an event stream")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        kind: its name.
        data: its lines, joined.
        id: of the last event that had one; "" for none.
        retry_s: after which the server wants a lost stream taken up again; None if it does not say.
    """

    kind: str
    data: str
    id: str
    retry_s: float | None


def events_of(lines: Iterable[str]) -> Iterator[Event]:
    """The whole events of a stream; what is cut off at its end is left out.

    A comment, by which a server shows that it is still there, is an event of the kind `comment`.
    """
    kind, last_id = "", ""
    data: list[str] = []
    retry_s: float | None = None
    for line in lines:
        if not line:
            if data:
                yield Event(kind or "message", "\n".join(data), last_id, retry_s)
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                kind = value
            case "data":
                data.append(value)
            case "id":
                last_id = value
            case "retry" if value.isdecimal():
                retry_s = int(value) / 1e3
            case "":
                yield Event("comment", value, last_id, retry_s)
            case _:  # to be passed over
                pass
