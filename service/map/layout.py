"""Places on a plane for vectors: principal components, then t-SNE, the same ones every time.

t-SNE is that of van der Maaten & Hinton, J. Mach. Learn. Res. 9 (2008) 2579, by the Barnes-Hut
approximation, J. Mach. Learn. Res. 15 (2014) 3221, in scikit-learn's implementation.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

MOST_POINTS = 15_000
"""Larger libraries are drawn by a sample of so many entries."""
SEED = 0
COMPONENTS = 50
PERPLEXITY = 30.0
ITERATIONS = 750
NEIGHBOURS = 10
_FEW = 10
"""Of fewer vectors, the first two principal components say as much."""

Advance = Callable[[int, int], None]
Points = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where vectors lie on the plane.

    Attributes:
        points: within -1 and 1, the centre of their range at the origin. Shape (n, 2).
        neighbours_kept: share of the 10 nearest neighbours of each vector that are among the 10
            nearest on the plane, too; None for fewer than 12 vectors.
    """

    points: Points
    neighbours_kept: float | None


def sample_rows(entries: int, most: int = MOST_POINTS) -> NDArray[np.int64]:
    """All rows, or as many as allowed, drawn at random but always the same. Ascending."""
    if entries <= most:
        return np.arange(entries, dtype=np.int64)
    rng = np.random.default_rng(SEED)
    return np.sort(rng.choice(entries, most, replace=False)).astype(np.int64)


def lay_out(vectors: NDArray[np.float32], advance: Advance | None = None) -> Layout:
    """Put like vectors near to each other.

    All of it runs on one thread: the order in which several add up would change every map.

    Args:
        vectors: compared by Euclidean distance. Shape (n, dimension).
        advance: called with iterations done and their total.
    """
    with threadpool_limits(1):
        components = principal_components(vectors, COMPONENTS)
        if len(vectors) < _FEW:
            return Layout(_centred(components[:, :2]), None)
        points = _centred(_t_sne(components, advance or (lambda _done, _total: None)))
        return Layout(points, neighbours_kept(components, points))


def principal_components(vectors: NDArray[np.float32], most: int) -> Points:
    """Coordinates along the directions of most variance, at least two. Shape (n, ≤ most)."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    directions = directions[:, ::-1][:, :most]
    # The sign of a direction is the library's whim; the largest entry shall be positive.
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.sign(directions[largest, np.arange(directions.shape[1])])
    components = centred @ directions
    missing = max(0, 2 - components.shape[1])
    return np.pad(components, ((0, 0), (0, missing))).astype(np.float32)


def neighbours_kept(
    vectors: NDArray[np.float32], points: Points, count: int = NEIGHBOURS
) -> float | None:
    """Share of nearest neighbours that stay nearest neighbours; None for too few vectors."""
    if len(vectors) < count + 2:
        return None
    from sklearn.neighbors import NearestNeighbors

    before, after = (
        NearestNeighbors(n_neighbors=count).fit(one).kneighbors(return_distance=False)
        for one in (vectors, points)
    )
    kept = [len(np.intersect1d(a, b)) for a, b in zip(before, after, strict=True)]
    return float(np.mean(kept)) / count


def _t_sne(components: Points, advance: Advance) -> Points:
    from sklearn.manifold import TSNE

    spread = float(components[:, 0].std()) or 1.0
    model = TSNE(
        perplexity=min(PERPLEXITY, (len(components) - 1) / 3),
        init=1e-4 * components[:, :2] / spread,
        max_iter=ITERATIONS,
        random_state=SEED,
        verbose=2,
    )
    with redirect_stdout(_Told(advance)):
        points: Points = model.fit_transform(components)
    return points


class _Told(io.TextIOBase):
    """Reads iterations off what scikit-learn prints, which is all that it tells of progress."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance

    def write(self, text: str) -> int:
        if found := re.match(r"\[t-SNE\] Iteration (\d+):", text):
            self._advance(int(found[1]), ITERATIONS)
        return len(text)


def _centred(points: Points) -> Points:
    low, high = points.min(axis=0), points.max(axis=0)
    half = float((high - low).max()) / 2 or 1.0
    return np.asarray((points - (low + high) / 2) / half, dtype=np.float32)
