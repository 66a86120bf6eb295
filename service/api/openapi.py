"""The description of the API for programs, as it is committed.

python -m service.api.openapi > docs/openapi.json
"""

from __future__ import annotations

import json

from service.api.app import create_app
from service.settings import ServeSettings, Settings


def description() -> str:
    """OpenAPI as JSON."""
    schema = create_app(Settings(serve=ServeSettings())).openapi()
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(description(), end="")  # noqa: T201 - this is what it is run for
