"""What an agent names: a file of this machine, or its text; and new files."""

from __future__ import annotations

from pathlib import Path

from data.errors import BraggleError, CrystalError
from data.pattern import Pattern
from data.radiation import Radiation
from data.reading import MAX_BYTES, read_pattern, read_pattern_bytes


def is_text(given: str) -> bool:
    """Whether it is the content of a file, and not its path."""
    return "\n" in given.strip()


def pattern_of(given: str, radiation: Radiation | None) -> Pattern:
    """A measured pattern.

    Raises:
        PatternError: it is none.
    """
    if is_text(given):
        return read_pattern_bytes(given.encode(), "pattern.xy", radiation=radiation)
    return read_pattern(Path(given).expanduser(), radiation=radiation)


def content_of(given: str) -> bytes:
    """The content of a file that could be read before."""
    return given.encode() if is_text(given) else Path(given).expanduser().read_bytes()


def cif_of(given: str) -> tuple[str, bytes]:
    """What a CIF is called, and its content.

    Raises:
        CrystalError: it cannot be read.
    """
    if is_text(given):
        return "crystal.cif", given.encode()
    path = Path(given).expanduser()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CrystalError(f"{path.name}: is too large for a CIF; give one crystal")
        return path.name, path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CrystalError(
            f"{given[:200]}: cannot be opened ({reason}); give the path of a CIF, its text, or the "
            "id of an entry"
        ) from None


def write_new(path: Path, text: str) -> str:
    """Write a file that is not there yet; its path.

    Raises:
        BraggleError: it is there, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BraggleError(f"{path}: is there already; name another file") from None
    except OSError as error:
        raise BraggleError(f"{path}: cannot be written: {error.strerror}") from None
    return str(path)
