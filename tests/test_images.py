"""The container image and the compose file, as far as that can be seen without building them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import ServeSettings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
INSTALL = (ROOT / ".ci/install").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
(SERVICE,) = COMPOSE["services"].values()


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.*)$", joined, re.MULTILINE)


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    said = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], check=False, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_everything_that_is_installed_is_sent_and_copied() -> None:
    build = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*build["packages"], "pyproject.toml", PROJECT["project"]["readme"], "LICENSE"}
    copied = {one for line in instructions("COPY") if "--from" not in line
              for one in shlex.split(line)[:-1]}  # fmt: skip
    sent = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    assert copied == {*needed, ".ci/install"} == set(sent)


def test_both_targets_are_installed_by_the_one_script() -> None:
    installs = [line for line in instructions("RUN") if "install " in line and "/opt" in line]
    assert installs == [".ci/install /opt/braggle"] * 2
    assert "pip" not in DOCKERFILE.replace("pip's", "")
    (extras,) = re.findall(r"^EXTRAS=(.*)$", INSTALL, re.MULTILINE)
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])
    assert subprocess.run(["bash", "-n", ROOT / ".ci/install"], check=False).returncode == 0  # noqa: S607


def test_the_image_is_nobodys_and_holds_no_secret() -> None:
    stages = dict(re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)[::-1])
    bases = [base for base in stages if ":" in base]
    assert bases
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-\w+-\w+", base) for base in bases)
    assert instructions("USER") == ["10001"]
    assert instructions("VOLUME") == ["/data"]
    assert "/healthz" in instructions("HEALTHCHECK")[0]
    assert not re.search(r"braggle_[0-9a-f]{8}_", DOCKERFILE + str(COMPOSE))


def test_the_compose_file_runs_a_target_that_there_is_and_keeps_its_data() -> None:
    targets = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert SERVICE["build"]["target"] in targets
    assert targets[-1] == "cpu"
    (mounted,) = SERVICE["volumes"]
    volume, _, place = mounted.partition(":")
    assert volume in COMPOSE["volumes"]
    assert place == instructions("VOLUME")[0]
    assert SERVICE["healthcheck"]["test"][:3] == ["CMD", "python", "-c"]


@pytest.mark.parametrize(
    "names", [list(SERVICE["environment"]), re.findall(r"BRAGGLE_\w+(?==)", DOCKERFILE)]
)
def test_settings_exist(names: list[str]) -> None:
    known = {f"BRAGGLE_SERVE_{name}".upper() for name in ServeSettings.model_fields}
    assert names
    assert set(names) <= known | {"BRAGGLE_DATA_DIR"}


def test_checks_of_health_are_python() -> None:
    for line in (
        instructions("HEALTHCHECK")[0].partition("CMD ")[2],
        SERVICE["healthcheck"]["test"],
    ):
        words = yaml.safe_load(line) if isinstance(line, str) else line
        compile(words[-1], "check", "exec")
