from __future__ import annotations

import numpy as np
import pytest

from generator.known import lattice_of_cell
from generator.pointcloud.clusters import Cloud, circular_mean, crystal_of, torus_distances

CELL = (4.2, 4.2, 4.2, 90.0, 90.0, 90.0)


def scattered(
    places: list[list[float]], kinds: list[int], points: int, spread: float, seed: int = 0
) -> Cloud:
    """So many points about each place; Å of spread in a cell of 4.2 Å."""
    rng = np.random.default_rng(seed)
    at = np.repeat(places, points, axis=0) + rng.normal(0, spread / 4.2, (len(places) * points, 3))
    likely = -np.ones((len(at), 2))
    likely[np.arange(len(at)), np.repeat(kinds, points)] = 1.0
    return Cloud(at % 1.0, likely + rng.normal(0, 0.3, likely.shape), CELL, ("Mg", "O"))


def test_points_about_the_corner_are_one_atom() -> None:
    """Half of them lie near 0 and half near 1."""
    cloud = scattered([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], [0, 1], 16, 0.15)
    assert (cloud.places[:16] > 0.5).any()
    found = crystal_of(cloud)
    assert found is not None
    assert found.composition == {"Mg": 1, "O": 1}
    corner = found.fractional[found.species.index("Mg")]
    assert np.abs(corner - np.round(corner)).max() < 0.03


def test_stray_points_are_noise() -> None:
    cloud = scattered([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], [0, 1], 30, 0.1)
    stray = np.array([[0.25, 0.25, 0.25], [0.75, 0.2, 0.3]])
    places = np.concatenate([cloud.places, stray])
    likely = np.concatenate([cloud.likelihoods, [[1.0, -1.0], [-1.0, 1.0]]])
    found = crystal_of(Cloud(places, likely, CELL, cloud.symbols))
    assert found is not None
    assert len(found) == 2


def test_the_likeliest_element_wins() -> None:
    cloud = scattered([[0.1, 0.2, 0.3]], [1], 20, 0.05)
    cloud.likelihoods[:6] = [1.0, -1.0]  # some points are wrong
    found = crystal_of(cloud)
    assert found is not None
    assert set(found.species) == {"O"}


@pytest.mark.parametrize(
    "cell",
    [
        (4.0, 4.0, 4.0, 60.0, 60.0, 125.0),
        (0.5, 0.5, 0.5, 90.0, 90.0, 90.0),
        (4.0, 4.0, float("nan"), 90.0, 90.0, 90.0),
    ],
)
def test_what_is_no_cell_is_no_crystal(cell: tuple[float, ...]) -> None:
    cloud = scattered([[0.0, 0.0, 0.0]], [0], 8, 0.1)
    assert crystal_of(Cloud(cloud.places, cloud.likelihoods, cell, cloud.symbols)) is None


def test_distances_are_to_the_nearest_image() -> None:
    rng = np.random.default_rng(4)
    places = rng.random((12, 3))
    lattice = lattice_of_cell((4.0, 5.0, 6.0, 60.0, 70.0, 118.0))
    images = np.array([[i, j, k] for i in range(-3, 4) for j in range(-3, 4) for k in range(-3, 4)])
    apart = places[:, None, None] - places[None, :, None] + images
    nearest = np.linalg.norm(apart @ lattice, axis=3).min(axis=2)
    np.testing.assert_allclose(torus_distances(places, lattice), nearest, atol=1e-9)


def test_the_mean_goes_round() -> None:
    mean = circular_mean(np.array([[0.95, 0.4, 0.0], [0.05, 0.6, 0.0]]))
    np.testing.assert_allclose((mean + 0.5) % 1.0, [0.5, 0.0, 0.5], atol=1e-9)
