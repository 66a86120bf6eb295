"""Which OPTIMADE is spoken, and where."""

from __future__ import annotations

from optimade import __api_version__

ROOT = "/optimade"
API_VERSION = __api_version__
_PARTS = API_VERSION.split(".")
MAJOR = int(_PARTS[0])
VERSIONS = tuple(".".join(_PARTS[: i + 1]) for i in range(len(_PARTS)))
"""As they stand in addresses: major, minor and patch."""
