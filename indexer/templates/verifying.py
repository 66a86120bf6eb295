"""Is a library's template collection what it says it is?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from indexer.tables import Reader
from indexer.templates.agreement import agree
from indexer.templates.collecting import groups_of
from indexer.templates.pattern import strongest
from indexer.templates.template import LEAST_MEMBERS, Template

SAMPLE = 24
"""Templates whose members are looked at anew."""


def without_members(templates: Sequence[Template], rows: Mapping[str, int]) -> list[str]:
    """Ids of templates with too few members, with the same one twice, or with strangers.

    Args:
        templates: of a library.
        rows: of its entries, by id.
    """
    return [
        template.id
        for template in templates
        if len(template.members) < LEAST_MEMBERS
        or len(set(template.members)) < len(template.members)
        or not all(member in rows for member in template.members)
    ]


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
