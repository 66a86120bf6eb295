"""Logs of the service: a JSON document a line on stderr, each with the request that it is of."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

log = logging.getLogger("braggle.service")


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, request id, and `extra`'s `data`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := REQUEST_ID.get()) is not None:
            said["request_id"] = request_id
        said |= getattr(record, "data", {})
        if record.exc_info:
            said["error"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return json.dumps(said, ensure_ascii=False, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Send everything that this process logs to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    log.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(level)
