"""Templates and a pattern in, ranked candidate crystals out."""
