"""The blueprint that every feature uses: flask-smorest's, with a parser that refuses what JSON allows and databases do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import flask_smorest  # type: ignore[import-untyped]
from flask import Request
from marshmallow import Schema
from webargs import core
from webargs.flaskparser import FlaskParser, is_json_request

from spot_server.errors import ProductError

View = TypeVar("View", bound=Callable[..., Any])


class JsonInvalid(ProductError):
    """The body is not valid JSON."""

    status = 400
    slug = "json-invalid"


class ProductParser(FlaskParser):
    """Reads request bodies and query strings. What is unknown is for each schema to ignore or to refuse."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {}

    def _raw_load_json(self, req: Request) -> Any:  # noqa: ANN401
        body = req.get_data(cache=True)
        if not body or not is_json_request(req):
            return core.missing
        return parse_json(body)


def parse_json(body: bytes) -> Any:  # noqa: ANN401
    """Parse UTF-8 JSON; JsonInvalid for anything else, NaN, Infinity, lone surrogates and endless nesting included."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        reason = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise JsonInvalid(f"the body is not valid JSON: {reason}") from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest carries no types
    """A feature's pages. Call `http.auth.protect` (or `leave_open`) on each one.

    The three decorators are flask-smorest's own, given types: the outermost is `route`, below it `arguments`, below that `response`.
    """

    ARGUMENTS_PARSER = ProductParser()

    def route(self, rule: str, *, methods: list[str], **options: Any) -> Callable[[View], View]:  # noqa: ANN401
        """Serve `rule`, relative to the blueprint's url_prefix."""
        decorator: Callable[[View], View] = super().route(rule, methods=methods, **options)
        return decorator

    def arguments(self, schema: type[Schema] | Schema, *, location: str = "json", **options: Any) -> Callable[[View], View]:  # noqa: ANN401
        """Parse the body (or `location="query"`) and pass it to the view as its next positional argument.

        The schema is made once: of a class, webargs would make one, with copies of all its fields, for every request.
        """
        made = schema() if isinstance(schema, type) else schema
        decorator: Callable[[View], View] = super().arguments(made, location=location, **options)
        return decorator

    def response(self, status_code: int, schema: type[Schema] | Schema | None = None, **options: Any) -> Callable[[View], View]:  # noqa: ANN401
        """Dump the view's result with `schema` under `status_code`; a view may return (result, other_status)."""
        decorator: Callable[[View], View] = super().response(status_code, schema, **options)
        return decorator

    def doc(self, **members: Any) -> Callable[[View], View]:  # noqa: ANN401 - parts of an OpenAPI document
        """Add to the description of the view what its schemas cannot say."""
        decorator: Callable[[View], View] = super().doc(**members)
        return decorator

    def alt_response(
        self,
        status_code: int,
        *,
        schema: type[Schema] | Schema | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Callable[[View], View]:
        """Describe another answer of the view."""
        decorator: Callable[[View], View] = super().alt_response(status_code, schema=schema, **options)
        return decorator
