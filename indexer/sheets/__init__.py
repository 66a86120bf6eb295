"""Sheets: making many of them, and the channel `2d` that knows them by their patterns."""
