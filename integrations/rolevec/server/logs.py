"""Structured logs: one JSON object a line on standard error, without texts and keys."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

LOGGER = logging.getLogger("rolevec.server")
_FIELDS = "rolevec_fields"
_FOREIGN = ("uvicorn", "uvicorn.error")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure(level: str) -> None:
    """Write our log, and uvicorn's, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    for name in (LOGGER.name, *_FOREIGN):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(level.upper() if name == LOGGER.name else logging.WARNING)


def log(event: str, fields: Mapping[str, Any], level: int = logging.INFO) -> None:
    """Write a line.

    Args:
        event: what happened, in a word.
        fields: names and values; never a text or a key.
        level: of `logging`.
    """
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, event, extra={_FIELDS: fields})
