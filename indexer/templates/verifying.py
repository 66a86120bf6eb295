"""Is a library's template collection what it says it is?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from indexer.tables import Reader, present
from indexer.templates.agreement import agree
from indexer.templates.collecting import groups_of
from indexer.templates.pattern import strongest
from indexer.templates.template import LEAST_MEMBERS, Template

SAMPLE = 24
"""Templates whose members are looked at anew."""


def without_members(log: pa.Table, ids: pa.Array | None = None) -> tuple[list[str], int]:
    """Ids of templates that too few founded, or that have the same member twice; and how many
    templates were looked at.

    Args:
        log: rows of the table of templates, with `LOG_COLUMNS`.
        ids: of the entries. When given, templates with other members are bad, too; otherwise
            those were taken out since and are members no more.
    """
    members: dict[str, list[str]] = {}
    bad: dict[str, None] = {}
    for row in log.to_pylist():
        if row["marker"] is not None and len(row["members"]) < LEAST_MEMBERS:
            bad[row["id"]] = None
        members.setdefault(row["id"], []).extend(row["members"])
    bad |= {one: None for one, own in members.items() if len(set(own)) < len(own)}
    if ids is not None:
        known = present(ids, {one for own in members.values() for one in own})
        bad |= {one: None for one, own in members.items() if not known.issuperset(own)}
    return list(bad), len(members)


def without_agreement(
    reader: Reader, templates: Sequence[Template], rows: Mapping[str, int]
) -> tuple[int, list[str]]:
    """Ask members of some templates anew for their strongest peak and their shapes.

    Returns:
        How many templates were asked, and the ids of those whose members disagree with them.
    """
    places = np.unique(np.linspace(0, len(templates) - 1, SAMPLE).astype(np.int64))
    sample = [templates[place] for place in places] if templates else []
    wanted = [(one.interval, np.array([rows[member] for member in one.members])) for one in sample]
    bad = []
    for template, group in zip(sample, groups_of(reader, wanted), strict=True):
        agreed = all(
            any(agree(template.shape, shape) for shape in structure.of(template.kind))
            for structure in group.structures
        )
        if not agreed or (strongest(group.patterns) != template.interval).any():
            bad.append(template.id)
    return len(sample), bad
