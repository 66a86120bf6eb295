"""What the transformer over peaks sees, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from indexer.encoders.axis import BINS
from indexer.encoders.pack import Pack
from indexer.encoders.peaks import PeakEncoder, PeakEncoderShape, peaks_of
from indexer.encoders.profile import drawn
from indexer.encoders.training import BOTH, KINDS, PEAKS, Recipe, Training, encoder_of

SMALL = PeakEncoderShape(peaks=24, width=32, layers=2, heads=2)
PLACES = np.array([300.0, 412.25, 900.5, 1500.75, 2700.0])
HEIGHTS = np.array([4.0, 1.0, 3.0, 0.5, 2.0])


@pytest.fixture
def profile() -> torch.Tensor:
    """Five lines, measured up to bin 2,800. Shape (1, 2, BINS)."""
    covered = np.arange(BINS) <= 2800
    root = np.sqrt(drawn(PLACES, HEIGHTS**2)) * covered
    return torch.from_numpy(np.stack([root, covered])[None].astype(np.float32))


def test_peaks_are_the_lines_highest_first(profile: torch.Tensor) -> None:
    place, height, wide, there = (one[0].numpy() for one in peaks_of(profile, 8))
    order = np.argsort(-HEIGHTS)
    assert there.tolist() == [True] * 5 + [False] * 3
    np.testing.assert_allclose(place[:5], PLACES[order], atol=0.15)
    np.testing.assert_allclose(height[:5], HEIGHTS[order], rtol=0.05)
    # A Gaussian of the axis's width, cut off where a peak's reach ends.
    np.testing.assert_allclose(wide[:5], wide[0], rtol=0.1)
    assert 3.5 < wide[0] < 5.0


def test_only_the_highest_are_read(profile: torch.Tensor) -> None:
    place, _, _, there = peaks_of(profile, 2)
    assert there.all()
    np.testing.assert_allclose(np.sort(place[0].numpy()), [300.0, 900.5], atol=0.15)


def test_what_is_not_there_is_not_seen(profile: torch.Tensor) -> None:
    torch.manual_seed(0)
    few, many = PeakEncoder(PeakEncoderShape(8, 32, 2, 2)), PeakEncoder(SMALL)
    few.load_state_dict(many.state_dict())
    with torch.no_grad():
        vectors = many(profile)
        torch.testing.assert_close(few(profile), vectors)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(1))


def test_how_far_was_measured_matters(profile: torch.Tensor) -> None:
    torch.manual_seed(0)
    encoder = PeakEncoder(SMALL)
    everywhere = profile.clone()
    everywhere[:, 1] = 1.0
    with torch.no_grad():
        assert float((encoder(profile) - encoder(everywhere)).abs().max()) > 1e-4


def test_it_learns_to_guess_hidden_peaks(profile: torch.Tensor) -> None:
    torch.manual_seed(0)
    encoder, rng = PeakEncoder(SMALL), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(encoder.parameters(), 3e-3)
    batch = profile.expand(16, -1, -1)
    losses = []
    for _ in range(40):
        loss = encoder.guessing(batch, rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


@pytest.mark.parametrize("kind", [PEAKS, BOTH])
def test_a_training_guesses_first_and_then_tells_crystals_apart(pack: Pack, kind: str) -> None:
    training = Training(pack, Recipe(steps=4, batch=8, kind=kind, beforehand=2, together=1))
    head = {PEAKS: "guess_place", BOTH: "peaks.guess_place"}[kind]
    for steps, learned in ((2, True), (2, False)):
        before = training.network.get_parameter(f"{head}.weight").detach().clone()
        for _ in range(steps):
            assert np.isfinite(training.advance())
        moved = training.network.get_parameter(f"{head}.weight").detach() - before
        # Weight decay alone moves what nothing is asked of.
        assert bool(moved.abs().max() > 1e-5) == learned


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_unit_vectors(kind: str, profile: torch.Tensor) -> None:
    with torch.no_grad():
        vectors = encoder_of(Recipe(kind=kind))(profile)
    assert vectors.shape == (1, 256)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(1))
