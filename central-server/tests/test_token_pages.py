"""Tokens: made and shown once, listed without the secret, revoked; clients: made and listed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.builders import create_admin_token, create_agent_token, create_client, create_client_token, create_token
from server_support.clock import FakeClock
from server_support.http import Http
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, tokens
from spot_server.features.tokens.service import revoke_agent_tokens
from spot_server.http.context import AppContext
from spot_server.words import TokenKind

TOKENS = "/api/admin/tokens"
CLIENTS = "/api/admin/clients"


@pytest.fixture
def admin(database: Database, http: Http) -> Http:
    return http.as_(create_admin_token(database, "alice"))


def rows(database: Database, table: Any) -> list[dict[str, Any]]:
    return database.read(lambda tx: [row._asdict() for row in tx.execute(select(table))])


def test_a_token_is_shown_once_and_stored_as_its_digest_only(database: Database, admin: Http) -> None:
    made = admin.post(TOKENS, {"kind": "admin", "label": "bob"})

    secret = made.json["token"]
    assert (made.status, secret[:9], len(secret)) == (201, "so_admin_", 9 + 43)
    assert secret not in admin.get(TOKENS).text
    assert all(secret not in str(row) for row in rows(database, tokens))


def test_a_made_token_works_and_says_whose_it_is(database: Database, admin: Http, http: Http) -> None:
    client_id = create_client(database, "acme")
    secret = admin.post(TOKENS, {"kind": "client", "label": "ci", "client_id": client_id}).json["token"]

    who = http.as_(secret).get("/api/client/validate").json

    assert {key: who[key] for key in ("kind", "label", "client_id", "client_name")} == {
        "kind": "client",
        "label": "ci",
        "client_id": client_id,
        "client_name": "acme",
    }


def test_an_admin_is_told_that_it_is_no_client(admin: Http) -> None:
    who = admin.get("/api/client/validate").json

    assert (who["kind"], who["client_id"], who["client_name"]) == ("admin", None, None)


def test_an_enrolment_token_is_for_one_registration_within_a_day_unless_told_otherwise(database: Database, admin: Http) -> None:
    body = {"kind": "enrolment", "label": "web", "client_id": create_client(database), "logical_agent_id_pattern": "web-*"}

    made = admin.post(TOKENS, body).json

    assert (made["uses_left"], made["expires_at"]) == (1, "2026-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "agent"}, "kind"),
        ({"kind": "client"}, "client_id"),
        ({"kind": "client", "client_id": "nobody"}, "client_id"),
        ({"kind": "client", "client_id": "c", "uses_left": 3}, "uses_left"),
        ({"kind": "admin", "client_id": "c"}, "client_id"),
        ({"kind": "enrolment", "client_id": "c"}, "logical_agent_id_pattern"),
        ({"kind": "enrolment", "client_id": "c", "logical_agent_id_pattern": "a*b"}, "logical_agent_id_pattern"),
        ({"kind": "enrolment", "client_id": "c", "logical_agent_id_pattern": "a", "uses_left": 0}, "uses_left"),
        ({"kind": "admin", "expires_at": "2025-12-31T23:59:59Z"}, "expires_at"),
        ({"kind": "admin", "expires_at": "2026-02-01T00:00:00"}, "expires_at"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_by_the_field_that_is_wrong(
    database: Database, admin: Http, body: dict[str, Any], field: str
) -> None:
    before = len(rows(database, tokens))

    answer = admin.post(TOKENS, {"label": "x", **body})

    named = answer.json["errors"][0]["field"] if "errors" in answer.json else answer.json["field"]
    assert (answer.status, named, len(rows(database, tokens))) == (422, field, before)


def test_tokens_are_listed_page_by_page_oldest_first(database: Database, admin: Http, clock: FakeClock) -> None:
    client_id = create_client(database)
    labels = [f"t{number}" for number in range(5)]
    for label in labels:
        create_client_token(database, client_id, label)
        clock.advance(1)

    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        page = admin.get(TOKENS, limit=2, client_id=client_id, **({"cursor": cursor} if cursor else {})).json
        seen += [token["label"] for token in page["items"]]
        cursor = page["next_cursor"]

    assert seen == labels


def test_tokens_made_in_the_same_moment_are_all_listed(database: Database, admin: Http) -> None:
    client_id = create_client(database)
    for _ in range(3):
        create_client_token(database, client_id)

    first = admin.get(TOKENS, limit=2, client_id=client_id).json
    second = admin.get(TOKENS, limit=2, client_id=client_id, cursor=first["next_cursor"]).json

    assert len({token["token_id"] for token in first["items"] + second["items"]}) == 3


def test_a_revoked_token_is_refused_at_once_where_it_was_revoked(database: Database, admin: Http, http: Http) -> None:
    secret = create_client_token(database, create_client(database))
    token_id = http.as_(secret).get("/api/client/validate").json["token_id"]

    revoked = admin.delete(f"{TOKENS}/{token_id}")

    assert (revoked.status, http.as_(secret).get("/api/client/validate").slug) == (204, "token-invalid")


def test_revoking_again_is_fine_and_audited_once_with_the_name_of_who_did_it(database: Database, admin: Http, http: Http) -> None:
    client_id = create_client(database)
    secret = create_client_token(database, client_id)
    token_id = http.as_(secret).get("/api/client/validate").json["token_id"]

    answers = [admin.delete(f"{TOKENS}/{token_id}").status for _ in range(2)]

    written = [(row["client_id"], row["action"], row["user_id"]) for row in rows(database, audit_logs)]
    assert (answers, written) == ([204, 204], [(client_id, "token_revoked", "alice")])


def test_revoking_what_never_was_is_404(admin: Http) -> None:
    assert admin.delete(f"{TOKENS}/nothing").status == 404


def test_an_expired_token_is_refused(database: Database, http: Http, clock: FakeClock) -> None:
    secret = create_token(database, TokenKind.ADMIN, expires_at=clock.now().replace(hour=1))
    before = http.as_(secret).get("/api/client/validate").status

    clock.advance(3600)

    assert (before, http.as_(secret).get("/api/client/validate").slug) == (200, "token-invalid")


def test_the_first_use_of_a_token_is_noted(database: Database, http: Http, admin: Http, clock: FakeClock) -> None:
    client_id = create_client(database)
    secret = create_client_token(database, client_id)
    clock.advance(7)

    http.as_(secret).get("/api/client/validate")

    (listed,) = admin.get(TOKENS, client_id=client_id).json["items"]
    assert listed["first_used_at"] == "2026-01-01T00:00:07Z"


def test_a_token_costs_one_select_when_cold_and_none_when_warm(database: Database, http: Http, context: AppContext) -> None:
    secret = create_admin_token(database)

    for _ in range(3):
        http.as_(secret).get("/api/client/validate")

    sample = context.metrics.registry.get_sample_value
    assert (sample("spot_token_lookups_total", {"source": "database"}), sample("spot_token_lookups_total", {"source": "cache"})) == (1, 2)


def test_only_the_unused_tokens_of_one_instance_can_be_revoked(database: Database, http: Http, clock: FakeClock) -> None:
    client_id = create_client(database)
    used, unused, other = (create_agent_token(database, client_id, "a-1", instance) for instance in ("i-1", "i-1", "i-2"))
    http.as_(used).get("/api/agents/a-1/pending-commands")

    count = database.write(lambda tx: revoke_agent_tokens(tx, "a-1", instance_id="i-1", only_unused=True))

    statuses = [http.as_(token).get("/api/agents/a-1/pending-commands").status for token in (used, unused, other)]
    assert (count, statuses) == (1, [200, 401, 200])


def test_a_client_is_made_and_listed_by_name(admin: Http) -> None:
    for name in ("zeta", "acme"):
        admin.post(CLIENTS, {"name": name, "time_zone": "Europe/Berlin"})

    listed = admin.get(CLIENTS).json["items"]

    assert [(client["name"], client["time_zone"]) for client in listed] == [("acme", "Europe/Berlin"), ("zeta", "Europe/Berlin")]


def test_two_clients_cannot_have_one_name(admin: Http) -> None:
    admin.post(CLIENTS, {"name": "acme"})

    again = admin.post(CLIENTS, {"name": "acme"})

    assert (again.status, again.slug, again.json["detail"]) == (409, "state-conflict", "there is already a client named 'acme'")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 129},
        {"name": "a\x00b"},
        {"name": "a", "time_zone": "Mars/Base"},
        {"name": "a", "aws_role_arn": "arn:x"},
    ],
)
def test_a_client_that_makes_no_sense_is_refused(admin: Http, body: dict[str, Any]) -> None:
    assert (admin.post(CLIENTS, body).status, admin.get(CLIENTS).json["items"]) == (422, [])
