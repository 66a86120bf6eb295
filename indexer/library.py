"""A versioned folder of crystals that one writer changes and many readers use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

from data.errors import LibraryError
from data.offered import Origin
from indexer.adding import Engine, write
from indexer.channel import AnyChannel
from indexer.cluster import joined_cluster
from indexer.history import KeptVersion, history, rollback
from indexer.ingest import Item
from indexer.ledger import Ledger, LedgerRow, read_ledger
from indexer.maintaining import KEEP_DAYS, KEEP_LAST, Upkeep, maintain
from indexer.profiles import POWDER, Profile, channels_of
from indexer.publishing import is_library, may_build_in, read_current
from indexer.removing import remove
from indexer.schema import LEDGER
from indexer.snapshot import Snapshot
from indexer.tallying import LOOKED_UP
from indexer.writing import Progress


class Library(Snapshot):
    """A published version of a library, and what makes the next one of it.

    It does not change when that is published; every verb gives the new version.
    """

    @classmethod
    def build(
        cls,
        records: Iterable[Item],
        path: Path | str,
        *,
        channels: Sequence[AnyChannel] | None = None,
        replace: bool = False,
        progress: Progress | None = None,
        workers: int | None = None,
        engine: Engine = "local",
        profile: Profile = POWDER,
    ) -> Library:
        """Make a library of records; `.change` says what became of them.

        A large one is published in parts, and a build that was cut off goes on from there.

        Args:
            records: a stream of records, or of files that hold them; those with a length tell
                `progress` the total.
            path: a folder that does not exist, is empty, or holds an unfinished build.
            channels: that make vectors; those of the profile by default.
            replace: allows an existing library, whose readers keep their version.
            progress: called with done, total (or None) and stage.
            workers: processes; one a core by default.
            engine: what works out crystals: processes of this machine ("local"), or a Ray cluster
                ("ray"), which needs the extra `distributed`.
            profile: "2d" makes a library of sheets: layered crystals are exfoliated, those that
                are neither layered nor sheets left out, and lines are in the plane.

        Raises:
            LibraryError: something else is in the way, or no record could be read.
        """
        folder = Path(path)
        goes_on = is_library(folder) and not replace and read_current(folder).is_unfinished_build
        if goes_on and channels is None and read_current(folder).profile != profile:
            raise LibraryError(
                f"{folder}: an unfinished build of the profile {read_current(folder).profile}; go "
                "on with that, or say --replace"
            )
        if is_library(folder) and not replace and not goes_on:
            raise LibraryError(
                f"{folder}: there is a library already; add to it with `braggle library add`, "
                "or say --replace to build it anew"
            )
        if not may_build_in(folder) and not is_library(folder):
            raise LibraryError(f"{folder}: not empty and no library; name an empty or a new folder")
        with joined_cluster() if engine == "ray" else nullcontext():
            change = write(
                folder,
                records,
                channels_of(profile) if channels is None else channels,
                fresh=not goes_on,
                verb="build",
                progress=progress,
                workers=workers,
                engine=engine,
            )
        return cls(folder, change=change)

    def add(
        self,
        records: Iterable[Item],
        *,
        channels: Sequence[AnyChannel] | None = None,
        progress: Progress | None = None,
        workers: int | None = None,
        dry_run: bool = False,
    ) -> Library:
        """Add records to what is published now, and return that new version.

        A crystal that is there already gets a further source. A file that was offered before with
        the same content is skipped; where its content has changed, it takes the place of what it
        gave before. This object goes on reading its own version; arguments are those of `build`.
        After a dry run `.change` says what would be done.

        Raises:
            LibraryError: someone else is writing, or the library is damaged.
        """
        change = write(
            self.path,
            records,
            channels_of(self.profile) if channels is None else channels,
            fresh=False,
            verb="add",
            progress=progress,
            workers=workers,
            dry_run=dry_run,
        )
        return Library(self.path, change=change)

    def remove(self, entry_ids: Collection[str], *, progress: Progress | None = None) -> Library:
        """Take entries out of what is published now, and return that new version.

        This object goes on reading its own version.

        Args:
            entry_ids: which; those that are not there any more are passed over.
            progress: called with done, total and stage.

        Raises:
            LibraryError: someone else is writing, or nothing would be left.
        """
        remove(self.path, frozenset(entry_ids), progress=progress)
        return Library(self.path)

    def rollback(self, version: int) -> Library:
        """Publish a kept version again, as a new version, and return that; nothing is lost.

        Raises:
            LibraryError: someone else is writing, or the version is damaged.
            QueryError: the version is not kept, or published now.
        """
        rollback(self.path, version)
        return Library(self.path)

    def maintain(
        self,
        *,
        channels: Sequence[AnyChannel] | None = None,
        keep_last: int = KEEP_LAST,
        keep_days: float = KEEP_DAYS,
        progress: Progress | None = None,
        dry_run: bool = False,
    ) -> Upkeep:
        """Put what is published now in order, and let old versions go; see `maintaining.maintain`.

        Raises:
            LibraryError: someone else is writing, or the library is damaged.
        """
        return maintain(
            self.path,
            channels_of(self.profile) if channels is None else channels,
            keep_last=keep_last,
            keep_days=keep_days,
            progress=progress,
            dry_run=dry_run,
        )

    def export(self, file: Path | str, *, progress: Progress | None = None) -> Path:
        """Write this version as a bundle: one file to be handed on.

        Args:
            file: to write, or a folder for it.
            progress: called with done, total and stage.

        Returns:
            The file.

        Raises:
            LibraryError: it cannot be written.
        """
        from indexer.bundle import export

        place = self.bundle_place(file)
        export(self.path, self._published, self._reader, place, progress)
        return place

    def bundle_place(self, file: Path | str) -> Path:
        """The file that `export` writes where a file or a folder is named.

        Raises:
            LibraryError: there is no folder for it.
        """
        from indexer.bundle import SUFFIX

        place = Path(file)
        if place.is_dir():
            place /= f"{self.path.resolve().name}-{self.version}{SUFFIX}"
        if not place.parent.is_dir():
            raise LibraryError(
                f"{place}: the bundle cannot be written (there is no folder {place.parent}); make "
                "it, or name another"
            )
        return place

    def bundle_bytes(self) -> int:
        """About how large a bundle of this version would be, from a sample of its rows."""
        from indexer.bundle import bundle_bytes

        return bundle_bytes(self._published, self._reader)

    @classmethod
    def import_bundle(
        cls,
        file: Path | str,
        path: Path | str,
        *,
        channels: Sequence[AnyChannel] | None = None,
        progress: Progress | None = None,
    ) -> Library:
        """Make a library of a bundle, in a folder where there is none.

        Raises:
            LibraryError: the file is no bundle or altered, or something is in the way.
        """
        from indexer.bundle import import_bundle

        import_bundle(Path(file), Path(path), channels, progress)
        return cls(Path(path))

    def history(self) -> tuple[KeptVersion, ...]:
        """The versions that are kept, whatever is published now the last of them."""
        return history(self.path)

    def ledger(self, *, failed: bool = False, since: int = 0) -> list[LedgerRow]:
        """What became of every file that was offered, first come first.

        Args:
            failed: only those that cannot be read, as they are now.
            since: leave out so many rows.
        """
        return read_ledger(self._reader, failed=failed, since=since)

    def last_of(self, origins: Sequence[Origin]) -> dict[str, LedgerRow]:
        """What became of some files the last time that they were offered, by their keys; those that
        never were are left out.
        """
        ledger, found = Ledger(self._reader), dict[str, LedgerRow]()
        for start in range(0, len(origins), LOOKED_UP):
            found |= ledger.last(origins[start : start + LOOKED_UP])
        return found

    @property
    def ledger_length(self) -> int:
        """How many rows the ledger has."""
        return self._reader.rows(LEDGER)
