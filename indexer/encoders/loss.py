"""Symmetric InfoNCE that does not push twins apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, log_softmax, normalize

TWIN_COSINE = 0.92
"""Crystals whose coarse profiles agree this well are no strangers to each other."""
COARSE_BINS = 8


def twins(profiles: Tensor) -> Tensor:
    """Which crystals of a batch look alike, each its own twin. Shape (B, B), bool.

    Args:
        profiles: of crystals. Shape (B, 2, BINS).
    """
    coarse = normalize(avg_pool1d(profiles[:, :1], COARSE_BINS)[:, 0], dim=1)
    alike = coarse @ coarse.T > TWIN_COSINE
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


def recall(queries: Tensor, answers: Tensor, truth: Tensor, at: tuple[int, ...]) -> list[float]:
    """Share of queries whose answer is among the first k.

    Args:
        queries: unit vectors. Shape (Q, D).
        answers: unit vectors. Shape (N, D).
        truth: row of the answer to each query. Shape (Q,).
        at: the ks.
    """
    scores = queries @ answers.T
    rank = (scores > scores.gather(1, truth[:, None])).sum(dim=1)
    return [float((rank < k).float().mean()) for k in at]
