"""What is imported is declared, and what is declared is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = ("data", "generator", "indexer", "search", "service")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[^\w.-]", one)[0]) for one in requirements}


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def imported() -> set[str]:
    modules: set[str] = set()
    for file in (path for package in OWN for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    return modules - set(OWN) - set(sys.stdlib_module_names)


def test_every_import_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = names(
        [
            *PROJECT["dependencies"],
            *extras["vendor"],
            *extras["mofs"],
            *extras["sheets"],
            *extras["train"],
            *extras["relax"],
            *extras["ligands"],
            *extras["service"],
            *extras["optimade"],
            *extras["client"],
            *extras["mcp"],
            *extras["distributed"],
            *extras["tabulate"],
            *extras["dev"],
        ]
    )
    providers = packages_distributions()
    missing = {
        module
        for module in imported()
        if not declared & {normal(name) for name in providers.get(module, [module])}
    }
    assert missing == set()


def test_every_requirement_is_used() -> None:
    modules = imported()
    providers = packages_distributions()
    used = {normal(name) for module in modules for name in providers.get(module, [])}
    assert names(PROJECT["dependencies"]) - used == set()
