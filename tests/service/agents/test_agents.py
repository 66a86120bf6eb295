"""The tools as an agent's host calls them: `braggle mcp` in a process of its own, over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.types import TextContent

from data.bundled import examples
from data.cif import write_cif
from tests import crystals, layered
from tests.service.api.server import LONG_S

ROOT = Path(__file__).parents[3]
MOST_CHARACTERS = 6_000
"""Of any answer: an agent's patience is short."""

Call = Callable[..., Awaitable[Any]]


def with_session(library: Path, log: Path, use: Callable[[ClientSession, Call], Any]) -> None:
    """Start the server as a host does, and use it."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "service", "mcp"],
        env={**os.environ, "BRAGGLE_LIBRARY": str(library)},
        cwd=ROOT,
    )

    async def run() -> None:
        with log.open("w") as errors:
            async with (
                stdio_client(server, errlog=errors) as (read, write),
                ClientSession(read, write, read_timeout_seconds=LONG_S) as session,
            ):
                await session.initialize()

                async def call(name: str, *, fails: bool = False, **arguments: Any) -> Any:
                    result = await session.call_tool(name, arguments)
                    (content,) = result.content
                    assert isinstance(content, TextContent)
                    assert result.is_error is fails, content.text
                    assert len(content.text) < MOST_CHARACTERS
                    return content.text if fails else json.loads(content.text)

                await use(session, call)

    asyncio.run(run())


def read(file: str) -> str:
    return Path(file).read_text("utf-8")


@pytest.fixture
def pattern() -> str:
    return str(examples()["PbSO4"].path)


def test_an_agent_names_a_phase_and_proposes_structures(
    minerals: Path, pattern: str, tmp_path: Path
) -> None:
    async def use(session: ClientSession, call: Call) -> None:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert set(tools) == {
            "search_pattern", "similar_crystals", "get_entry", "simulate_pattern",
            "generate_structures", "job_status",
        }  # fmt: skip
        for tool in tools.values():
            assert len(tool.description or "") < 600
            assert all("ctx" not in name for name in tool.input_schema["properties"])

        found = await call("search_pattern", pattern=pattern, elements="Pb,S,O", top=3)
        assert found["verdict"] == "match"
        assert "Anglesite" in found["answer"]
        assert any("assumed" in one for one in found["warnings"])
        best = found["hits"][0]
        assert (best["phase"], best["formula"]) == ("Anglesite", "PbSO4")

        details = await call("get_entry", entry=best["id"], with_cif=True)
        assert details["cif"].startswith("data_PbSO4")
        assert details["sources"]
        several = await call("get_entry", entry="barite")
        assert several["found"] > 1
        assert {one["phase"] for one in several["entries"]} >= {"Barite"}

        alike = await call("similar_crystals", crystal=details["cif"], top=20)
        assert alike["entries"][0]["same_crystal"]
        assert "BaSO4" in {one["formula"] for one in alike["entries"]}

        file = str(tmp_path / "made" / "barite.xy")
        barite = several["entries"][0]["id"]
        made = await call("simulate_pattern", crystal=barite, wavelength="CoKa", save_to=file)
        assert max(one["relative_intensity"] for one in made["strongest_lines"]) == 100
        assert made["file"] == file
        again = await call("search_pattern", pattern=file, wavelength="CoKa", phases=2)
        assert "Barite" in again["answer"]
        assert again["mixtures"]
        text = read(file)
        assert (await call("search_pattern", pattern=text, wavelength="CoKa"))["verdict"] == "match"

        job = (
            await call(
                "generate_structures", pattern=pattern, formula="PbSO4", without="PbSO4",
                engines="substitution", samples=3,
            )
        )["job"]  # fmt: skip
        status = await call("job_status", job=job, wait_s=0)
        assert status["state"] in {"queued", "running", "succeeded"}
        heard: list[float] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            assert (total is None) == (message == "")
            heard.append(progress)

        while status["state"] in {"queued", "running"}:
            await session.call_tool("job_status", {"job": job}, progress_callback=hear)
            status = await call("job_status", job=job, save_to=str(tmp_path / "proposals"))
        assert status["state"] == "succeeded", status
        first = status["proposals"][0]
        assert first["space_group"].replace(" ", "") == "Pnma"
        assert read(first["file"]).startswith("data_")
        assert heard

        alone = (await call("generate_structures", formula="CaSO4", engines="substitution"))["job"]
        while (status := await call("job_status", job=alone))["state"] in {"queued", "running"}:
            pass
        assert status["proposals"][0]["made_by"] == "substitution"
        assert "rwp_percent" not in status["proposals"][0]

        second = (await call("generate_structures", pattern=pattern, formula="PbSO4", samples=20))[
            "job"
        ]
        await call("job_status", job=second, wait_s=0, cancel=True)
        while (stopped := await call("job_status", job=second))["state"] == "running":
            pass
        assert stopped["state"] == "cancelled"

        # What a caller gets wrong is one line with a remedy.
        (tmp_path / "bad.xy").write_text("no pattern at all")
        mistakes: list[tuple[str, dict[str, Any], str]] = [
            ("search_pattern", {"pattern": str(tmp_path / "bad.xy")}, "bad.xy: "),
            ("search_pattern", {"pattern": "missing.xy"}, "missing.xy: no such file; check"),
            ("search_pattern", {"pattern": pattern, "elements": "Xx"}, "give symbols such as"),
            ("search_pattern", {"pattern": pattern, "phases": 7}, "phases: 7 is not understood"),
            ("get_entry", {"entry": "unobtainium"}, "try another spelling"),
            ("similar_crystals", {"crystal": "0" * 20}, "no entry has the id"),
            ("similar_crystals", {"crystal": "missing.cif"}, "give the path of a CIF"),
            ("simulate_pattern", {"crystal": barite, "save_to": file}, "is there already"),
            ("generate_structures", {"pattern": pattern, "formula": "?"}, "?"),
            ("job_status", {"job": "none"}, "there is no such job"),
        ]
        for name, arguments, said in mistakes:
            line = await call(name, fails=True, **arguments)
            assert said in line
            assert "\n" not in line

    with_session(minerals, tmp_path / "log", use)
    assert "Traceback" not in (tmp_path / "log").read_text("utf-8")


def test_an_agent_works_with_a_library_of_sheets(sheets: Path, tmp_path: Path) -> None:
    pattern = layered.pattern_of("graphite")
    whole = write_cif(layered.GRAPHITE, name="graphite")

    async def use(session: ClientSession, call: Call) -> None:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        said = json.dumps(tools["search_pattern"].input_schema["properties"]["profile"])
        assert '"enum": ["powder", "2d"]' in said
        found = await call("search_pattern", pattern=pattern, profile="2d", wavelength="CuKa")
        best = found["hits"][0]
        assert best["phase"] == "graphite, layer"
        line = await call("search_pattern", fails=True, pattern=pattern, profile="powder")
        assert "the library is of sheets (profile 2d), not of powders of crystals" in line

        row = layered.GRAPHITE.cell[0] * 3**0.5 / 2
        for crystal in (best["id"], whole):
            alike = await call("similar_crystals", crystal=crystal)
            assert alike["entries"][0]["id"] == best["id"]
            assert alike["entries"][0]["similarity"] == pytest.approx(1.0, abs=2e-3)
            made = await call("simulate_pattern", crystal=crystal, two_theta_max=60)
            assert made["formula"] == "C"
            (line_10,) = made["strongest_lines"]
            assert line_10["d_angstrom"] == pytest.approx(row, abs=1e-3)
        salt = write_cif(crystals.ROCK_SALT, name="salt")
        for tool in ("similar_crystals", "simulate_pattern"):
            line = await call(tool, fails=True, crystal=salt)
            assert "neither a sheet with vacuum nor layered" in line
            assert "\n" not in line

    with_session(sheets, tmp_path / "log", use)
    assert "Traceback" not in (tmp_path / "log").read_text("utf-8")


def test_an_agent_says_what_it_knows_of_a_composition(
    minerals: Path, pattern: str, tmp_path: Path
) -> None:
    async def use(session: ClientSession, call: Call) -> None:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert "required" not in tools["generate_structures"].input_schema

        known = {"metals": "Pb:1", "ligands": "[O-]S(=O)(=O)[O-]:1", "relax": True}
        for more in ({"elements": "Mg,O", "engines": "pointcloud"}, {"pattern": pattern, **known}):
            job = (await call("generate_structures", **more))["job"]
            await call("job_status", job=job, wait_s=0, cancel=True)

        mistakes: list[tuple[dict[str, Any], str]] = [
            ({}, "nothing says what the sample is made of; give its formula"),
            ({"elements": "Mg,O"}, "engines: elements go with pointcloud alone; name it"),
            (
                {"elements": "Mg,O", "formula": "MgO", "engines": "pointcloud"},
                "formula: elements stand in place of it; leave one or the other out",
            ),
            (
                {"elements": "Mg,Xx", "engines": "pointcloud"},
                "elements Xx: no such element; write symbols",
            ),
            ({"ligands": "[O-2]:1", "metals": "Pb:1"}, "ligands: goes with a pattern; give one"),
            ({"formula": "MgO", "wavelength": "CuKa"}, "wavelength: goes with a pattern"),
        ]
        for arguments, said in mistakes:
            line = await call("generate_structures", fails=True, **arguments)
            assert said in line
            assert "\n" not in line

    with_session(minerals, tmp_path / "log", use)
    assert "Traceback" not in (tmp_path / "log").read_text("utf-8")
