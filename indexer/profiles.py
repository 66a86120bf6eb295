"""What a library is of, powders or sheets; that says which lines and channels it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from data.crystal import Crystal
from data.errors import CrystalError
from data.sheets import NO_SHEET, sheets_in

if TYPE_CHECKING:
    from indexer.channel import AnyChannel

Profile = Literal["powder", "2d"]

POWDER: Profile = "powder"
SHEETS: Profile = "2d"
SHEETS_CHANNEL = "2d"
"""The channel that only a library of sheets has; it is how one is known."""


def profile_of(channel_ids: Iterable[str]) -> Profile:
    """What a library with vectors of these channels is of."""
    return SHEETS if SHEETS_CHANNEL in set(channel_ids) else POWDER


def taken_as(profile: Profile, crystal: Crystal) -> tuple[Crystal, ...]:
    """What a crystal is to a library of a profile: itself, or the sheets that it is or is made of.

    Raises:
        CrystalError: the profile is of sheets, and it is none and not layered.
    """
    if profile != SHEETS:
        return (crystal,)
    sheets = sheets_in(crystal)
    if not sheets:
        raise CrystalError(
            f"the crystal is {NO_SHEET}, and the library is of sheets; give a layered one, or ask "
            "a library of powders"
        )
    return sheets


def channels_of(profile: Profile) -> tuple[AnyChannel, ...]:
    """The channels that every library of a profile has."""
    from indexer.physical import PhysicalChannel

    if profile == SHEETS:
        from indexer.sheets.channel import SheetsChannel

        return (PhysicalChannel(), SheetsChannel())
    from indexer.learned import AtomsChannel, LearnedChannel

    return (PhysicalChannel(), LearnedChannel(), AtomsChannel())


def learned_of(profile: Profile) -> str:
    """The channel of a profile that finds entries beside those that are compared one by one."""
    return SHEETS_CHANNEL if profile == SHEETS else "learned"
