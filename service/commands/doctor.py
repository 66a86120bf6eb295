"""`braggle doctor`: what is installed, what works, which library is meant."""

from __future__ import annotations

from dataclasses import asdict

import typer

from service.checks import Finding, library_findings, service_findings
from service.commands.options import Json, verb
from service.terminal import complain, emit, show

PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "gemmi",
    "moyopy",
    "pymatgen-core",
    "pyarrow",
    "pylance",
    "lancedb",
    "faiss-cpu",
    "duckdb",
    "pybaselines",
)
EXTRAS = {
    "gpu": "faiss-gpu",
    "vendor": "geddes",
    "ligands": "rdkit",
    "mofs": "core-mof",
    "train": "torch",
    "relax": "chgnet",
    "sheets": "mat3ra-standata",
    "service": "fastapi",
    "optimade": "optimade",
    "mcp": "mcp",
    "distributed": "ray",
}
ROCK_SALT_D_ANGSTROM = 5.64 / 2
"""d of the 200 line of NaCl, its strongest."""


@verb
def doctor(*, json: Json = False) -> None:
    """Check the installation, the library and what a service needs; exit status 1 when it fails."""
    from service.settings import Settings

    settings = Settings.load()
    findings = [
        _machine(),
        *_packages(),
        _extras(),
        _physics(),
        *library_findings(settings),
        *service_findings(settings),
    ]
    ok = all(finding.ok or not finding.required for finding in findings)
    if json:
        emit({"ok": ok, "findings": [asdict(finding) for finding in findings]})
    else:
        from service.tables import key_values

        show(key_values({one.name: f"{one.mark:<8}{one.detail}" for one in findings}))
    if not ok:
        complain("something that is needed does not work; see the lines marked FAILED")
        raise typer.Exit(1)


def _machine() -> Finding:
    import platform

    from indexer.workers import cores

    return Finding(
        "machine", True, f"Python {platform.python_version()}, {platform.system()}, {cores()} cores"
    )


def _packages() -> list[Finding]:
    return [
        Finding(package, found is not None, found or "not installed; install braggle again")
        for package in PACKAGES
        for found in [_version(package)]
    ]


def _extras() -> Finding:
    installed = [extra for extra, package in EXTRAS.items() if _version(package)]
    missing = [extra for extra in EXTRAS if extra not in installed]
    words = [", ".join(names) or "none" for names in (installed, missing)]
    return Finding("extras", True, f"installed: {words[0]}; not installed: {words[1]}")


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _physics() -> Finding:
    """Whether the compiled kernel gives the strongest line of rock salt (1/Q² standing for LP)."""
    import numpy as np

    from data.crystal import Crystal
    from data.diffraction import lines_of

    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    crystal = Crystal(
        lattice=np.eye(3) * 2 * ROCK_SALT_D_ANGSTROM,
        species=("Na",) * 4 + ("Cl",) * 4,
        occupancies=np.ones(8),
        fractional=np.concatenate([corners, (corners + np.array([0.5, 0, 0])) % 1]),
        u_iso_angstrom2=np.full(8, np.nan),
        space_group_number=225,
    )
    lines = lines_of(crystal)
    d = float(1 / np.sqrt(lines.inv_d2[int(np.argmax(lines.strength / lines.inv_d2))]))
    good = abs(d - ROCK_SALT_D_ANGSTROM) < 1e-3
    return Finding("diffraction", good, f"strongest line of NaCl at d = {d:.3f} Å")
