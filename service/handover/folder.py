"""The folder of one pattern: what is written, where, and what is never written over."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import BraggleError
from data.pattern import Pattern
from data.preparation import prepare
from search.result import LookupResult
from service.answer import answer
from service.handover.bgmn import control_text, structure_text
from service.handover.gsas import fxye_text, instrument_text, script_text
from service.handover.phases import Phase
from service.handover.readme import readme_text
from service.terminal import finite

LIST = "handover.json"
"""The answer, and the sha256 of every file beside it."""

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Destination:
    """Where one pattern goes.

    Attributes:
        file: the pattern, as it was named.
        folder: its own.
    """

    file: str
    folder: Path


def destinations(files: Sequence[str], root: Path) -> list[Destination]:
    """A folder of its own for each pattern, named after its file.

    Patterns whose names would fall together get a number. A folder is made use of when it is new,
    empty, or just as an earlier hand-over left it.

    Args:
        files: patterns, as they were named.
        root: holds the folders.

    Raises:
        BraggleError: a folder holds something else, or cannot be written.
    """
    taken: set[str] = set()
    found = []
    for file in files:
        plain = name = _folder_name(file)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        found.append(Destination(file, root / name))
    for one in found:
        _check_free(one.folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise BraggleError(
            f"{root}: cannot be written in ({error.strerror}); name another folder"
        ) from error
    return found


def write_hand_over(
    result: LookupResult, phases: Sequence[Phase], folder: Path, *, together: int = 1
) -> None:
    """Write the folder of one pattern, whole or not at all.

    Args:
        result: the answer.
        phases: of `phases_of`, best first.
        folder: its place, of `destinations`.
        together: how many of the phases, from the first, the refinement begins with.

    Raises:
        BraggleError: the folder holds something else by now, or cannot be written.
    """
    texts = _with_list(result, hand_over_texts(result, phases, together=together))
    _check_free(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            for name, text in texts.items():
                (made / name).write_bytes(text.encode())
            made.chmod(0o755)
            if folder.exists():
                shutil.rmtree(folder)
            made.replace(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise BraggleError(f"{folder}: cannot be written: {error.strerror}") from error


def hand_over_zip(result: LookupResult, phases: Sequence[Phase]) -> bytes:
    """The same as a zip archive that holds the folder.

    Args:
        result: the answer.
        phases: of `phases_of`, best first.
    """
    folder = _folder_name(result.query.name)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in _with_list(result, hand_over_texts(result, phases)).items():
            file.writestr(f"{folder}/{name}", text)
    return archive.getvalue()


def hand_over_texts(
    result: LookupResult, phases: Sequence[Phase], *, together: int = 1
) -> dict[str, str]:
    """What each file of a folder holds, by name; `write_hand_over` writes them."""
    pattern = result.query
    texts = {f"{phase.stem}.cif": phase.cif(pattern.name) for phase in phases}
    structures = {phase.stem: structure_text(phase) for phase in phases}
    texts |= {f"{stem}.str": text for stem, text in structures.items() if text is not None}
    radiation = pattern.radiation
    fwhm_deg = None
    if radiation is None:
        texts["pattern.csv"] = _q_text(pattern)
    else:
        fwhm_deg = prepare(pattern).fwhm_deg
        zero = phases[0].zero_shift_deg if phases else 0.0
        texts["pattern.xy"] = xy_text(pattern)
        texts["pattern.fxye"] = fxye_text(pattern)
        texts["pattern.instprm"] = instrument_text(
            radiation, fwhm_deg=fwhm_deg, zero_shift_deg=zero
        )
        begun = phases[:together]
        if begun:
            texts["gsas2.py"] = script_text(begun)
        if begun and all(structures[phase.stem] is not None for phase in begun):
            texts["bgmn.sav"] = control_text(begun, radiation)
    texts["README.txt"] = readme_text(result, phases, list(texts), fwhm_deg, together=together)
    return texts


def _with_list(result: LookupResult, texts: dict[str, str]) -> dict[str, str]:
    document = {
        "made_by": "braggle search --export",
        "files": {name: _sha256(text.encode()) for name, text in texts.items()},
        "answer": finite(answer(result)),
    }
    listed = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return {**texts, LIST: listed}


def xy_text(pattern: Pattern) -> str:
    """A pattern as two columns without a head, 2θ in degrees and counts, which everything reads."""
    rows = zip(pattern.two_theta_deg.tolist(), pattern.counts.tolist(), strict=True)
    return "".join(f"{x!r} {counts!r}\n" for x, counts in rows)


def _q_text(pattern: Pattern) -> str:
    columns = [pattern.q_inv_angstrom, pattern.counts]
    head = "q (1/A),counts"
    if pattern.esd is not None:
        columns.append(pattern.esd)
        head += ",esd"
    rows = np.column_stack(columns).tolist()
    return "".join([f"{head}\n", *(",".join(map(repr, row)) + "\n" for row in rows)])


def _folder_name(file: str) -> str:
    """A name that every system takes for a folder."""
    stem = "standard-input" if file == "-" else Path(file).stem
    name = re.sub(r"[^\w.+=@() -]|[\x00-\x1f]", "_", stem).strip(". ").lstrip("-~") or "pattern"
    name = name[:100].rstrip(". ")
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def _check_free(folder: Path) -> None:
    """Only what an earlier hand-over left, unchanged, may be written over."""
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise BraggleError(f"{folder}: is a file; move it, or export to another folder")
        present = {one.name: one for one in folder.iterdir()}
        strange = _strange(present) if present else None
    except OSError as error:
        raise BraggleError(
            f"{folder}: cannot be read ({error.strerror}); export to another folder"
        ) from error
    if strange is not None:
        raise BraggleError(
            f"{folder}: {strange} is not as an earlier export left it, and nothing of yours is "
            "written over; move it, or export to another folder"
        )


def _strange(present: dict[str, Path]) -> str | None:
    """A file that no earlier hand-over wrote, or that was changed since; None if there is none."""
    try:
        listed = json.loads(present[LIST].read_text("utf-8"))["files"]
        left = dict(listed)
    except (KeyError, OSError, TypeError, ValueError):
        return min(present)
    for name, path in sorted(present.items()):
        if name == LIST:
            continue
        if not path.is_file() or left.get(name) != _sha256(path.read_bytes()):
            return name
    return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
