"""Attention among the atoms of structures, biased by what lies between them."""

from __future__ import annotations

import math

from torch import Tensor, nn


class PairAttention(nn.Module):
    """Tokens look at each other and at what lies between them."""

    def __init__(self, width: int, heads: int, pairs: int) -> None:
        """Of so many numbers for each token, and for each pair of them."""
        super().__init__()
        self.heads = heads
        self.ask = nn.Linear(width, 3 * width)
        self.bias = nn.Linear(pairs, heads)
        self.between = nn.Linear(heads * pairs, width)
        self.answer = nn.Linear(width, width)

    def among(self, x: Tensor, pairs: Tensor, there: Tensor) -> Tensor:
        """What tokens learn of each other.

        Args:
            x: Shape (B, T, width).
            pairs: what lies between tokens. Shape (B, T, T, pairs).
            there: which are. Shape (B, T).

        Returns:
            Shape (B, T, width).
        """
        batch, count, width = x.shape
        query, key, value = self.ask(x).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        logits = query @ key.transpose(2, 3) / math.sqrt(width / self.heads)
        logits = logits + self.bias(pairs).permute(0, 3, 1, 2)
        odds = logits.masked_fill(~there[:, None, None], -1e4).softmax(dim=3)
        seen = (odds @ value).transpose(1, 2).reshape(batch, count, width)
        # What lies between, weighed as the values are: directions, which values cannot carry.
        between = (odds.transpose(1, 2) @ pairs).flatten(2)
        found: Tensor = self.answer(seen) + self.between(between)
        return found
