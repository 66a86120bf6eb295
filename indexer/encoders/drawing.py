"""Measured-like profiles in bulk, on whatever device holds the packed crystals.

What `data.measured_like` and `data.preparation` do to one pattern is done here to a batch: lines
on a 2θ axis, widths, counting noise on a background, the background taken off again, the noise
clipped, the square root on ln Q.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, conv1d, interpolate

from indexer.encoders.axis import (
    BINS,
    LN_Q_START,
    NOISE_CLIP,
    REFERENCE_WAVELENGTH_ANGSTROM,
    STEP,
    line_shape,
)
from indexer.encoders.pack import Pack, PaddedLines

AXIS_START_DEG, AXIS_STEP_DEG, AXIS_POINTS = 2.0, 0.04, 2400
"""The 2θ axis that patterns are counted on."""
FFT_POINTS = 4096
"""Room enough for the tails of one end not to reach the other."""

BACKGROUND_CELL, BACKGROUND_REACH, BACKGROUND_ROUNDS = 8, 7, 6
"""The background is sought on means of so many points, smoothed over ± so many means, and never
above what it was the round before."""

WAVELENGTHS = ((1.5406, 0.75), (1.7890, 0.1), (0.7093, 0.1), (1.0, 0.05))
"""Principal wavelengths in Å and how often each is drawn."""
ALPHA2 = 1.0025
"""Kα2 over Kα1, which is twice as strong."""


@dataclass(frozen=True)
class Laboratory:
    """How far from the ideal patterns are drawn; see `data.measured_like.Diffractometer`.

    Attributes:
        fwhm_deg, counts, background: ranges, drawn evenly in the logarithm.
        strain_decades: the spread of a crystal's strain is 10 to a power from this range, both
            isotropic and of each free axis.
        largest_strain: of any axis.
        shift_deg: spread of zero error and of displacement.
        texture, line_error: largest spreads of logarithms of strength.
        impurity: largest share of the intensity that another crystal has.
        impure: share of the patterns that have an impurity.
        missing: share of the lines that are left out.
        start_deg, end_deg: ranges of the scan's ends.
    """

    fwhm_deg: tuple[float, float] = (0.06, 0.3)
    counts: tuple[float, float] = (80.0, 20_000.0)
    background: tuple[float, float] = (0.003, 0.5)
    strain_decades: tuple[float, float] = (-3.5, -1.8)
    largest_strain: float = 0.03
    shift_deg: float = 0.04
    texture: float = 0.6
    line_error: float = 0.5
    impurity: float = 0.5
    impure: float = 0.5
    missing: float = 0.03
    start_deg: tuple[float, float] = (3.0, 20.0)
    end_deg: tuple[float, float] = (55.0, 97.0)


def lines_profiles(lines: PaddedLines) -> Tensor:
    """Profiles of crystals, as `profile.profile_of_lines` makes one. Shape (B, 2, BINS)."""
    q = 2 * math.pi * lines.inv_d2.clamp(min=1e-9).sqrt()
    place = (q.log() - LN_Q_START) / STEP - 0.5
    seen = (place >= 0) & (place < BINS - 1) & lines.present
    area = torch.where(seen, lines.strength * polarisation_of_q(q), 0.0)
    comb = deposit(place, area, BINS)
    shape = torch.as_tensor(line_shape(), dtype=comb.dtype, device=comb.device)
    root = conv1d(comb[:, None], shape[None, None], padding=len(shape) // 2)[:, 0]
    return levelled(root.clamp(min=0).sqrt(), torch.ones_like(root))


def measured_profiles(
    pack: Pack, rows: Tensor, lab: Laboratory, generator: torch.Generator
) -> Tensor:
    """Profiles of one measured-like pattern for each crystal. Shape (B, 2, BINS).

    Args:
        pack: crystals.
        rows: which. Shape (B,).
        lab: where they are measured.
        generator: draws everything.
    """
    draw = _Draw(len(rows), rows.device, generator)
    lines = pack.lines(rows, strain=_strain(pack, rows, lab, draw))
    axis = AXIS_START_DEG + AXIS_STEP_DEG * torch.arange(AXIS_POINTS, device=rows.device)
    wavelength = _wavelengths(draw)
    clean = _patterns(lines, axis, wavelength, lab, draw)
    mixed = _with_impurity(clean, wavelength, lab, draw)
    root, covered = _counted_and_prepared(mixed, axis, lab, draw)
    return _on_ln_q(root, covered, axis, wavelength)


@dataclass(frozen=True)
class _Draw:
    """Random numbers for a batch."""

    size: int
    device: torch.device
    generator: torch.Generator

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        draws = torch.rand(self.size, *shape, generator=self.generator, device=self.device)
        return low + (high - low) * draws

    def log_uniform(self, limits: tuple[float, float], *shape: int) -> Tensor:
        return self.uniform(math.log(limits[0]), math.log(limits[1]), *shape).exp()

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.size, *shape, generator=self.generator, device=self.device)


def _strain(pack: Pack, rows: Tensor, lab: Laboratory, draw: _Draw) -> Tensor:
    """Factor of each lattice vector, free where the space group leaves it. Shape (B, 3)."""
    spread = 10 ** draw.uniform(*lab.strain_decades, 2)
    own = spread[:, :1] * draw.normal(3)
    group = pack.space_group[rows]
    own[:, 1] = torch.where(group >= 75, own[:, 0], own[:, 1])
    own[:, 2] = torch.where(group >= 195, own[:, 0], own[:, 2])
    total = own + spread[:, 1:] * draw.normal(1)
    return 1 + total.clamp(-lab.largest_strain, lab.largest_strain)


def _wavelengths(draw: _Draw) -> Tensor:
    values = torch.tensor([value for value, _ in WAVELENGTHS], device=draw.device)
    odds = torch.tensor([often for _, often in WAVELENGTHS], device=draw.device)
    return values[torch.multinomial(odds, draw.size, replacement=True, generator=draw.generator)]


def _patterns(
    lines: PaddedLines, axis: Tensor, wavelength: Tensor, lab: Laboratory, draw: _Draw
) -> Tensor:
    """Patterns without background or noise, highest point one. Shape (B, len(axis))."""
    count = lines.inv_d2.shape[1]
    texture = draw.uniform(0, lab.texture, 1) * draw.normal(1)
    normal = torch.nn.functional.normalize(draw.normal(3), dim=1)
    along = (lines.direction * normal[:, None]).sum(dim=2) ** 2
    ratio = texture.exp()
    # March-Dollase for the one representative of each line; cubic equivalents average it out.
    strength = lines.strength * (ratio**2 * along + (1 - along) / ratio) ** -1.5
    strength = strength * (draw.uniform(0, lab.line_error, 1) * draw.normal(count)).exp()
    strength = strength * (-draw.uniform(-0.3, 2.0, 1) * lines.inv_d2 / 2).exp()
    strength = strength * (draw.uniform(0, 1, count) > lab.missing)
    zero, height = lab.shift_deg * draw.normal(1), lab.shift_deg * draw.normal(1)
    comb = torch.zeros(draw.size, len(axis), device=draw.device)
    second = (draw.uniform(0, 1, 1) > 0.25) / 2.0  # a quarter of the beams are monochromatic
    for factor, weight in ((1.0, torch.ones_like(second)), (ALPHA2, second)):
        sine = lines.inv_d2.sqrt() * wavelength[:, None] * factor / 2
        theta = sine.clamp(max=0.99).asin()
        bragg = torch.rad2deg(2 * theta) + zero + height * theta.cos()
        place = (bragg - AXIS_START_DEG) / AXIS_STEP_DEG
        seen = (sine < 0.98) & (place >= 0) & (place < len(axis) - 1) & lines.present
        area = torch.where(seen, strength * _polarisation(theta), 0.0) * weight
        comb += deposit(place, area, len(axis))
    pattern = _broadened(comb, axis, lab, draw)
    return pattern / pattern.amax(dim=1, keepdim=True).clamp(min=1e-12)


def _broadened(comb: Tensor, axis: Tensor, lab: Laboratory, draw: _Draw) -> Tensor:
    """Lines with a pseudo-Voigt shape that widens towards high angles."""
    frequency = torch.fft.rfftfreq(FFT_POINTS, AXIS_STEP_DEG, device=axis.device)
    width = draw.log_uniform(lab.fwhm_deg, 1)
    eta = draw.uniform(0.1, 0.9, 1)
    spectrum = torch.fft.rfft(comb, FFT_POINTS)
    parts = []
    for fwhm in (width, width * draw.uniform(1.0, 2.0, 1)):
        x = math.pi * fwhm * frequency
        shape = eta * (-x).exp() + (1 - eta) * (-(x**2) / (4 * math.log(2))).exp()
        parts.append(torch.fft.irfft(spectrum * shape, FFT_POINTS)[:, : len(axis)])
    share = torch.tan(torch.deg2rad(axis / 2)).clamp(max=1.0) ** 2
    pattern: Tensor = (1 - share) * parts[0] + share * parts[1]
    return pattern.clamp(min=0)


def _with_impurity(patterns: Tensor, wavelength: Tensor, lab: Laboratory, draw: _Draw) -> Tensor:
    """Some patterns with the pattern of another crystal of the batch in the same beam added."""
    share = draw.uniform(0, lab.impurity, 1) * (draw.uniform(0, 1, 1) < lab.impure)
    order = (wavelength + draw.uniform(0, 1e-4)).argsort()
    partner = torch.empty_like(order).index_copy_(0, order, order.roll(1))
    other = patterns[partner]
    other = other * (patterns.sum(1, keepdim=True) / other.sum(1, keepdim=True).clamp(min=1e-12))
    mixed = patterns + share / (1 - share) * other
    return mixed / mixed.amax(dim=1, keepdim=True).clamp(min=1e-12)


def _counted_and_prepared(
    patterns: Tensor, axis: Tensor, lab: Laboratory, draw: _Draw
) -> tuple[Tensor, Tensor]:
    """Net counts above the noise, and where was counted. Shapes (B, len(axis))."""
    start, end = draw.uniform(*lab.start_deg, 1), draw.uniform(*lab.end_deg, 1)
    covered = (axis >= start) & (axis <= end)
    x = ((axis - start) / (end - start)).clamp(0, 1)
    air = draw.uniform(0, 2, 1) * torch.exp(-x / draw.uniform(0.03, 0.2, 1))
    slope = 1 + draw.uniform(-0.5, 0.5, 1) * x
    middle, reach = draw.uniform(15, 35, 1), draw.uniform(3, 8, 1)
    hump = draw.uniform(0, 1.5, 1) * torch.exp(-0.5 * ((axis - middle) / reach) ** 2)
    background = draw.log_uniform(lab.background, 1) * (air + slope + hump)
    inside = torch.where(covered, patterns, 0.0)
    highest = inside.amax(dim=1, keepdim=True).clamp(min=1e-6)
    expected = draw.log_uniform(lab.counts, 1) * (inside / highest + background)
    noise = torch.randn(expected.shape, generator=draw.generator, device=draw.device)
    counts = (expected + expected.sqrt() * noise).clamp(min=0)
    net = counts - _background(counts, covered)
    sigma = counts.clamp(min=1.0).sqrt()
    return torch.where(covered, (net - NOISE_CLIP * sigma).clamp(min=0), 0.0), covered


def _background(counts: Tensor, covered: Tensor) -> Tensor:
    """A smooth curve along the lower side of the counts."""
    edge = counts.masked_fill(~covered, 0).sum(1, keepdim=True) / covered.sum(1, keepdim=True)
    filled = torch.where(covered, counts, edge)
    coarse = avg_pool1d(filled[:, None], BACKGROUND_CELL)
    window = 2 * BACKGROUND_REACH + 1
    lower = coarse
    for _ in range(BACKGROUND_ROUNDS):
        padded = torch.nn.functional.pad(lower, (BACKGROUND_REACH,) * 2, mode="replicate")
        lower = torch.minimum(lower, avg_pool1d(padded, window, stride=1))
    padded = torch.nn.functional.pad(lower, (BACKGROUND_REACH,) * 2, mode="replicate")
    smooth = avg_pool1d(padded, window, stride=1)
    return interpolate(smooth, size=counts.shape[1], mode="linear")[:, 0]


def _on_ln_q(net: Tensor, covered: Tensor, axis: Tensor, wavelength: Tensor) -> Tensor:
    """Levelled profiles. Shape (B, 2, BINS)."""
    theta = torch.deg2rad(axis / 2)
    height = net / _polarisation(theta)
    bins = LN_Q_START + STEP * (torch.arange(BINS, device=axis.device) + 0.5)
    total = torch.zeros(len(net), BINS, device=axis.device)
    for shift in (-STEP / 3, 0.0, STEP / 3):
        sine = (bins + shift).exp() * wavelength[:, None] / (4 * math.pi)
        place = (torch.rad2deg(2 * sine.clamp(max=0.999).asin()) - AXIS_START_DEG) / AXIS_STEP_DEG
        first = place.long().clamp(0, len(axis) - 2)
        share = (place - first).clamp(0, 1)
        total += (1 - share) * height.gather(1, first) + share * height.gather(1, first + 1)
    there = covered.float().gather(1, place.round().long().clamp(0, len(axis) - 1))
    there = there * (sine < 0.99) * (place >= 0)
    weight = polarisation_of_q(bins.exp())
    return levelled((total / 3 * weight * there).clamp(min=0).sqrt(), there)


def levelled(root: Tensor, covered: Tensor) -> Tensor:
    """As `profile.levelled`."""
    square = (root**2).sum(1, keepdim=True) / covered.sum(1, keepdim=True).clamp(min=1.0)
    return torch.stack([root / square.clamp(min=1e-30).sqrt(), covered], dim=1)


def deposit(place: Tensor, area: Tensor, points: int) -> Tensor:
    """Areas shared between the two nearest points. Shape (B, points)."""
    first = place.long().clamp(0, points - 2)
    share = (place - first).clamp(0, 1)
    comb = torch.zeros(len(place), points, dtype=area.dtype, device=area.device)
    comb.scatter_add_(1, first, area * (1 - share))
    comb.scatter_add_(1, first + 1, area * share)
    return comb


def _polarisation(theta: Tensor) -> Tensor:
    return (1 + (2 * theta).cos() ** 2) / (theta.sin() ** 2 * theta.cos())


def polarisation_of_q(q: Tensor) -> Tensor:
    """Lorentz-polarisation at the reference wavelength, as `profile` has it. Shape of `q`."""
    sine = (q * (REFERENCE_WAVELENGTH_ANGSTROM / (4 * math.pi))).clamp(
        max=math.sin(math.asin(0.95))
    )
    return _polarisation(sine.asin())
