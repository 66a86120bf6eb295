"""Written tables become a version that readers see: hashed, checked, tagged, switched to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from indexer.checking import check_before_publishing, hash_files
from indexer.index_cache import drop_old_indexes
from indexer.ingest import LineSettings
from indexer.publishing import (
    ChannelStamp,
    Deed,
    Published,
    TemplatesState,
    publish,
    publish_anew,
)
from indexer.tables import Reader, Writer


def release(
    path: Path,
    writer: Writer,
    version: int,
    stamps: tuple[ChannelStamp, ...],
    settings: LineSettings,
    deed: Deed,
    templates: TemplatesState,
    *,
    before: Published | None,
    unchanged: int,
    logged: int,
    anew: bool,
) -> Published:
    """Check what was written, and make it what readers see.

    Args:
        path: of the library.
        writer: what wrote its tables.
        version: the new one.
        stamps: of the channels whose vectors it has.
        settings: of its lines.
        deed: what led to it.
        templates: how far they go.
        before: what was published before and whose files may be part of it.
        unchanged: see `check_before_publishing`.
        logged: see there.
        anew: see there.

    Raises:
        LibraryError: it is not whole; nothing was published.
    """
    tables = writer.versions()
    published = Published(
        version=version,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        tables=tables,
        files=hash_files(path, Reader(path, tables), before),
        channels=stamps,
        d_min_angstrom=settings.d_min_angstrom,
        floor=settings.floor,
        deed=deed,
        templates=templates,
    )
    recall = check_before_publishing(path, published, unchanged=unchanged, logged=logged, anew=anew)
    published = replace(published, recall=recall)
    # Tagged first: from the moment it is published no clean-up may take it away.
    writer.tag(f"v{version}")
    publish(path, published)
    drop_old_indexes(path, stamps)
    return published


def release_table(path: Path, writer: Writer, name: str, base: Published) -> Published:
    """Make what was written to a table that goes with no entry part of the version that is
    published already; nobody needs to read its entries again.
    """
    tables = {**base.tables, name: writer.versions()[name]}
    files = hash_files(path, Reader(path, tables), base)
    writer.tag_versions(f"v{base.version}", {name: tables[name]})
    published = replace(base, tables=tables, files=files)
    publish_anew(path, published)
    return published
