"""Ranges as people write them: "100:500", "100:", ":500"."""

from __future__ import annotations

Span = tuple[float | None, float | None]


def span_of(text: str) -> Span:
    """Both ends of a range; either may be left out.

    Raises:
        ValueError: it is no range.
    """
    low, colon, high = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} has no colon")
    return (float(low) if low else None, float(high) if high else None)
