"""What the network must not depend on, and what its guesses obey."""

from __future__ import annotations

import math

import pytest
import torch

from generator.distance.examples import DistanceExamples, free_of, units_of
from generator.distance.model import SHAPE, DistanceNetwork, Mixture
from generator.distance.volumes import unit_of


def test_padding_changes_nothing(network: DistanceNetwork) -> None:
    few = torch.tensor([[22, 22, 8, 8, 8, 8]])
    many = torch.nn.functional.pad(few, (0, 5))
    one, other = network(few), network(many)
    torch.testing.assert_close(one.distances, other.distances[:, :6, :6], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(one.space_group, other.space_group, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network.read(many).multiple, one.multiple, atol=1e-5, rtol=1e-4)


def test_distances_are_alike_both_ways_and_the_space_group_counts(
    network: DistanceNetwork,
) -> None:
    number = torch.tensor([[22, 8, 8], [20, 9, 9]])
    found = network(number, torch.tensor([136, 225])).distances
    torch.testing.assert_close(found, found.transpose(1, 2))
    untold = network(number).distances
    assert not torch.allclose(found, untold)


def test_a_mixture_is_a_density() -> None:
    torch.manual_seed(0)
    mixture = Mixture(
        torch.randn(1, 3).log_softmax(1), torch.randn(1, 3, SHAPE), torch.rand(1, 3, SHAPE) + 0.2
    )
    free = torch.tensor([[0.0, 1.0, 0.0, 0.0, 0.0]])
    axis = torch.linspace(-12, 12, 4001)
    shapes = torch.zeros(len(axis), SHAPE)
    shapes[:, 1] = axis
    density = mixture.log_density(shapes, free).exp()
    assert float(density.sum() * (axis[1] - axis[0])) == pytest.approx(1.0, abs=1e-3)
    nothing = mixture.log_density(shapes[:1], torch.zeros(1, SHAPE))
    assert float(nothing) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("spacing", ["width", "count"])
def test_groups_hold_all_distances(examples: DistanceExamples, spacing: str) -> None:
    edges, middles = examples.groups(5, spacing)
    assert len(edges) == len(middles) + 1 == 6
    assert (edges[1:] > edges[:-1]).all()
    assert ((middles >= edges[:-1]) & (middles <= edges[1:])).all()
    number = examples.number[examples.training]
    own = examples.distances[examples.training] / unit_of(examples.volumes, number)[:, None, None]
    own = own[own > 0]
    held = torch.histogram(own, edges).hist / len(own)
    assert float(held.sum()) == pytest.approx(1.0, abs=1e-4)
    if spacing == "count":
        assert float(held.max()) < 2 * float(held.min()) + 0.1
    else:
        torch.testing.assert_close(edges.diff(), edges.diff()[:1].expand(5))


def test_crystals_are_read_as_they_are(examples: DistanceExamples) -> None:
    batch = examples.batch(examples.training[:16])
    assert (batch.distances[batch.pair] > 0.7).all()
    torch.testing.assert_close(batch.distances, batch.distances.transpose(1, 2))
    assert not batch.pair.diagonal(dim1=1, dim2=2).any()
    atoms, units = (batch.number > 0).sum(dim=1), (batch.unit > 0).sum(dim=1)
    assert (atoms == units * batch.multiple).all()
    cubic = batch.space_group >= 195
    assert (batch.shape[cubic].abs() < 1e-3).all()
    assert (batch.free[cubic] == 0).all()


def test_a_formula_unit_is_what_repeats() -> None:
    number = torch.tensor([[22, 22, 8, 8, 8, 8], [11, 17, 0, 0, 0, 0]])
    found = units_of(number, torch.tensor([2, 1]))
    assert found.tolist() == [[22, 8, 8], [11, 17, 0]]
    assert [sum(free_of(n)) for n in (1, 14, 62, 139, 194, 225)] == [5, 3, 2, 1, 1, 0]
    assert math.prod(free_of(2)) == 1
