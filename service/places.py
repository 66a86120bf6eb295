"""Where the library that is meant lies."""

from __future__ import annotations

from pathlib import Path

from data.errors import LibraryError
from service.settings import Settings


def library_path(name: str | None = None, settings: Settings | None = None) -> Path:
    """The folder of the library that is meant, by these settings or those of the environment.

    Raises:
        LibraryError: it is in an object store, where no library can be.
    """
    settings = settings or Settings.load()
    meant = name or settings.library
    if "://" in meant:
        raise LibraryError(
            f"{meant}: a library lies in a local folder; name one, and take it to the store with "
            "`braggle library export s3://bucket/name.braggle`"
        )
    return settings.library_path(name)
