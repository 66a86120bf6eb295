"""Room that atoms take, beside the table of the pools, which was written before and apart."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generator import chemistry
from generator.distance.examples import DistanceExamples
from generator.distance.model import DistanceNetwork
from generator.distance.volumes import (
    ANIONS,
    ELEMENTS,
    kinds_of,
    unit_of,
    usual_volumes,
    volumes_of,
)
from tests.generator.distance.conftest import SMALL

METALS = (11, 12, 20, 22, 26)


def symbols_of(row: list[int]) -> dict[str, float]:
    counts: dict[str, float] = {}
    for number in row:
        symbol = gemmi.Element(number).name
        counts[symbol] = counts.get(symbol, 0.0) + 1.0
    return counts


def made(seed: int) -> tuple[list[list[int]], np.ndarray]:
    """Salts of known volumes, one in twelve of them of three times its volume."""
    rng = np.random.default_rng(seed)
    sizes = {number: rng.uniform(8.0, 40.0) for number in (*METALS, 8, 9, 17)}
    rows = [
        [*rng.choice(METALS, 2).tolist(), *rng.choice([8, 9, 17], 3).tolist()] for _ in range(240)
    ]
    volumes = np.array([sum(sizes[number] for number in row) for row in rows])
    volumes *= np.exp(0.02 * rng.normal(size=len(rows)))
    volumes[::12] *= 3.0
    return rows, volumes


def test_the_table_is_that_of_the_pools() -> None:
    rows, volumes = made(4)
    found = volumes_of(torch.tensor(rows), torch.from_numpy(volumes))
    pools = chemistry.AtomicVolumes.of([symbols_of(row) for row in rows], volumes)
    for number in (*METALS, 8, 9, 17):
        expected = pools.angstrom3["salt"][gemmi.Element(number).name]
        assert float(found[0, number]) == pytest.approx(expected, rel=1e-3)
    unit = unit_of(found, torch.tensor([[22, 22, 8, 8, 8, 8]]))
    assert float(unit) == pytest.approx((pools.volume({"Ti": 2, "O": 4}) / 6) ** (1 / 3), rel=1e-3)


def test_crystals_that_are_off_carry_nothing_along() -> None:
    rows, volumes = made(5)
    sound = volumes.copy()
    sound[::12] /= 3.0
    found = unit_of(volumes_of(torch.tensor(rows), torch.from_numpy(volumes)), torch.tensor(rows))
    error = found.double().numpy() * len(rows[0]) ** (1 / 3) / sound ** (1 / 3) - 1.0
    assert np.abs(error).max() < 0.05


@given(st.lists(st.integers(1, ELEMENTS - 1), min_size=1, max_size=6))
def test_kinds_are_those_of_the_pools(row: list[int]) -> None:
    kind = int(kinds_of(torch.tensor([[*row, 0, 0]])))
    assert ("salt", "molecules", "metal")[kind] == chemistry.bonding(symbols_of(row))
    assert {gemmi.Element(number).name for number in ANIONS} == chemistry.ANIONS - {"D"}


def test_a_table_of_nothing_is_what_is_usual() -> None:
    none = volumes_of(torch.zeros(0, 3, dtype=torch.long), torch.zeros(0))
    torch.testing.assert_close(none, usual_volumes())


@given(factor=st.floats(0.5, 3.0))
def test_distances_grow_with_the_atoms(examples: DistanceExamples, factor: float) -> None:
    torch.manual_seed(0)
    number = examples.number[:4]
    network = DistanceNetwork(SMALL).eval()
    with torch.no_grad():
        before = network(number)
        network.set_volumes(factor**3 * network.volumes)
        after = network(number)
    torch.testing.assert_close(network.mean(after), factor * network.mean(before))
    torch.testing.assert_close(network.likeliest(after), factor * network.likeliest(before))
