"""Every error as application/problem+json (RFC 9457). The one place where a broad catch becomes an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any, cast

import structlog
from flask import Flask, Response, g, json, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from spot_server.errors import FieldInvalid, ProductError
from spot_server.field_words import WHOLE_BODY, invalid_detail, plain_reason
from spot_server.http.context import current_context

PROBLEM_TYPE = "application/problem+json"
TYPE_PREFIX = "/problems/"
LONGEST_VALUE_CHARACTERS = 200

RESERVED_MEMBERS = frozenset({"type", "title", "status", "detail", "request_id"})

RETRY_AFTER_SECONDS = {425: 2, 429: 5, 503: 5}
"""What callers are told to wait, for the statuses that pass by themselves."""

log = structlog.get_logger()


def register_error_handlers(app: Flask) -> None:
    """Make every error of `app` a problem document; call it after everything that registers handlers of its own."""
    app.register_error_handler(ProductError, _answer_product_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_unhandled)


def problem(status: int, slug: str, title: str, detail: str, **extensions: Any) -> Response:  # noqa: ANN401
    """Build a problem document."""
    document = {
        "type": TYPE_PREFIX + slug,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": g.get("request_id"),
        **extensions,
    }
    if status in RETRY_AFTER_SECONDS:
        document.setdefault("retry_after_seconds", RETRY_AFTER_SECONDS[status])
    response = Response(json.dumps(document), status=status, mimetype=PROBLEM_TYPE)
    if "retry_after_seconds" in document:
        response.headers["Retry-After"] = str(document["retry_after_seconds"])
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def shown(value: Any) -> Any:  # noqa: ANN401
    """Return `value` as it may be shown back: JSON, and not longer than LONGEST_VALUE_CHARACTERS."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping | list | tuple) and len(repr(value)) <= LONGEST_VALUE_CHARACTERS:
        return json.loads(json.dumps(value, default=str))
    written = value if isinstance(value, str) else str(value) if isinstance(value, Decimal) else repr(value)
    return written if len(written) <= LONGEST_VALUE_CHARACTERS else written[:LONGEST_VALUE_CHARACTERS] + "…"


def _member(value: Any) -> Any:  # noqa: ANN401
    """Return a list of objects whole, each of their values shortened: a list that is cut is of no use to a program."""
    if isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value):
        return [{key: shown(part) for key, part in entry.items()} for entry in value]
    return shown(value)


def _answer_product_error(error: ProductError) -> Response:
    extensions = {key: _member(value) for key, value in error.extensions.items() if key not in RESERVED_MEMBERS}
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request_failed", problem=error.slug, detail=error.detail)
    return problem(error.status, error.slug, error.title(), error.detail, **extensions)


def _answer_http_error(error: HTTPException) -> Response:
    if error.response is not None or error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return cast("Response", Response.force_type(error.get_response(), request.environ))
    cause = getattr(error, "exc", None)
    if isinstance(cause, ValidationError):
        return _answer_invalid(cause)
    if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _answer_unhandled(error)
    title = HTTPStatus(error.code).phrase
    response = problem(error.code, title.lower().replace(" ", "-"), title, _http_detail(error))
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _http_detail(error: HTTPException) -> str:
    match error.code:
        case HTTPStatus.NOT_FOUND:
            return f"there is no page {request.path}"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return f"{request.method} is not possible on {request.path}"
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return f"the body is larger than {current_context().settings.body_limit_bytes} bytes"
        case HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            return "send the body as application/json"
        case _:
            return error.description or HTTPStatus(error.code or 500).phrase


def _answer_invalid(error: ValidationError) -> Response:
    sources = {"json": _sent_json(), "query": request.args.to_dict(), "headers": {}}
    errors = [
        {"field": ".".join(path) or WHOLE_BODY, "value": shown(_value_at(sources.get(location), path)), "reason": plain_reason(reason)}
        for location, messages in _by_location(error)
        for path, reason in _flatten(messages, ())
    ]
    detail = invalid_detail(errors)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY.value, FieldInvalid.slug, FieldInvalid.title(), detail, errors=errors)


def _sent_json() -> Any:  # noqa: ANN401
    return request.get_json(silent=True)


def _by_location(error: ValidationError) -> Iterator[tuple[str, Any]]:
    messages = error.messages
    if isinstance(messages, dict):
        yield from ((str(location), found) for location, found in messages.items())
    else:
        yield "json", messages


def _flatten(messages: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            yield from _flatten(below, path if key == "_schema" else (*path, str(key)))
    elif isinstance(messages, list | tuple):
        for message in messages:
            yield from _flatten(message, path)
    else:
        yield path, str(messages)


def _value_at(source: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401
    for step in path:
        if isinstance(source, Mapping):
            source = source.get(step)
        elif isinstance(source, list) and step.isdigit() and int(step) < len(source):
            source = source[int(step)]
        else:
            return None
    return source if path else None


def _answer_unhandled(error: Exception) -> Response:
    cause = getattr(error, "original_exception", None) or error
    current_context().metrics.unhandled_errors.inc()
    log.error("request_crashed", exc_info=cause)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR.value,
        "internal-error",
        "Something went wrong.",
        "the server could not answer this request; its log has the reason under this request_id",
    )
