"""The account over HTTP: reports as JSON and CSV, a day down to its prices, settings, and what is refused."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from server_support.builders import create_client, create_client_token
from server_support.clock import FakeClock
from server_support.http import Http
from server_support.savings import CATALOGUE, ON_DEMAND, SPOT, Account
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs
from spot_server.features.agents.queries import Agent
from spot_server.http.context import AppContext


@pytest.fixture
def context(context: AppContext) -> AppContext:
    return replace(context, on_demand=CATALOGUE)


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


@pytest.fixture
def agent(account: Account) -> Agent:
    """Two days in the books, and a quarter of a third."""
    made = account.agent()
    account.passes(2.25)
    account.keep()
    return made


@pytest.fixture
def client(http: Http, account: Account) -> Http:
    return http.as_(create_client_token(account.database, account.fleet.client_id))


def path(account: Account, rest: str = "") -> str:
    return f"/api/client/{account.fleet.client_id}{rest}"


@pytest.mark.usefixtures("agent")
def test_a_report_shows_each_day_the_total_and_the_projection(client: Http, account: Account) -> None:
    answer = client.get(path(account, "/savings"))

    shown = answer.json
    assert answer.status == 200
    assert [(row["period"], row["totals"]["paid_usd"]) for row in shown["items"]] == [
        ("2026-01-01", "0.96"),
        ("2026-01-02", "0.96"),
        ("2026-01-03", "0.24"),
    ]
    assert (shown["since"], shown["until"], shown["today"]) == ("2026-01-01", "2026-01-03", "2026-01-03")
    assert (shown["total"]["paid_usd"], shown["total"]["saved_usd"]) == ("2.16", "3.024")
    assert shown["total"]["saved_ratio"] == pytest.approx(1 - float(SPOT / ON_DEMAND), abs=1e-6)
    assert shown["projection"]["basis_days"] == 2
    assert ([row["is_complete"] for row in shown["items"]], shown["is_complete"]) == ([True, True, False], False)
    assert (shown["time_zone"], shown["on_demand_discount_ratio"]) == ("UTC", "0")


@pytest.mark.usefixtures("agent")
def test_today_is_the_same_for_all_who_look_within_a_minute(client: Http, account: Account, clock: FakeClock) -> None:
    first = client.get(path(account, "/savings")).json
    clock.advance(59)
    second = client.get(path(account, "/savings")).json
    clock.advance(1)
    third = client.get(path(account, "/savings")).json

    assert first["total"] == second["total"]
    assert first["computed_at"] < second["computed_at"]
    assert Decimal(third["total"]["paid_usd"]) > Decimal(second["total"]["paid_usd"])


@pytest.mark.usefixtures("agent")
def test_a_csv_adds_up_to_the_total(client: Http, account: Account) -> None:
    answer = client.get(path(account, "/savings"), format="csv", by="agent")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    total = client.get(path(account, "/savings")).json["total"]
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="savings-2026-01-01-2026-01-03.csv"'
    assert [row["logical_agent_id"] for row in rows] == ["web-1"] * 3
    assert [row["is_complete"] for row in rows] == ["true", "true", "false"]
    for name in ("paid_usd", "on_demand_usd", "saved_usd"):
        assert sum(Decimal(row[name]) for row in rows) == Decimal(total[name])


def test_a_name_that_is_a_formula_is_no_formula_in_a_spreadsheet(client: Http, account: Account) -> None:
    account.agent("=cmd")
    account.passes(0.5)

    answer = client.get(path(account, "/savings"), format="csv", by="agent")

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["logical_agent_id"] == "'=cmd"


def test_a_day_shows_every_hour_with_its_price_and_who_saw_it(client: Http, account: Account, agent: Agent) -> None:
    shown = client.get(path(account, f"/agents/{agent.agent_id}/savings/2026-01-02")).json

    primary = [line for line in shown["lines"] if line["purpose"] == "primary"]
    compared = [line for line in shown["lines"] if line["purpose"] == "comparison"]
    assert sum(Decimal(line["usd"]) for line in primary) == Decimal(shown["totals"]["paid_usd"])
    assert sum(Decimal(line["usd"]) for line in compared) == Decimal(shown["totals"]["on_demand_usd"])
    assert {(line["price_source"], line["price_effective_at"]) for line in primary} == {("primary", "2026-01-01T00:00:00Z")}
    assert {line["price_source"] for line in compared} == {"catalogue"}
    assert (shown["since"], shown["until"], shown["is_final"]) == ("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", False)


def test_today_is_shown_with_its_lines(client: Http, account: Account, agent: Agent) -> None:
    shown = client.get(path(account, f"/agents/{agent.agent_id}/savings/2026-01-03")).json

    assert len([line for line in shown["lines"] if line["purpose"] == "primary"]) == 6


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"since": "2026-02-01"}, "since", "a day up to today"),
        ({"since": "2026-01-01", "until": "2025-12-31"}, "until", "a day from since"),
        ({"since": "2020-01-01"}, "since", "at most 366 days"),
        ({"since": "1990-01-01", "granularity": "year"}, "since", "at most 3660 days"),
        ({"since": "yesterday"}, "since", "a date such as 2026-01-05"),
        ({"since": "2026-1-1"}, "since", "a date such as 2026-01-05"),
        ({"granularity": "week"}, "granularity", "one of day, month, year"),
        ({"format": "xml"}, "format", "one of json, csv"),
        ({"by": "pool"}, "by", "one of client, agent"),
        ({"agent": "web-1"}, "agent", "not known"),
    ],
)
def test_a_bad_question_is_refused_with_the_field_and_what_would_be_right(
    client: Http, account: Account, query: dict[str, str], field: str, words: str
) -> None:
    answer = client.get(path(account, "/savings"), **query)

    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert words in answer.json["detail"]


@pytest.mark.parametrize(
    ("day", "status"),
    [
        ("2026-13-01", 422),
        ("today", 422),
        ("2027-01-01", 422),
        ("20260101", 422),
        ("2026-W01-4", 422),
        ("2026-1-1", 422),
        ("2025-12-31", 404),
        ("0001-01-01", 404),
    ],
)
def test_a_day_that_cannot_be_shown_is_told(client: Http, account: Account, agent: Agent, day: str, status: int) -> None:
    answer = client.get(path(account, f"/agents/{agent.agent_id}/savings/{day}"))

    assert answer.status == status
    assert day in answer.json["detail"]


def test_settings_are_changed_and_the_audit_log_says_by_whom(client: Http, account: Account) -> None:
    said = {"time_zone": "Europe/Berlin", "on_demand_discount_ratio": "0.28"}

    first, again = (client.post(path(account, "/savings/settings"), said) for _ in range(2))

    rows = account.fleet.scalars(select(audit_logs.c.post_state).where(audit_logs.c.action == "savings.settings_changed"))
    assert first.json == again.json == client.get(path(account, "/savings/settings")).json == said
    assert len(rows) == 1
    assert rows[0]["time_zone"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"time_zone": "Berlin"}, "time_zone"),
        ({"time_zone": None}, "time_zone"),
        ({"time_zone": "localtime"}, "time_zone"),
        ({"time_zone": "Factory"}, "time_zone"),
        ({"on_demand_discount_ratio": "1.5"}, "on_demand_discount_ratio"),
        ({"on_demand_discount_ratio": "-0.1"}, "on_demand_discount_ratio"),
        ({"on_demand_discount_ratio": 0.28}, "on_demand_discount_ratio"),
        ({"on_demand_discount_ratio": "0.1234567"}, "on_demand_discount_ratio"),
        ({"discount": "0.1"}, "discount"),
    ],
)
def test_a_bad_setting_is_refused_and_nothing_changes(client: Http, account: Account, body: dict[str, Any], field: str) -> None:
    answer = client.post(path(account, "/savings/settings"), body)

    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert client.get(path(account, "/savings/settings")).json == {"time_zone": "UTC", "on_demand_discount_ratio": "0"}


def test_another_clients_agent_is_not_found(http: Http, account: Account, agent: Agent) -> None:
    other = create_client(account.database)
    client = http.as_(create_client_token(account.database, other))

    answers = [
        client.get(f"/api/client/{other}/agents/{agent.agent_id}/savings/2026-01-01"),
        client.get(f"/api/client/{other}/savings", agent_id=agent.agent_id),
    ]

    assert [answer.status for answer in answers] == [404, 404]
    assert client.get(f"/api/client/{other}/savings").json["items"] == []
