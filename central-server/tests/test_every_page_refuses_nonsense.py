"""Guard: whatever is sent to a page, now and later, it is refused in our words, nothing crashes and nothing is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select

from server_support.http import Answer, Http
from server_support.pages import Page, all_pages
from server_support.samples import with_one_wrong
from server_support.tenants import Tenant, create_tenant
from spot_server.db.runner import Database
from spot_server.db.tables import metadata
from spot_server.http.context import AppContext
from spot_server.words import TokenKind

PROBLEM = "application/problem+json"

NOT_JSON = [b"{", b"{'a': 1}", b'{"a": NaN}', b'{"a": Infinity}', b'\xff\xfe{"a"', b'{"a": "\\ud800"}', b"[" * 100_000]

NOT_AN_OBJECT: list[Any] = [[], [1], "text", 7, True]

WRONG_VALUES: list[Any] = [[], {}, [[]], {"a": {}}, "", "x" * 5000, "\x00", -1, 2**70, 1.5, 1e300, True, "2026-01-01T00:00:00", None]


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return create_tenant(database, "i-mine")


def pages_with_body(app: Flask) -> list[Page]:
    return [page for page in all_pages(app) if page.body is not None]


def token_for(page: Page, tenant: Tenant) -> str:
    kinds = page.kinds or frozenset({TokenKind.ENROLMENT})
    return tenant.tokens[min(kinds)]


def count_rows(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in metadata.sorted_tables}


def send(http: Http, page: Page, tenant: Tenant, raw: bytes, content_type: str = "application/json") -> Answer:
    return http.as_(token_for(page, tenant)).send(page.method, page.path(**tenant.ids), raw=raw, content_type=content_type)


def test_what_is_not_json_is_400(app: Flask, http: Http, engine: Engine, tenant: Tenant) -> None:
    before = count_rows(engine)

    wrong = {
        (page.name, raw[:20]): answer.text
        for page in pages_with_body(app)
        for raw in NOT_JSON
        if (answer := send(http, page, tenant, raw)).status != 400 or answer.headers["Content-Type"] != PROBLEM
    }

    assert wrong == {}
    assert count_rows(engine) == before


def test_another_content_type_is_415(app: Flask, http: Http, engine: Engine, tenant: Tenant) -> None:
    before = count_rows(engine)

    answers = {page.name: send(http, page, tenant, b"{}", "text/plain") for page in pages_with_body(app)}

    assert {name: answer.text for name, answer in answers.items() if answer.status != 415} == {}
    assert count_rows(engine) == before


def test_a_body_over_the_limit_is_413(app: Flask, http: Http, context: AppContext, engine: Engine, tenant: Tenant) -> None:
    before = count_rows(engine)
    body = json.dumps({"text": "x" * context.settings.body_limit_bytes}).encode()

    answers = {page.name: send(http, page, tenant, body) for page in pages_with_body(app)}

    assert {name: answer.text for name, answer in answers.items() if answer.status != 413} == {}
    assert count_rows(engine) == before


def test_json_that_is_no_object_is_422(app: Flask, http: Http, engine: Engine, tenant: Tenant) -> None:
    before = count_rows(engine)

    wrong = {
        (page.name, repr(value)): answer.text
        for page in pages_with_body(app)
        for value in NOT_AN_OBJECT
        if (answer := send(http, page, tenant, json.dumps(value).encode())).status != 422
    }

    assert wrong == {}
    assert count_rows(engine) == before


def test_clients_and_admins_are_told_of_fields_that_do_not_exist(app: Flask, http: Http, engine: Engine, tenant: Tenant) -> None:
    before = count_rows(engine)
    pages = [page for page in pages_with_body(app) if page.kinds & {TokenKind.CLIENT, TokenKind.ADMIN}]

    answers = {page.name: send(http, page, tenant, b'{"no_such_field": 1}') for page in pages}

    wrong = {name: answer.text for name, answer in answers.items() if answer.status != 422 or "no_such_field" not in answer.text}
    assert wrong == {}
    assert count_rows(engine) == before


def test_a_plausible_body_never_crashes_a_page(app: Flask, http: Http, tenant: Tenant) -> None:
    answers = {page.name: send(http, page, tenant, json.dumps(page.body).encode()) for page in pages_with_body(app)}

    assert {name: answer.text for name, answer in answers.items() if answer.status >= 500} == {}


@pytest.mark.parametrize("wrong", WRONG_VALUES, ids=lambda value: repr(value)[:20])
def test_one_wrong_value_in_a_plausible_body_never_crashes_a_page(app: Flask, http: Http, tenant: Tenant, wrong: Any) -> None:
    crashed = {
        (page.name, where): answer.text
        for page in pages_with_body(app)
        for where, body in with_one_wrong(page.body, wrong)
        if (answer := send(http, page, tenant, json.dumps(body).encode())).status >= 500
    }

    assert crashed == {}


def test_a_refused_field_is_named_with_its_value_and_what_would_be_right(http: Http, tenant: Tenant) -> None:
    admin = http.as_(tenant.tokens[TokenKind.ADMIN])

    answer = admin.post("/api/admin/tokens", {"kind": "root", "label": "x"})

    assert answer.status == 422
    assert answer.json["errors"] == [{"field": "kind", "value": "root", "reason": "expected one of admin, client, enrolment"}]
    assert answer.json["detail"] == "kind: 'root' cannot be used; expected one of admin, client, enrolment"


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 501}, {"limit": "many"}, {"cursor": "!"}, {"cursor": "W10"}, {"cursor": "x" * 600}]
)
def test_every_list_refuses_paging_that_makes_no_sense(app: Flask, http: Http, tenant: Tenant, query: dict[str, Any]) -> None:
    pages = [page for page in all_pages(app) if query.keys() <= page.query_names]

    answers = {
        page.name: http.as_(token_for(page, tenant)).send("GET", page.path(**tenant.ids), query=query) for page in pages if page.kinds
    }

    assert answers
    assert {name: answer.text for name, answer in answers.items() if answer.status not in {404, 422}} == {}
