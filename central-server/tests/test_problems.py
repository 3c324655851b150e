"""Errors: one form, the request's id in each, nothing of the inside."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from flask import Flask
from sqlalchemy import text

from server_support.builders import create_admin_token
from server_support.http import Http
from spot_server.db.runner import Database
from spot_server.errors import ProductError
from spot_server.http.app import create_app
from spot_server.http.auth import leave_open
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import AppContext

PROBLEM = "application/problem+json"


def app_with_a_page_that(context: AppContext, act: Any) -> Http:
    blueprint = Blueprint("trouble", __name__)
    leave_open(blueprint, reason="a page for this test")
    blueprint.route("/trouble", methods=["GET"])(act)
    return Http.to(create_app(context, [blueprint]))


def crash() -> None:
    raise RuntimeError("the password is hunter2")


def test_a_crash_tells_the_request_id_and_nothing_else(context: AppContext) -> None:
    answer = app_with_a_page_that(context, crash).get("/trouble")

    assert answer.status == 500
    assert answer.headers["Content-Type"] == PROBLEM
    assert "hunter2" not in answer.text
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_a_crash_is_logged_once_with_its_cause(context: AppContext) -> None:
    http = app_with_a_page_that(context, crash)

    with structlog.testing.capture_logs() as lines:
        http.get("/trouble")

    crashes = [line for line in lines if line["log_level"] == "error"]
    assert [(line["event"], str(line["exc_info"])) for line in crashes] == [("request_crashed", "the password is hunter2")]


def test_a_product_error_becomes_its_document(context: AppContext) -> None:
    class Teapot(ProductError):
        """There is no coffee."""

        status = 409
        slug = "teapot"

    def refuse() -> None:
        raise Teapot("only tea", cups=2, type="not this one")

    answer = app_with_a_page_that(context, refuse).get("/trouble")

    assert answer.json == {
        "type": "/problems/teapot",
        "title": "There is no coffee.",
        "status": 409,
        "detail": "only tea",
        "request_id": answer.headers["X-Request-Id"],
        "cups": 2,
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nothing/here", 404, "not-found"),
        ("DELETE", "/healthz", 405, "method-not-allowed"),
        ("GET", "/api/client/x/agents", 401, "token-missing"),
    ],
)
def test_the_frameworks_own_errors_have_our_form(http: Http, method: str, path: str, status: int, slug: str) -> None:
    answer = http.send(method, path)

    assert (answer.status, answer.slug, answer.headers["Content-Type"]) == (status, slug, PROBLEM)


def test_405_says_what_is_allowed(http: Http) -> None:
    assert "GET" in http.send("DELETE", "/healthz").headers["Allow"]


def test_401_asks_for_a_bearer_token(http: Http) -> None:
    assert http.get("/api/client/validate").headers["WWW-Authenticate"] == "Bearer"


def test_a_database_that_is_away_is_503_with_the_time_to_wait(context: AppContext) -> None:
    from spot_server.errors import DatabaseUnavailable  # noqa: PLC0415 - the one test that needs it

    def fail() -> None:
        raise DatabaseUnavailable

    answer = app_with_a_page_that(context, fail).get("/trouble")

    assert (answer.status, answer.json["retry_after_seconds"], answer.headers["Retry-After"]) == (503, 5, "5")


@pytest.mark.parametrize("sent", ["abc-123", "a.b_c:d-E"])
def test_a_sane_request_id_is_kept(http: Http, sent: str) -> None:
    assert http.send("GET", "/healthz", headers={"X-Request-Id": sent}).headers["X-Request-Id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, '{"a":1}', "ü"])
def test_any_other_request_id_is_replaced(http: Http, sent: str) -> None:
    assert http.send("GET", "/healthz", headers={"X-Request-Id": sent}).headers["X-Request-Id"] != sent


def test_a_value_is_shown_back_shortened(database: Database, http: Http) -> None:
    answer = http.as_(create_admin_token(database)).post("/api/admin/clients", {"name": "x" * 5000})

    assert len(answer.json["errors"][0]["value"]) < 300


def test_every_field_that_is_wrong_is_listed(database: Database, http: Http) -> None:
    answer = http.as_(create_admin_token(database)).post("/api/admin/clients", {"name": 7, "time_zone": "Mars", "mood": 1})

    assert sorted(error["field"] for error in answer.json["errors"]) == ["mood", "name", "time_zone"]


def test_a_ready_server_says_so_and_a_broken_schema_is_told(app: Flask, http: Http, context: AppContext) -> None:
    ready = http.get("/readyz")
    with context.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    within_the_second = http.get("/readyz")
    context.clock.advance(1)  # type: ignore[attr-defined]  # the fixture's clock is a FakeClock

    broken = http.get("/readyz")
    with context.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    assert (ready.status, within_the_second.status, broken.status) == (200, 200, 503)
    assert "run `spot-server migrate`" in broken.json["detail"]
