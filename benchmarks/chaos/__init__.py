"""A library whose writers are killed at random moments while others read it."""
