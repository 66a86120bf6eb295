"""Every error a user can cause: what was wrong, with its value, and what to do about it.

The family knows no framework. The command line prints the message as one line and exits
with status 1; the service turns it into a problem document.
"""


class BraggleError(Exception):
    """Base of all errors that name a user's mistake and its remedy in one line."""


class CrystalError(BraggleError):
    """A crystal cannot be read, or is not one."""


class PatternError(BraggleError):
    """A pattern cannot be read, or is not one."""


class RadiationError(BraggleError):
    """A wavelength, anode or energy is not understood."""


class LibraryError(BraggleError):
    """A library is missing, damaged or in use."""


class QueryError(BraggleError):
    """A search was asked for something that cannot be answered."""


class MissingExtraError(BraggleError):
    """An optional package is needed for this; the message names the extra that brings it."""
