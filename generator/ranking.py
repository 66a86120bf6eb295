"""Which of the proposed crystals is the sample: a conditional logit over all that is seen of them.

Candidates of one task compete (`search.choice`), by how they fit, by how like their patterns are in
the learned space, by how unlike the exchanged elements are, by whether atoms have room, and by what
the trained network thinks of them. A fit that coordinates were refined for counts for less, the
more of them were free, and so does one of a crystal that no known one stands behind, or one of a
rare type. Of two that fit alike the one that fewer numbers describe is likelier: a lower symmetry
can always fit as well.
`generator/ranker.json` says how the coefficients were made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from generator.candidate import Candidate, Task
from generator.contacts import closest_contact
from generator.judgement import verdicts
from generator.lines import lines_for
from generator.pool import NEVER_SEEN
from generator.refinement.freedom import free_parameters
from indexer.learned import LearnedChannel
from search.profile_fit import fit_profiles

FEATURES = (
    "misfit",
    "unexplained",
    "dissimilarity",
    "crowding",
    "exchange",
    "refinement",
    "invention",
    "doubt",
    "freedom",
    "rarity",
)
LEAST_ANGLE, LEAST_UNEXPLAINED, LEAST_DISSIMILARITY = 0.05, 0.05, 0.03
"""What a right candidate has of each all the same; differences below do not count."""

_FLOAT = NDArray[np.float64]


@dataclass(frozen=True)
class CandidateRanker:
    """Coefficients of `FEATURES`, in that order."""

    weights: tuple[float, ...]

    @classmethod
    @cache
    def shipped(cls) -> CandidateRanker:
        """The coefficients that come with Braggle; a newer feature counts for nothing."""
        content = json.loads((files("generator") / "ranker.json").read_text())
        return cls(tuple(content["weights"].get(name, 0.0) for name in FEATURES))

    @property
    def by_name(self) -> dict[str, float]:
        """The coefficients."""
        return dict(zip(FEATURES, self.weights, strict=True))

    def ranked(self, task: Task, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates with their scores and features, best first."""
        if not candidates:
            return []
        seen = features(task, candidates)
        score = seen @ np.asarray(self.weights)
        return [
            replace(
                candidates[i],
                score=float(score[i]),
                features={
                    **candidates[i].features,
                    **dict(zip(FEATURES, seen[i].tolist(), strict=True)),
                },
            )
            for i in np.argsort(-score, kind="stable")
        ]


def features(task: Task, candidates: Sequence[Candidate]) -> _FLOAT:
    """What the choice goes by, each of order one. Shape (n, len(FEATURES))."""
    prepared = task.prepared
    crystals = [one.crystal for one in candidates]
    lines = lines_for(task, crystals)
    fits = fit_profiles(prepared, lines)
    channel = LearnedChannel()
    similar = channel.embed_lines(lines) @ channel.embed_pattern(prepared)[0]
    angle = np.arccos(np.clip([one.correlation for one in candidates], 0.0, 1.0))
    # Logarithms, as errors of unknown size have it: halving a misfit counts alike at any size.
    return np.column_stack(
        [
            np.log(np.maximum(angle, LEAST_ANGLE)),
            np.log(1.0 - fits.explained + LEAST_UNEXPLAINED),
            np.log(np.maximum(1.0 - similar, 0.0) + LEAST_DISSIMILARITY),
            [max(1.0 - closest_contact(one), 0.0) for one in crystals],
            [one.features.get("exchange", 0.0) for one in candidates],
            [one.features.get("refinement", 0.0) for one in candidates],
            [float(one.template is None) for one in candidates],
            1.0 - verdicts(task, crystals),
            np.log([free_parameters(one) for one in crystals]),
            [one.features.get("rarity", NEVER_SEEN) for one in candidates],
        ]
    )
