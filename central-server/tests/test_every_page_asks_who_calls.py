"""Guard: every page, now and later, refuses whoever may not be there, and another's things look like things that do not exist."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from server_support.http import Answer, Http
from server_support.pages import UNKNOWN_ID, Page, all_pages
from server_support.tenants import Tenant, create_tenant
from spot_server.db.runner import Database
from spot_server.http.auth import READING_METHODS, protection_of
from spot_server.words import TokenKind

OPEN_BLUEPRINTS = {"health", "install", "registration", "dashboard"}
"""Blueprints that may be open: they tell nothing of clients, or check the token themselves. Add one only with a reason in its routes."""

CHECKS_ITSELF = {"POST /api/agents/register"}


@pytest.fixture
def mine(database: Database) -> Tenant:
    return create_tenant(database, "i-mine")


@pytest.fixture
def theirs(database: Database) -> Tenant:
    return create_tenant(database, "i-theirs")


def guarded_pages(app: Flask) -> list[Page]:
    return [page for page in all_pages(app) if page.open_reason is None]


def call(http: Http, page: Page, ids: dict[str, str]) -> Answer:
    return http.send(page.method, page.path(**ids), body=page.body)


def told(answer: Answer) -> dict[str, Any]:
    """What an answer gives away, apart from the ids that the caller put into the address and the id of the request."""
    return {"status": answer.status, **{key: answer.json[key] for key in ("type", "title")}}


def test_every_blueprint_is_protected_or_open_for_a_stated_reason(app: Flask) -> None:
    protections = {name: protection_of(blueprint) for name, blueprint in app.blueprints.items()}

    assert [name for name, protection in protections.items() if not protection] == []
    assert {name for name, protection in protections.items() if isinstance(protection, str)} <= OPEN_BLUEPRINTS


def test_every_page_belongs_to_a_blueprint(app: Flask) -> None:
    assert [rule.rule for rule in app.url_map.iter_rules() if "." not in rule.endpoint] == []


def test_no_token_is_401_everywhere(app: Flask, http: Http, mine: Tenant) -> None:
    pages = [page for page in all_pages(app) if page.open_reason is None or page.name in CHECKS_ITSELF]

    answers = {page.name: call(http, page, mine.ids) for page in pages}

    assert {name: answer.slug for name, answer in answers.items() if (answer.status, answer.slug) != (401, "token-missing")} == {}


@pytest.mark.parametrize("token", ["so_admin_wrong", "x", "so_client_" + "A" * 43, "ä"])
def test_a_wrong_token_is_401_everywhere(app: Flask, http: Http, mine: Tenant, token: str) -> None:
    answers = {page.name: call(http.as_(token), page, mine.ids) for page in guarded_pages(app)}

    assert {name: answer.text for name, answer in answers.items() if (answer.status, answer.slug) != (401, "token-invalid")} == {}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic eDp5", "so_admin_x"])
def test_a_header_without_a_bearer_token_is_401_everywhere(app: Flask, http: Http, mine: Tenant, header: str) -> None:
    answers = {page.name: http.send(page.method, page.path(**mine.ids), headers={"Authorization": header}) for page in guarded_pages(app)}

    assert {name: answer.text for name, answer in answers.items() if (answer.status, answer.slug) != (401, "token-missing")} == {}


@pytest.mark.parametrize("kind", list(TokenKind))
def test_a_token_of_another_kind_is_403_everywhere_but_for_admins_who_read(app: Flask, http: Http, mine: Tenant, kind: TokenKind) -> None:
    def may_enter(page: Page) -> bool:
        reads_as_admin = kind is TokenKind.ADMIN and TokenKind.CLIENT in page.kinds and page.method in READING_METHODS
        return kind in page.kinds or reads_as_admin

    pages = [page for page in guarded_pages(app) if not may_enter(page)]

    answers = {page.name: call(http.as_(mine.tokens[kind]), page, mine.ids) for page in pages}

    assert {name: answer.text for name, answer in answers.items() if (answer.status, answer.slug) != (403, "token-kind-wrong")} == {}


def test_an_admin_reads_no_client_that_does_not_exist(app: Flask, http: Http, mine: Tenant) -> None:
    pages = [page for page in guarded_pages(app) if "<client_id>" in page.rule and page.method == "GET"]

    answers = {page.name: call(http.as_(mine.tokens[TokenKind.ADMIN]), page, {}) for page in pages}

    assert {name: answer.text for name, answer in answers.items() if (answer.status, answer.slug) != (404, "not-found")} == {}


@pytest.mark.parametrize("kind", [TokenKind.CLIENT, TokenKind.AGENT])
def test_what_is_anothers_looks_like_what_does_not_exist(app: Flask, http: Http, mine: Tenant, theirs: Tenant, kind: TokenKind) -> None:
    named = {TokenKind.CLIENT: "<client_id>", TokenKind.AGENT: "<agent_id>"}[kind]
    caller = http.as_(mine.tokens[kind])
    pages = [page for page in guarded_pages(app) if kind in page.kinds and named in page.rule]

    differing = {
        page.name: answer.text
        for page in pages
        if (answer := call(caller, page, theirs.ids)).status != 404 or told(answer) != told(call(caller, page, {}))
    }

    assert pages
    assert differing == {}


def test_a_client_reaches_no_agent_or_instance_of_another_under_its_own_name(app: Flask, http: Http, mine: Tenant, theirs: Tenant) -> None:
    caller = http.as_(mine.tokens[TokenKind.CLIENT])
    borrowed = {**theirs.ids, "client_id": mine.client_id}
    unknown = {"client_id": mine.client_id}
    pages = [
        page
        for page in guarded_pages(app)
        if TokenKind.CLIENT in page.kinds and ("<agent_id>" in page.rule or "<instance_id>" in page.rule)
    ]

    differing = {}
    for page in pages:
        answer = call(caller, page, borrowed)
        # A body that is refused before anything is looked up gives nothing away either.
        if answer.status not in {404, 422} or told(answer) != told(call(caller, page, unknown)):
            differing[page.name] = answer.text

    assert differing == {}


def test_answers_about_anothers_things_name_only_what_the_caller_sent(app: Flask, http: Http, mine: Tenant, theirs: Tenant) -> None:
    caller = http.as_(mine.tokens[TokenKind.CLIENT])

    answer = caller.get(f"/api/client/{theirs.client_id}/agents")

    assert answer.json["detail"] == f"there is no client {theirs.client_id}"
    assert caller.get(f"/api/client/{UNKNOWN_ID}/agents").json["detail"] == f"there is no client {UNKNOWN_ID}"
