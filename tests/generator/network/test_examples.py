from __future__ import annotations

import torch

from generator.network.examples import Examples, broken, counts_of, divisor_of
from generator.network.model import MOST_ATOMS, TEMPLATES, GeneratorNetwork


def test_crystals_are_small_and_full_and_held_out_ones_are_others(examples: Examples) -> None:
    both = torch.cat([examples.training, examples.held_out])
    pack = examples.pack
    atoms = pack.atom_offsets[both + 1] - pack.atom_offsets[both]
    assert len(both) > 20
    assert int(atoms.min()) > 0
    assert int(atoms.max()) <= MOST_ATOMS
    assert not set(examples.training.tolist()) & set(examples.held_out.tolist())
    assert set(examples.training.tolist()) <= set(pack.training_rows.tolist())


def test_templates_are_of_other_formulas_and_trained_crystals(examples: Examples) -> None:
    near = examples._near
    assert set(near.flatten().tolist()) <= set(examples.training.tolist())
    rows = torch.cat([examples.training, examples.held_out])
    generator = torch.Generator().manual_seed(0)
    shown = torch.zeros(len(rows), dtype=torch.bool)
    for _ in range(3):
        made = examples._templates(rows, generator)
        assert made.shape[:2] == (len(rows), TEMPLATES)
        shown |= made.abs().sum(dim=2).any(dim=1)
        own = examples._vectors
        same = ((made[:, :, :256] - own[:, None]).abs().amax(dim=2) < 1e-6).any(dim=1)
        formula = examples._formula
        alone = torch.tensor([int((formula == one).sum()) == 1 for one in formula])
        # On some processors an untrained encoder's vectors of different crystals are equal.
        alike = (own[:, None] - own[None]).abs().amax(dim=2) < 1e-6
        told_apart = alone & (alike.sum(dim=1) == 1)
        assert told_apart.any()
        assert not (same & told_apart).any()
    assert shown.float().mean() > 0.8


def test_a_batch_holds_pattern_templates_and_truth(
    examples: Examples, network: GeneratorNetwork
) -> None:
    rows = examples.training[:6]
    batch = examples.draw(rows, network, torch.Generator().manual_seed(0))
    assert batch.question.profiles.shape[:2] == (6, 2)
    assert batch.question.rows.shape[:2] == (6, 1 + TEMPLATES)
    torch.testing.assert_close(batch.question.formula.sum(dim=1), torch.ones(6))
    torch.testing.assert_close(batch.space_group, examples.pack.space_group[rows].long() - 1)
    units = divisor_of(counts_of(batch.truth.number[:, 0]))
    assert (batch.multiple + 1).tolist() == units.tolist()
    volume = network.cell_of(batch.truth)[:, 0, :3].sum(dim=1).exp()
    primitive = examples.pack.primitive[rows]
    torch.testing.assert_close(volume, torch.linalg.det(primitive).abs(), rtol=1e-3, atol=0)
    # Nothing of the structure is told in the sample's own row.
    assert not batch.question.rows[:, 0, 256:].any()


def test_formula_units_are_the_greatest_common_divisor() -> None:
    number = torch.tensor([[22, 22, 8, 8, 8, 8], [22, 8, 8, 0, 0, 0], [6, 6, 6, 0, 0, 0]])
    assert divisor_of(counts_of(number)).tolist() == [2, 1, 3]


def test_half_of_the_judged_are_right_and_the_others_differ(
    examples: Examples, network: GeneratorNetwork
) -> None:
    rows = examples.training.repeat(20)[:400]
    generator = torch.Generator().manual_seed(1)
    truth = examples.draw(rows, network, generator).truth
    made, right, shown = broken(truth, network, generator)
    assert 0.4 < float(right.float().mean()) < 0.6
    swapped = shown != torch.arange(len(rows))
    assert swapped.any()
    assert not (swapped & right).any()
    lattice = examples.pack.primitive[rows]
    apart = made.fractional[:, 0] - truth.fractional[:, 0]
    there = (truth.number[:, 0] > 0) & (made.number[:, 0] > 0)
    apart = (apart - apart.round()) @ lattice
    far = torch.where(there, apart.norm(dim=2), 0.0).amax(dim=1)
    other = (made.number[:, 0] != truth.number[:, 0]).any(dim=1)
    stretched = (made.cell[:, 0] - truth.cell[:, 0]).norm(dim=1) > 0.15
    spoilt = ~right & ~swapped
    assert (far[right] < 0.25).all()
    assert not other[right].any()
    assert ((far > 0.25) | other | stretched)[spoilt].float().mean() > 0.95
    assert other.any()
    assert (other & (made.number[:, 0] == 0).any(dim=1)).any()
