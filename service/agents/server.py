"""The tools as a server of the Model Context Protocol, over stdin and stdout."""

from __future__ import annotations

import functools
import inspect
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from data.errors import BraggleError
from service.agents.tools import Tools
from service.api.problems import ProblemError
from service.settings import ServeSettings
from service.terminal import finite

INSTRUCTIONS = (
    "Braggle names the crystalline phases of powder X-ray diffraction patterns from a library of "
    "crystals. Begin with search_pattern; give the elements where they are known. Only where "
    "nothing fits and the composition, or at least its elements, are known, propose structures "
    "with generate_structures and ask job_status. Angles are in degrees, lengths in Å."
)


def serve(library: Path, settings: ServeSettings) -> None:
    """Serve a library until stdin ends.

    Raises:
        BraggleError: there is no library, or it is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="braggle-") as folder:
        tools = Tools(library, Path(folder), settings)
        try:
            server_of(tools).run("stdio")
        finally:
            tools.close()


def server_of(tools: Tools) -> MCPServer[Any]:
    """The server of these tools."""
    server: MCPServer[Any] = MCPServer(
        "braggle", instructions=INSTRUCTIONS, version=version("braggle"), log_level="WARNING"
    )
    looks = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    writes = ToolAnnotations(destructive_hint=False, open_world_hint=False)
    kinds: tuple[tuple[Callable[..., Any], ToolAnnotations], ...] = (
        (tools.search_pattern, looks),
        (tools.similar_crystals, looks),
        (tools.get_entry, looks),
        (tools.simulate_pattern, writes),
        (tools.generate_structures, writes),
        (tools.job_status, writes),
    )
    for tool, hints in kinds:
        server.add_tool(
            _plain(tool),
            description=inspect.getdoc(tool),
            annotations=hints,
            structured_output=False,
        )
    return server


def _plain(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The same tool, whose answer is JSON as short as it can be, and whose errors are one line."""
    if inspect.iscoroutinefunction(tool):

        @functools.wraps(tool)
        async def run(*args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - of any tool
            with _errors_in_one_line():
                return _text(await tool(*args, **kwargs))

    else:

        @functools.wraps(tool)
        def run(*args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - of any tool
            with _errors_in_one_line():
                return _text(tool(*args, **kwargs))

    return run


def _text(document: Any) -> str:  # noqa: ANN401 - any JSON document
    return json.dumps(finite(document), ensure_ascii=False, separators=(",", ":"))


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """What a caller can get wrong is said with its remedy; all else is for the log."""
    try:
        yield
    except ProblemError as error:
        raise ToolError(" ".join(str(error.detail).split())) from None
    except (BraggleError, typer.BadParameter) as error:
        raise ToolError(" ".join(str(error).split())) from None
