"""Structured logs: one JSON object a line, constant event names, ids instead of objects, never a token."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from datetime import datetime
from typing import Any, TextIO

from spot_agent.timestamps import UTC, to_wire

_TOKEN = re.compile(r"so_(admin|client|enrol|agent|nonce)_[A-Za-z0-9_\-]+")
_ROOT = "spot_agent"


def mask_tokens(text: str) -> str:
    """Every token of ours in `text`, whatever its kind, keeps only its prefix."""
    return _TOKEN.sub(lambda found: f"so_{found.group(1)}_***", text)


class JsonFormatter(logging.Formatter):
    """`at, level, event, worker` and the event's own fields; a traceback, if any, in `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record as one line."""
        line: dict[str, Any] = {
            "at": to_wire(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "worker": threading.current_thread().name,
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return mask_tokens(json.dumps(line, default=str, ensure_ascii=False))


class Log:
    """The daemon's own face of stdlib logging: `log.info("heartbeat_sent", epoch=3)`."""

    def __init__(self, name: str = _ROOT, **context: object) -> None:
        self._logger = logging.getLogger(name)
        self._context = context

    def bind(self, **context: object) -> Log:
        """The same log with more context on every line."""
        return Log(self._logger.name, **{**self._context, **context})

    def debug(self, event: str, **fields: object) -> None:
        """Say what only a developer asks for."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Say what was done."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Say what a person may have to look at."""
        self._write(logging.WARNING, event, fields)

    def failure(self, event: str, *, traceback: bool = False, **fields: object) -> None:
        """Say what failed, once, where it is handled."""
        self._write(logging.ERROR, event, fields, traceback=traceback)

    def _write(self, level: int, event: str, fields: dict[str, Any], *, traceback: bool = False) -> None:
        extra = {"fields": {**self._context, **fields}}
        self._logger.log(level, event, extra=extra, exc_info=traceback)


def start_logging(level: str, stream: TextIO | None = None) -> Log:
    """Send the daemon's log to `stream` (standard error by default) at `level`; other libraries from WARNING up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_ROOT).setLevel(level)
    return Log()
