"""What a sheet of a packed file is for; without the crystals that packing needs."""

TRAINED, AT_RANDOM, BY_COMPOSITION = 0, 1, 2
"""Trained on, held out at random, held out with all of its composition."""
