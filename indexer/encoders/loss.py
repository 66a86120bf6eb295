"""Symmetric InfoNCE that does not push twins apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, log_softmax, normalize

TWIN_COSINE = 0.92
"""Crystals whose coarse profiles agree this well are no strangers to each other."""
COARSE_BINS = 8


def coarse(profiles: Tensor) -> Tensor:
    """What twins are known by: unit vectors of the profile's coarse shape. Shape (B, ...).

    Args:
        profiles: of crystals. Shape (B, 2, BINS).
    """
    return normalize(avg_pool1d(profiles[:, :1], COARSE_BINS)[:, 0], dim=1)


def twins(profiles: Tensor) -> Tensor:
    """Which crystals of a batch look alike, each its own twin. Shape (B, B), bool.

    Args:
        profiles: of crystals. Shape (B, 2, BINS).
    """
    shapes = coarse(profiles)
    alike = shapes @ shapes.T > TWIN_COSINE
    return alike | torch.eye(len(alike), dtype=torch.bool, device=alike.device)


def contrastive(queries: Tensor, answers: Tensor, alike: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE both ways (Radford et al., CLIP, ICML 2021), twins of a pair left out of its rivals.

    Args:
        queries: unit vectors. Shape (B, D).
        answers: unit vectors, row i belonging to query i. Shape (B, D).
        alike: as of `twins`. Shape (B, B).
        scale: inverse temperature.
    """
    own = torch.eye(len(alike), dtype=torch.bool, device=alike.device)
    logits = (scale * queries @ answers.T).masked_fill(alike & ~own, -torch.inf)
    forth, back = log_softmax(logits, dim=1), log_softmax(logits, dim=0)
    return -(forth.diagonal().mean() + back.diagonal().mean()) / 2


def ranks(queries: Tensor, answers: Tensor, truth: Tensor, passed: Tensor | None = None) -> Tensor:
    """How many answers come before each query's own. Shape (Q,).

    Args:
        queries: unit vectors. Shape (Q, D).
        answers: unit vectors. Shape (N, D).
        truth: row of the answer to each query. Shape (Q,).
        passed: answers that do not count against a query, its twins. Shape (Q, N).
    """
    scores = queries @ answers.T
    before = scores > scores.gather(1, truth[:, None])
    if passed is not None:
        before &= ~passed
    return before.sum(dim=1)
