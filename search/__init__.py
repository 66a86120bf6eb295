"""Looking up: a pattern or a crystal in, ranked hits out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.searcher import Searcher

__all__ = ["Searcher"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as a module's attributes are
    """Import the searcher, and with it compiled code, when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'search' has no attribute {name!r}")
    from search.searcher import Searcher

    return Searcher
