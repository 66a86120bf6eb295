"""Structures from a pattern and a formula alone: cells, space groups, sites, coordinates."""
