from __future__ import annotations

import gemmi
import torch

from generator.network.examples import Examples
from generator.network.model import (
    MOST_ATOMS,
    ROW,
    TEMPLATES,
    Denoised,
    GeneratorNetwork,
    Question,
    Structures,
    is_metal,
    row_of,
)
from indexer.encoders.axis import BINS
from indexer.encoders.model import parameters
from indexer.templates.structure import is_metal as template_metal

TIME = torch.tensor([[0.3, 0.6]])


def question() -> Question:
    generator = torch.Generator().manual_seed(3)
    profiles = torch.rand(1, 2, BINS, generator=generator)
    profiles[:, 1] = 1.0
    rows = torch.randn(1, 1 + TEMPLATES, ROW, generator=generator)
    rows[:, 3:] = 0.0
    formula = torch.zeros(1, 100)
    formula[0, [8, 22]] = torch.tensor([2 / 3, 1 / 3])
    return Question(profiles, rows, formula)


def structures() -> Structures:
    generator = torch.Generator().manual_seed(4)
    number = torch.tensor([22, 22, 8, 8, 8, 8]).expand(1, 2, 6)
    fractional = torch.rand(1, 2, 6, 3, generator=generator)
    return Structures(number, fractional, 0.3 * torch.randn(1, 2, 6, generator=generator))


def seen(network: GeneratorNetwork, asked: Structures) -> Denoised:
    with torch.no_grad():
        answer: Denoised = network(network.read(question()), asked, TIME)
    return answer


def test_moving_the_origin_changes_nothing(network: GeneratorNetwork) -> None:
    asked = structures()
    moved = Structures(
        asked.number, (asked.fractional + torch.tensor([0.3, 0.55, 0.9])) % 1, asked.cell
    )
    before, after = seen(network, asked), seen(network, moved)
    assert before.score.abs().max() > 0.01
    torch.testing.assert_close(after.score, before.score, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(after.cell, before.cell, rtol=1e-3, atol=1e-4)


def test_the_order_of_atoms_does_not_matter(network: GeneratorNetwork) -> None:
    asked = structures()
    order = torch.tensor([4, 0, 2, 5, 1, 3])
    other = Structures(asked.number[:, :, order], asked.fractional[:, :, order], asked.cell)
    before, after = seen(network, asked), seen(network, other)
    torch.testing.assert_close(after.score, before.score[:, :, order], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(after.verdict, before.verdict, rtol=1e-3, atol=1e-4)


def test_padding_is_not_seen(network: GeneratorNetwork) -> None:
    asked = structures()
    nowhere = torch.full((1, 2, 3, 3), 0.25)
    padded = Structures(
        torch.cat([asked.number, torch.zeros(1, 2, 3, dtype=torch.long)], dim=2),
        torch.cat([asked.fractional, nowhere], dim=2),
        asked.cell,
    )
    before, after = seen(network, asked), seen(network, padded)
    torch.testing.assert_close(after.score[:, :, :6], before.score, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(after.cell, before.cell, rtol=1e-3, atol=1e-4)


def test_missing_templates_are_not_seen_and_others_are(network: GeneratorNetwork) -> None:
    asked = question()
    with torch.no_grad():
        summary = network.read(asked).summary
        fewer = asked.rows.clone()
        fewer[:, 2] = 0.0
        other = network.read(Question(asked.profiles, fewer, asked.formula))
    assert other.there[0, : 1 + TEMPLATES].tolist() == [True, True, False, False, False]
    assert not torch.allclose(other.summary, summary, atol=1e-4)


def test_a_row_begins_with_the_pattern_and_counts_from_a_metal() -> None:
    number = torch.tensor([[8, 22, 8]])
    fractional = torch.tensor([[[0.2, 0.2, 0.2], [0.1, 0.1, 0.1], [0.6, 0.6, 0.6]]])
    vector, cell = torch.randn(1, 256), torch.randn(1, 6)
    row = row_of(vector, cell, number, fractional)
    assert row.shape == (1, ROW)
    torch.testing.assert_close(row[:, :262], torch.cat([vector, cell], dim=1))
    atoms = row[0, 262:].view(MOST_ATOMS, 8)
    assert atoms[0].tolist() == [1, 0, 0, 0, 0, 1, 1, 1]
    assert atoms[1:3, :2].tolist() == [[0, 1], [0, 1]]
    assert not atoms[3:].any()
    moved = row_of(vector, cell, number, (fractional + 0.37) % 1)
    torch.testing.assert_close(moved, row, atol=1e-5, rtol=0)
    nothing = row_of(vector, cell, torch.zeros_like(number), fractional)
    assert not nothing[:, 256:].any()


def test_metals_are_those_of_the_templates() -> None:
    symbols = "H B C N O F Na Al Si P S Ge As Se Br Sb Te I Xe Po At Fe U"
    elements = [gemmi.Element(symbol) for symbol in symbols.split()]
    numbers = torch.tensor([one.atomic_number for one in elements])
    assert is_metal(numbers).tolist() == [template_metal(one.name) for one in elements]


def test_cells_are_counted_from_the_room_that_atoms_take(
    network: GeneratorNetwork, examples: Examples
) -> None:
    found = examples.structures(examples.training[:4])
    cube = network.expected_cell(found.number)[:, 0]
    atoms = (found.number[:, 0] > 0).sum(dim=1)
    torch.testing.assert_close(cube[:, :3].sum(dim=1).exp(), 16.0 * atoms)
    assert not cube[:, 3:].any()


def test_the_default_network_is_small_enough_to_ship() -> None:
    assert parameters(GeneratorNetwork()) * 2 < 16e6
