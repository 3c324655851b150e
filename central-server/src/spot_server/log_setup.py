"""Logging: one line per event, structlog and the standard library through the same pipe, tokens never."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import gunicorn.glogging  # type: ignore[import-untyped]
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from spot_server.settings import LogFormat, LogLevel

TOKEN = re.compile(r"so_(admin|client|enrol|agent|nonce)_[A-Za-z0-9_-]{8,}")
QUIET_LOGGERS = {"apscheduler": logging.ERROR, "alembic": logging.WARNING, "gunicorn.access": logging.WARNING}


def set_up_logging(level: LogLevel, log_format: LogFormat) -> None:
    """Send everything that this process logs to standard error, from now on."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info if log_format is LogFormat.JSON else _keep,
        hide_tokens,
    ]
    last: Processor = structlog.processors.JSONRenderer() if log_format is LogFormat.JSON else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Filters before anything is formatted: the line per request costs nothing unless it is wanted.
        wrapper_class=structlog.make_filtering_bound_logger(level.upper()),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, quiet_level in QUIET_LOGGERS.items():
        logging.getLogger(name).setLevel(quiet_level)


def hide_tokens(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace whatever looks like a bearer token, in any field: a last net under code that should not log one."""
    return {key: _hidden(value) for key, value in event.items()}


def _hidden(value: Any) -> Any:  # noqa: ANN401 - any field
    if isinstance(value, str):
        return TOKEN.sub(lambda found: f"so_{found.group(1)}_(hidden)", value)
    if isinstance(value, dict):
        return {key: _hidden(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(below) for below in value]
    return value


def _keep(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return event


class GunicornLogger(gunicorn.glogging.Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's own messages, through our pipe."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn carries no types
        """Leave the handlers to the root logger."""
        self.error_log.propagate = True
        self.error_log.handlers = []
        self.access_log.propagate = False
