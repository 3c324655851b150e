"""One request, one id: in the log lines, in the answer, in problem documents. And the request metrics."""

from __future__ import annotations

import re
import uuid

import structlog
from flask import Flask, Response, g, request

from spot_server.db.statement_count import begin_count
from spot_server.http.context import current_context

HEADER = "X-Request-Id"

IS_WAIT = "spot_is_wait"
"""Set on `g` by requests that waited on purpose: their duration says nothing about the server."""

_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")

log = structlog.get_logger()


def register_request_log(app: Flask) -> None:
    """Give every request of `app` its id and measure it."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _SANE.fullmatch(sent) else uuid.uuid4().hex
    g.started_seconds = current_context().clock.monotonic_seconds()
    g.statement_count = begin_count()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    context = current_context()
    started_seconds = g.get("started_seconds")
    endpoint = request.endpoint or "none"
    context.metrics.requests.labels(endpoint, request.method, f"{response.status_code // 100}xx").inc()
    if started_seconds is not None:
        context.metrics.sql_statements.labels(endpoint).inc(g.statement_count.statements)
        duration_seconds = context.clock.monotonic_seconds() - started_seconds
        if not g.get(IS_WAIT):
            context.metrics.request_duration_seconds.labels(endpoint).observe(duration_seconds)
        log.debug("request", method=request.method, path=request.path, status=response.status_code, duration_seconds=duration_seconds)
    if "request_id" in g:
        response.headers[HEADER] = g.request_id
    return response
