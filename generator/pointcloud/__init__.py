"""Crystals as clouds of points, drawn from noise for given elements (PCCD)."""
