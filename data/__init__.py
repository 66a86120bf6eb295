"""What a crystal and a pattern are; reading and writing them; the physics of diffraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data.reading import read_pattern

__all__ = ["read_pattern"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as a module's attributes are
    """Import the readers when they are first used; the command line starts without them."""
    if name not in __all__:
        raise AttributeError(f"module 'data' has no attribute {name!r}")
    from data.reading import read_pattern

    return read_pattern
