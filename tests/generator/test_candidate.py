"""What a proposal is asked for."""

from __future__ import annotations

import pytest

from data.preparation import prepare
from data.profile import simulate_pattern
from generator.candidate import Task
from tests import crystals

PREPARED = prepare(simulate_pattern(crystals.RUTILE))


def test_a_cells_content_is_the_smallest_formula_with_as_many_more_units() -> None:
    task = Task({"Ti": 4.0, "O": 8.0}, formula_units=2, prepared=PREPARED)
    assert task.composition == {"O": 2.0, "Ti": 1.0}
    assert task.formula_units == 8
    assert Task({"Ti": 4.0, "O": 8.0}, prepared=PREPARED).formula_units is None


@pytest.mark.parametrize("composition", [{"Fe": 0.95, "O": 1.0}, {"Fe": 2.5, "O": 3.0}])
def test_shares_of_atoms_are_left_as_they_are(composition: dict[str, float]) -> None:
    task = Task(composition, formula_units=4, prepared=PREPARED)
    assert (task.composition, task.formula_units) == (composition, 4)
