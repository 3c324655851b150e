"""The Flask application, made from a context and a list of blueprints; nothing is global."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from spot_server.http.api import API_TITLE, API_VERSION, OPENAPI_VERSION, ProductApi
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import EXTENSION, AppContext
from spot_server.http.problems import register_error_handlers
from spot_server.http.request_log import register_request_log


def create_app(context: AppContext, blueprints: Sequence[Blueprint]) -> Flask:
    """Build the application that serves `blueprints` on `context`."""
    app = Flask("spot_server", static_folder=None)
    app.config.update(
        API_TITLE=API_TITLE,
        API_VERSION=API_VERSION,
        OPENAPI_VERSION=OPENAPI_VERSION,
        MAX_CONTENT_LENGTH=context.settings.body_limit_bytes,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the provider that Flask installs by default
    app.url_map.strict_slashes = False
    app.extensions[EXTENSION] = context
    register_request_log(app)
    app.before_request(_refuse_other_media)
    app.after_request(_forbid_caching)
    api = ProductApi(app)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    register_error_handlers(app)
    return app


def _refuse_other_media() -> None:
    has_body = bool(request.content_length) or "chunked" in request.headers.get("Transfer-Encoding", "")
    if has_body and not request.is_json:
        raise UnsupportedMediaType


def _forbid_caching(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
