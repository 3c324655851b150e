"""flask-smorest, bent to our error format and to the description of our fields."""

from __future__ import annotations

from typing import Any

import flask_smorest  # type: ignore[import-untyped]
from flask import Flask

from spot_server.http.fields import ChoiceText, DateText, RatioText, UsdAmount, UtcMoment
from spot_server.http.problem_schema import ProblemSchema

API_TITLE = "Spot Optimizer"
API_VERSION = "v1"
OPENAPI_VERSION = "3.0.3"


class ProductApi(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest carries no types
    """flask-smorest without its own error format."""

    ERROR_SCHEMA = ProblemSchema

    def __init__(self, app: Flask) -> None:
        """Tell the description how our own fields travel, then read the application's configuration."""
        super().__init__()
        self.register_field(UtcMoment, "string", "date-time")
        self.register_field(UsdAmount, "string", "decimal")
        self.register_field(RatioText, "string", "decimal")
        self.register_field(DateText, "string", "date")
        self.register_field(ChoiceText, "string", None)
        self.init_app(app)

    def _register_error_handlers(self) -> None:
        """Leave errors to `http.problems`."""


def api_of(app: Flask) -> Any:  # noqa: ANN401
    """Return the flask-smorest Api of `app`, which holds the OpenAPI document."""
    return app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
