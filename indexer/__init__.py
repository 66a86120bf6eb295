"""The library on disk: crystals, their lines and vectors, and how they are added and found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.catalogue import Filters
    from indexer.entry import Entry
    from indexer.library import Library

__all__ = ["Entry", "Filters", "Library"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - three classes have no closer common type
    """Import the stores when they are first used; worker processes never do."""
    if name not in __all__:
        raise AttributeError(f"module 'indexer' has no attribute {name!r}")
    from indexer import catalogue, entry, library

    return {"Entry": entry.Entry, "Filters": catalogue.Filters, "Library": library.Library}[name]
