from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from generator.pointcloud.cloud import CELL, HALF, POINTS, ROWS, owners
from generator.pointcloud.examples import CloudExamples
from generator.pointcloud.model import (
    NOT_TOLD,
    CloudNetwork,
    Known,
    evidence,
    left_open,
    spread_out,
)
from generator.pointcloud.noise import clean_of, noised, signal_at

ELEMENTS = torch.tensor([[12, 8, 0]])
UNTOLD = torch.full((1, 16), NOT_TOLD)
MAGNESIA = Known(ELEMENTS, torch.tensor([4]), UNTOLD)


def ask(
    network: CloudNetwork, cloud: torch.Tensor, known: Known, time: float = 0.4
) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = network(cloud, torch.full((len(cloud),), time), known)
    return found


def loud(network: CloudNetwork) -> CloudNetwork:
    """With weights where an untrained network has none."""
    torch.manual_seed(5)
    for name, weight in network.named_parameters():
        if "tone" in name or "end_" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return network


def test_what_is_told_is_heard(network: CloudNetwork) -> None:
    loud(network)
    cloud = torch.randn(1, ROWS, POINTS)
    answer = ask(network, cloud, MAGNESIA)
    for other in ([[20, 8, 0]], [[12, 16, 0]], [[12, 8, 9]], [[12, 0, 0]]):
        told = replace(MAGNESIA, elements=torch.tensor(other))
        assert not torch.allclose(answer, ask(network, cloud, told), atol=1e-4)
    five = replace(MAGNESIA, count=torch.tensor([5]))
    assert not torch.allclose(answer, ask(network, cloud, five), atol=1e-3)
    assert not torch.allclose(answer, ask(network, cloud, MAGNESIA, 0.8), atol=1e-3)


def test_the_kind_of_an_atom_is_kept_where_it_is_told(network: CloudNetwork) -> None:
    kinds = UNTOLD.clone()
    kinds[0, :4] = torch.tensor([0, 0, 1, 1])
    time = torch.tensor([0.9])
    cloud = torch.randn(1, ROWS, POINTS)
    told = replace(MAGNESIA, kinds=kinds)
    found = clean_of(cloud, ask(network, cloud, told, 0.9), time)[0, 3:6]
    assert found.argmax(dim=0).tolist() == [0] * HALF + [1] * HALF
    assert float(found.amax(dim=0).min()) > 0.999
    # Where none is told, an element that is not there is none all the same.
    free = clean_of(cloud, ask(network, cloud, MAGNESIA, 0.9), time)[0, 5]
    assert float(free.max()) < -0.999


def test_clouds_of_other_sizes_do_not_matter(network: CloudNetwork) -> None:
    loud(network)
    cloud = torch.randn(2, ROWS, POINTS)
    both = Known(ELEMENTS.expand(2, -1), torch.tensor([4, 11]), UNTOLD.expand(2, -1))
    alone = ask(network, cloud[:1], MAGNESIA)
    torch.testing.assert_close(ask(network, cloud, both)[:1], alone, rtol=1e-4, atol=1e-4)


def test_no_fewer_atoms_than_elements_are_likely(network: CloudNetwork) -> None:
    with torch.no_grad():
        odds = network.numbers(torch.tensor([[12, 8, 9], [12, 0, 0]])).exp()
    torch.testing.assert_close(odds.sum(dim=1), torch.ones(2))
    assert float(odds[0, :2].max()) == 0.0
    assert float(odds[1].min()) > 0.0


def test_the_points_say_how_many_atoms_there_are(examples: CloudExamples) -> None:
    """With little noise the evidence is sure, with nothing else to see it prefers none."""
    rows = torch.cat([examples.training, examples.held_out])[:64]
    clean = examples.clouds(rows)
    generator = torch.Generator().manual_seed(3)
    for moment, least in ((0.1, 0.97), (0.5, 0.3)):
        time = torch.full((len(rows),), moment)
        noisy, _ = noised(clean, time, torch.randn(clean.shape, generator=generator))
        right = evidence(noisy, time).argmax(dim=1) + 1 == examples.known.count[rows]
        assert float(right.float().mean()) >= least


def test_the_evidence_is_that_of_a_normal_distribution() -> None:
    cloud = torch.zeros(2, ROWS, POINTS, dtype=torch.float64)
    cloud[:, :6] = torch.randn(2, 6, POINTS, dtype=torch.float64)
    time = torch.tensor([0.3, 0.6], dtype=torch.float64)
    found = evidence(cloud, time)
    signal, rest = (part.numpy() for part in signal_at(time))
    for i in range(2):
        for number in (1, 3, 16):
            own = owners(torch.tensor([number]))[0].numpy()
            same = own[:, None] == own[None]
            covariance = rest[i] ** 2 * np.eye(POINTS) + signal[i] ** 2 * same
            normal = multivariate_normal(cov=covariance).logpdf(cloud[i, :6].numpy()).sum()
            constant = 6 * 0.5 * POINTS * np.log(2 * np.pi)
            assert float(found[i, number - 1]) == pytest.approx(normal + constant, rel=1e-6)


def test_what_points_leave_open_is_what_remains_of_a_normal_value() -> None:
    time, points = torch.tensor([0.6]), torch.tensor([8.0])
    generator = torch.Generator().manual_seed(2)
    truth = torch.randn(40_000, generator=generator)
    copies = truth[:, None].expand(-1, 8)
    noisy, _ = noised(
        copies, time.expand(len(truth)), torch.randn(copies.shape, generator=generator)
    )
    mean = noisy.mean(dim=1)
    slope = (mean * truth).mean() / (mean**2).mean()
    left = float((truth - slope * mean).std())
    assert float(left_open(time, points)) == pytest.approx(left, rel=0.02)


def test_copies_come_out_as_copies(network: CloudNetwork, examples: CloudExamples) -> None:
    loud(network)
    rows = examples.training[:16]
    clean, known = examples.clouds(rows), examples.known.of(rows)
    time = torch.full((len(rows),), 0.05)
    generator = torch.Generator().manual_seed(4)
    noisy, _ = noised(clean, time, torch.randn(clean.shape, generator=generator))
    with torch.no_grad():
        found = clean_of(noisy, network(noisy, time, known), time)
    cell = found[:, CELL]
    assert float(cell[..., :HALF].std(dim=2).max()) < 1e-3
    assert float(cell[..., HALF:].std(dim=2).max()) < 1e-3
    same = owners(known.count)
    steps = found[:, 0].diff(dim=1).abs()
    within = same.diff(dim=1) == 0
    assert float(steps[within].max()) < 1e-2


def test_an_untrained_network_answers_with_what_the_points_say(
    network: CloudNetwork, examples: CloudExamples
) -> None:
    rows = examples.training[:16]
    clean, known = examples.clouds(rows), examples.known.of(rows)
    time = torch.full((len(rows),), 0.02)
    noisy, _ = noised(clean, time, torch.randn(clean.shape))
    with torch.no_grad():
        found = clean_of(noisy, network(noisy, time, known), time)
    assert float((found - clean).abs().mean()) < 0.05
    atoms = torch.randn(16, 16, 6)
    assert spread_out(atoms, torch.zeros(16, 6), known.count).shape == clean.shape
