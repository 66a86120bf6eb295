"""Whether torch is installed, which the network and refinement run in."""

from __future__ import annotations

from importlib.util import find_spec


def has_torch() -> bool:
    """Whether torch can be imported; it is not."""
    return find_spec("torch") is not None
