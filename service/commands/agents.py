"""`braggle mcp`: the library as tools for agents."""

from __future__ import annotations

from service.commands.options import LibraryName, extra_needed, verb


@verb
def mcp(*, library: LibraryName = None) -> None:
    """Give agents tools on a library, over stdin and stdout (Model Context Protocol)."""
    extra_needed("mcp", "mcp", "fastapi", "prometheus_client", "python_multipart")
    from service.agents.server import serve
    from service.commands.search import open_library
    from service.settings import Settings

    settings = Settings.load()
    serve(open_library(library).path, settings.serve)
