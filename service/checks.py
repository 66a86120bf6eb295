"""What a service needs beside what is installed: its library, its folder, keys, port, machine."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import BraggleError

if TYPE_CHECKING:
    from service.settings import Settings

MEMORY_GB = 3.0
"""A service of the bundled library with a job beside it took 2.1, measured by `make load`."""

NEEDED = frozenset({"fastapi", "uvicorn", "python_multipart", "prometheus_client"})
"""Modules of the extra `service`."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        ok: whether it is as it should be.
        detail: what was found; where that is not ok, in one line and with a remedy.
        required: whether something does not work without it.
    """

    name: str
    ok: bool
    detail: str
    required: bool = True

    @property
    def mark(self) -> str:
        """In a word."""
        return "ok" if self.ok else "FAILED" if self.required else "note"


def library_findings(settings: Settings) -> list[Finding]:
    """Whether the library that is meant can be read, is whole, and has its channels."""
    from indexer import Library
    from indexer.profiles import channels_of

    try:
        path = settings.library_path()
        if not path.exists():
            said = f"none yet at {path}; run `braggle library build bundled`"
            return [Finding("library", ok=False, detail=said, required=False)]
        library = Library.open(path)
        report = library.verify()
    except BraggleError as error:
        return [Finding("library", ok=False, detail=str(error))]
    said = f"{path}, version {library.version}, {len(library)} entries"
    if not report.ok:
        broken = next(check for check in report.checks if not check.ok)
        said = f"{path}: {broken.name}: {broken.detail}; build it anew, or restore a copy"
    missing = [one.id for one in channels_of(library.profile) if not library.holds(one)]
    stamps = ", ".join(stamp.id for stamp in library.channels)
    channels = f"{stamps or 'none'}"
    if missing:
        channels += f"; {', '.join(missing)} missing or old: run `braggle library maintain`"
    return [
        Finding("library", ok=report.ok, detail=said),
        Finding("channels", ok=not missing, detail=channels, required=False),
    ]


def service_findings(settings: Settings) -> list[Finding]:
    """What `braggle serve` would meet."""
    return [
        _pages(),
        _folder(settings.data_dir.expanduser()),
        _keys(settings),
        _port(settings),
        _memory(),
        _accelerator(),
    ]


def _pages() -> Finding:
    """Whether the files that pages are made of came along."""
    from importlib.util import find_spec

    if missing := sorted(name for name in NEEDED if find_spec(name) is None):
        said = f"{', '.join(missing)} not installed; pip install 'braggle[service]' to serve"
        return Finding("pages", ok=False, detail=said, required=False)
    from service.api.page.routes import FILES
    from service.pages import asset

    empty = []
    for name, package in FILES.items():
        try:
            if not asset(package, name):
                empty.append(name)
        except OSError:
            empty.append(name)
    if empty:
        return Finding("pages", ok=False, detail=f"{', '.join(empty)} missing; install again")
    return Finding("pages", ok=True, detail=f"{len(FILES)} scripts and style sheets")


def _folder(folder: Path) -> Finding:
    """Whether libraries, keys and jobs can be written, and keys be read by nobody else."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not os.access(nearest, os.W_OK | os.X_OK):
        said = f"{nearest}: cannot be written; change its rights, or set BRAGGLE_DATA_DIR"
        return Finding("folder", ok=False, detail=said)
    kept = folder / "service"
    open_to_others = [
        path
        for path in (kept, *(kept.glob("*.sqlite") if kept.is_dir() else ()))
        if path.exists() and os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_to_others:
        path = open_to_others[0]
        said = f"{path}: others can read it; run `chmod -R go= {kept}`"
        return Finding("folder", ok=False, detail=said)
    return Finding("folder", ok=True, detail=f"{folder}, writable")


def _keys(settings: Settings) -> Finding:
    from service.api.clients import is_loopback
    from service.api.keys import KeyStore

    serve = settings.serve
    try:
        keys = [key for key in KeyStore(settings.service_dir).all() if key.revoked_at is None]
    except BraggleError as error:
        return Finding("keys", ok=False, detail=str(error))
    asked = serve.keys == "on" or (serve.keys == "auto" and not is_loopback(serve.host))
    said = f"{len(keys)}, {'asked' if asked else 'not asked'} for at {serve.host}"
    if asked and not keys:
        return Finding("keys", ok=False, detail=f'{said}; make one: `braggle keys add "NAME"`')
    return Finding("keys", ok=True, detail=said)


def _port(settings: Settings) -> Finding:
    host, port = settings.serve.host, settings.serve.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            return Finding("port", ok=True, detail=f"{host}:{port} is free")
    except OSError as error:
        said = (
            f"{host}:{port} cannot be listened on ({error.strerror or error}): a service may run "
            "there already; else choose another with BRAGGLE_SERVE_PORT"
        )
        return Finding("port", ok=False, detail=said, required=False)


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, OSError, ValueError):
        return Finding("memory", ok=True, detail="not known on this system")
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container
    if limit.exists() and (said := limit.read_text("ascii").strip()).isdigit():
        total = min(total, int(said) / 1e9)
    detail = f"{total:.1f} GB"
    if total < MEMORY_GB:
        detail += f"; a service of the bundled library and a job take {MEMORY_GB:g}: give it more"
    return Finding("memory", ok=total >= MEMORY_GB, detail=detail, required=False)


def _accelerator() -> Finding:
    from importlib.util import find_spec

    import faiss

    said = f"faiss on {faiss.get_num_gpus() if hasattr(faiss, 'get_num_gpus') else 0} cards"
    if find_spec("torch") is None:
        return Finding("torch", ok=True, detail=f"not installed; {said}")
    import torch

    cards = [torch.cuda.get_device_name(one) for one in range(torch.cuda.device_count())]
    return Finding(
        "torch", ok=True, detail=f"{torch.__version__}, {', '.join(cards) or 'no card'}; {said}"
    )
