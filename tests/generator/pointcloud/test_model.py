from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from generator.pointcloud.cloud import CELL, HALF, POINTS, ROWS, owners
from generator.pointcloud.examples import CloudExamples
from generator.pointcloud.model import CloudNetwork
from generator.pointcloud.noise import clean_of, noised, signal_at

MAGNESIA = torch.tensor([[12, 8, 0]])


def ask(network: CloudNetwork, clouds: torch.Tensor, elements: torch.Tensor) -> torch.Tensor:
    time = torch.full((len(clouds),), 0.4)
    with torch.no_grad():
        found: torch.Tensor = network(clouds, time, elements.expand(len(clouds), -1))
    return found


def test_elements_and_time_are_heard(network: CloudNetwork) -> None:
    torch.nn.init.normal_(network.end.weight, std=0.1)
    cloud = torch.randn(1, ROWS, POINTS)
    answer = ask(network, cloud, MAGNESIA)
    for other in ([[20, 8, 0]], [[12, 16, 0]], [[12, 8, 9]], [[12, 0, 0]]):
        assert not torch.allclose(answer, ask(network, cloud, torch.tensor(other)), atol=1e-4)
    with torch.no_grad():
        later = network(cloud, torch.tensor([0.8]), MAGNESIA)
    assert not torch.allclose(answer, later, atol=1e-3)


def test_the_points_say_how_many_atoms_there_are(
    network: CloudNetwork, examples: CloudExamples
) -> None:
    """With little noise the evidence is sure, with nothing else to see it prefers none."""
    rows = torch.cat([examples.training, examples.held_out])[:64]
    clean = examples.clouds[rows]
    generator = torch.Generator().manual_seed(3)
    for moment, least in ((0.1, 0.97), (0.5, 0.3)):
        time = torch.full((len(rows),), moment)
        noisy, _ = noised(clean, time, torch.randn(clean.shape, generator=generator))
        points = noisy[:, : CELL.start]
        evidence = network.evidence(points, network._by_number(points), time)
        right = evidence.argmax(dim=1) + 1 == examples.count[rows]
        assert float(right.float().mean()) >= least


def test_the_evidence_is_that_of_a_normal_distribution(network: CloudNetwork) -> None:
    points = torch.randn(2, 1, POINTS, dtype=torch.float64)
    time = torch.tensor([0.3, 0.6], dtype=torch.float64)
    double = network.double()
    found = double.evidence(points, double._by_number(points), time)
    signal, rest = (part.numpy() for part in signal_at(time))
    for i in range(2):
        for number in (1, 3, 16):
            own = owners(torch.tensor([number]))[0].numpy()
            same = own[:, None] == own[None]
            covariance = rest[i] ** 2 * np.eye(POINTS) + signal[i] ** 2 * same
            normal = multivariate_normal(cov=covariance).logpdf(points[i, 0].numpy())
            constant = 0.5 * POINTS * np.log(2 * np.pi)
            assert float(found[i, number - 1]) == pytest.approx(normal + constant, rel=1e-6)


def test_copies_come_out_as_copies(network: CloudNetwork, examples: CloudExamples) -> None:
    rows = examples.training[:16]
    clean, elements = examples.clouds[rows], examples.elements[rows]
    time = torch.full((len(rows),), 0.05)
    generator = torch.Generator().manual_seed(4)
    noisy, _ = noised(clean, time, torch.randn(clean.shape, generator=generator))
    with torch.no_grad():
        found = clean_of(noisy, network(noisy, time, elements), time)
    cell = found[:, CELL]
    assert float(cell[..., :HALF].std(dim=2).max()) < 1e-3
    assert float(cell[..., HALF:].std(dim=2).max()) < 1e-3
    same = owners(examples.count[rows])
    steps = found[:, 0].diff(dim=1).abs()
    within = same.diff(dim=1) == 0
    assert float(steps[within].max()) < 1e-2
