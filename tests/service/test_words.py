"""Sentences that every door words in its own way."""

from __future__ import annotations

from service.words import for_reading, for_terminal

WARNING = "Wavelength assumed to be Cu Kα: give `wavelength` if it is another."


def test_each_door_names_the_remedy_in_its_own_words() -> None:
    assert for_terminal(WARNING).endswith("give --wavelength if it is another.")
    assert for_reading(WARNING).endswith("give the wavelength if it is another.")
    assert for_terminal("give `space_group`") == "give --space-group"
    assert for_reading("nothing to give") == "nothing to give"
