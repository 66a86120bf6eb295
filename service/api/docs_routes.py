"""The routes there are, for a person. No script, no network."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from service.pages import asset, template_environment

router = APIRouter(include_in_schema=False)


@router.get("/docs", response_class=HTMLResponse)
def docs(request: Request) -> HTMLResponse:
    """The routes, as `/openapi.json` describes them."""
    schema = request.app.openapi()
    routes = [
        {
            "method": method.upper(),
            "path": path,
            "tag": next(iter(said.get("tags", [])), "service"),
            "description": said.get("description", said.get("summary", "")),
            "options": _options(said),
        }
        for path, methods in schema["paths"].items()
        for method, said in methods.items()
    ]
    template = template_environment().from_string(asset("service.api", "docs.html"))
    return HTMLResponse(
        template.render(
            style=asset("service.api", "service.css"),
            routes=routes,
            version=schema["info"]["version"],
        )
    )


def _options(route: dict[str, Any]) -> list[dict[str, str]]:
    """Parameters and fields of bodies, each once: name, where it stands, and what it means."""
    found: dict[tuple[str, str], str] = {}
    for one in route.get("parameters", []):
        about = one.get("description") or one["schema"].get("description", "")
        found[one["name"], one["in"]] = about
    for kind, body in route.get("requestBody", {}).get("content", {}).items():
        place = "form" if "form" in kind else "JSON"
        for name, schema in body["schema"].get("properties", {}).items():
            found[name, place] = schema.get("description", "")
    return [
        {"name": name, "place": place, "about": about} for (name, place), about in found.items()
    ]
