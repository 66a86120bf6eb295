"""Where crystals come from: bundled, the CoRE MOFs, or a user's own files."""

from __future__ import annotations

from pathlib import Path

from data.errors import LibraryError
from data.sources.stream import SourceStream

__all__ = ["KINDS", "SourceStream", "open_source"]

KINDS = (
    "bundled, core-mof, standata, a folder, .cif, .zip, .csv with a cif column, .parquet, or a "
    "folder in an object store (s3://bucket/folder)"
)


def open_source(text: str) -> SourceStream:
    """Open a source of crystals by its name or path.

    Args:
        text: "bundled", "core-mof", "standata", or the path of a folder (searched for *.cif at
            every depth), a .cif, a .zip of CIFs, a .csv or .parquet with a column `cif`, or a
            .parquet in the layout of `data.sources.packed`, or CIFs in an object store
            (s3://bucket/folder). A path wins over a name that it looks like
            only when written as a path (./bundled).

    Returns:
        Records, and a problem for each thing that cannot be read.

    Raises:
        LibraryError: there is no such source, or it is of a kind that holds no crystals.
        MissingExtraError: the source needs a package that is not installed.
    """
    # Each kind brings its own readers; a source that is not asked for costs no import.
    if text == "bundled":
        from data.bundled import bundled_stream

        return bundled_stream()
    if text == "core-mof":
        from data.sources import core_mof

        archives = core_mof.installed_archives()
        return SourceStream(text, core_mof.read_core_mof(archives), core_mof.FILES)
    if text == "standata":
        from data.sources import standata

        materials = standata.installed_materials()
        return SourceStream(text, standata.read_standata(materials), len(materials))
    from data.sources import files, stores, tables

    if stores.in_store(text):
        return stores.open_store(text)
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return files.open_folder(path)
        if not path.is_file():
            raise LibraryError(f"{text}: no such source; give {KINDS}")
    except (OSError, ValueError) as error:  # a name too long, a null byte, no permission
        raise LibraryError(f"{text!r}: cannot be opened ({error}); give {KINDS}") from None
    openers = {
        ".cif": files.open_cif,
        ".zip": files.open_zip,
        ".csv": tables.open_csv,
        ".parquet": tables.open_parquet,
    }
    opener = openers.get(path.suffix.lower())
    if opener is None:
        kind = path.suffix or "no ending"
        raise LibraryError(f"{text}: a file with {kind} is no source of crystals; give {KINDS}")
    return opener(path)
