"""A library of a million crystals, made and measured."""
