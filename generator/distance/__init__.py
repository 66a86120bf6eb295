"""Crystals from a formula alone, by the distances between atoms that a network predicts."""
