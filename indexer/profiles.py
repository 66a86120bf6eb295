"""What a library is of, powders or sheets; that says which lines and channels it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

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
