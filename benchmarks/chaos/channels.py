"""Channels by their ids, as processes hand them on to each other."""

from __future__ import annotations

from collections.abc import Iterable

from indexer.channel import AnyChannel
from indexer.profiles import POWDER, channels_of


def channels_named(ids: Iterable[str]) -> tuple[AnyChannel, ...]:
    """Those of the channels that every library has that are named."""
    return tuple(one for one in channels_of(POWDER) if one.id in set(ids))
