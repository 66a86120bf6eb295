"""Proposed crystals improved against the pattern: by gradient, by symmetry, by a force field."""
