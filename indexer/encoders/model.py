"""The encoders: profiles over ln Q in, unit vectors of one space out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from indexer.encoders.axis import BINS

DIMENSION = 256


@dataclass(frozen=True)
class ProfileEncoderShape:
    """Sizes of a `ProfileEncoder`.

    Attributes:
        stem: width and stride of the first convolution, in bins.
        stages: channels and blocks of each stage; each but the first halves the places.
        kernel: of the blocks' convolutions.
        head: channels a place keeps before places are joined.
    """

    stem: tuple[int, int] = (16, 8)
    stages: tuple[tuple[int, int], ...] = ((64, 0), (96, 1), (160, 2))
    kernel: int = 5
    head: int = 48


class Block(nn.Module):
    """A convolution along ln Q and a mixing of channels, added to what came in."""

    def __init__(self, channels: int, kernel: int) -> None:
        """Nothing is added at first."""
        super().__init__()
        self.along = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.mix = nn.Conv1d(channels, channels, 1)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, P) to the same."""
        return relu(x + self.mix(relu(self.along(x))))


class ProfileEncoder(nn.Module):
    """A convolutional network that knows where on ln Q it is.

    Convolutions see shapes and small shifts; what is left of the axis is then read place by
    place, because a line's absolute place is what tells crystals apart. There is nothing in it
    but convolutions and rectifiers, which two cores run fast, in training and in use.
    """

    def __init__(self, shape: ProfileEncoderShape | None = None, *, channels: int = 2) -> None:
        """Weights are random; what comes in has this many channels."""
        super().__init__()
        shape = shape or ProfileEncoderShape()
        width, stride = shape.stem
        given, channels = channels, shape.stages[0][0]
        self.stem = nn.Conv1d(given, channels, width, stride, padding=(width - stride) // 2)
        places = BINS // stride
        self.halvings, self.blocks = nn.ModuleList(), nn.ModuleList()
        for stage, (wanted, blocks) in enumerate(shape.stages):
            if stage:
                halving = nn.Conv1d(channels, wanted, 2 * (shape.kernel // 2) + 2, 2,
                                    padding=shape.kernel // 2)  # fmt: skip
                self.halvings.append(halving)
                places //= 2
            channels = wanted
            self.blocks.append(
                nn.Sequential(*(Block(channels, shape.kernel) for _ in range(blocks)))
            )
        self.reduce = nn.Conv1d(channels, shape.head, 1)
        self.join = nn.Linear(shape.head * places, DIMENSION)

    def forward(self, profiles: Tensor) -> Tensor:
        """(B, channels, BINS) to unit vectors (B, DIMENSION)."""
        x = self.blocks[0](relu(self.stem(profiles)))
        for halving, blocks in zip(self.halvings, self.blocks[1:], strict=True):
            x = blocks(relu(halving(x)))
        return normalize(self.join(relu(self.reduce(x)).flatten(1)).float(), dim=1)


def parameters(module: nn.Module) -> int:
    """How many numbers were learned."""
    return sum(p.numel() for p in module.parameters())
