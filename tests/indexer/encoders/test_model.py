"""The encoder that look-up runs, without torch, is the one that was trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from indexer.encoders.axis import BINS
from indexer.encoders.encoder_file import write_encoder
from indexer.encoders.inference import NumpyProfileEncoder
from indexer.encoders.model import DIMENSION, ProfileEncoder, ProfileEncoderShape, parameters
from indexer.encoders.training import Recipe

SHAPES = [
    ProfileEncoderShape(),
    ProfileEncoderShape(stem=(8, 4), stages=((10, 1), (12, 0), (14, 2)), kernel=3, head=6),
    ProfileEncoderShape(stem=(32, 16), stages=((16, 2),), kernel=7, head=4),
]


def encoder_of(shape: ProfileEncoderShape, seed: int = 1) -> ProfileEncoder:
    """Random weights everywhere, in the blocks that begin as nothing, too."""
    torch.manual_seed(seed)
    encoder = ProfileEncoder(shape)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return encoder


def profiles(count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    root = rng.exponential(size=(count, BINS)) * (rng.random((count, BINS)) < 0.05)
    covered = np.linspace(0, 1, BINS) > rng.random((count, 1)) / 2
    return np.stack([root * covered, covered], axis=1).astype(np.float32)


def embedded(encoder: ProfileEncoder, given: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.no_grad():
        return np.asarray(encoder(torch.from_numpy(given)).numpy())


@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_gives_what_torch_gives(shape: ProfileEncoderShape) -> None:
    encoder, given = encoder_of(shape), profiles(5)
    weights = {name: value.numpy() for name, value in encoder.state_dict().items()}
    own = NumpyProfileEncoder(weights)
    assert own.dimension == DIMENSION
    vectors = own(given)
    assert vectors.shape == (5, DIMENSION)
    np.testing.assert_allclose(vectors, embedded(encoder, given), atol=1e-5)
    np.testing.assert_allclose(own(given[2:3])[0], vectors[2], atol=1e-6)


def test_the_file_holds_the_weights_and_says_how_they_came_about(tmp_path: Path) -> None:
    encoder, recipe, given = encoder_of(SHAPES[1]), Recipe(steps=7, shape=SHAPES[1]), profiles(3)
    path = tmp_path / "encoder.safetensors"
    write_encoder(encoder, recipe, path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with safe_open(path, "numpy") as file:
        assert set(file.keys()) == set(encoder.state_dict())
        assert all(file.get_tensor(name).dtype == np.float32 for name in file.keys())  # noqa: SIM118
        assert json.loads(file.metadata()["recipe"])["steps"] == 7
    vectors = NumpyProfileEncoder.load(path)(given)
    np.testing.assert_allclose(vectors, embedded(encoder, given), atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_are_of_length_one_and_tell_profiles_apart(shape: ProfileEncoderShape) -> None:
    vectors = embedded(encoder_of(shape), profiles(4))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert (vectors @ vectors.T)[~np.eye(4, dtype=bool)].max() < 0.99999


def test_blocks_begin_as_nothing() -> None:
    """At first an encoder with blocks and one without them are the same."""
    torch.manual_seed(3)
    with_blocks = ProfileEncoder(ProfileEncoderShape(stages=((8, 2), (8, 1)), head=4))
    without = ProfileEncoder(ProfileEncoderShape(stages=((8, 0), (8, 0)), head=4))
    own = without.state_dict()
    without.load_state_dict({k: v for k, v in with_blocks.state_dict().items() if k in own})
    with torch.no_grad():
        for name, parameter in with_blocks.named_parameters():
            if name.endswith("mix.bias"):
                parameter.zero_()
    given = profiles(2)
    np.testing.assert_allclose(embedded(with_blocks, given), embedded(without, given), atol=1e-6)


def test_parameters_are_counted() -> None:
    encoder = ProfileEncoder(SHAPES[2])
    assert parameters(encoder) == sum(value.numel() for value in encoder.state_dict().values())
