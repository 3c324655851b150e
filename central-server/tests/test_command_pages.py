"""The pages through which daemons get commands and answer them, down to the rows."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.http import Http
from server_support.tenants import Tenant, create_tenant
from spot_server.db.runner import Database
from spot_server.db.tables import commands
from spot_server.features.commands.ledger import NewCommand, issue
from spot_server.http.context import AppContext
from spot_server.http.poller import Poller
from spot_server.words import CommandKind, CommandStatus, TokenKind

LONG_SECONDS = 30.0


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return create_tenant(database, "i-1")


@pytest.fixture
def daemon(http: Http, tenant: Tenant) -> Http:
    return http.as_(tenant.tokens[TokenKind.AGENT])


@pytest.fixture
def poller(context: AppContext) -> Poller:
    return Poller(context, period_seconds=0.25)


def issue_command(database: Database, tenant: Tenant, **changes: Any) -> str:
    members = {
        "client_id": tenant.client_id,
        "agent_id": tenant.agent_id,
        "instance_id": tenant.instance_id,
        "request_id": str(uuid.uuid4()),
        "kind": CommandKind.STANDBY_CHECK,
        "priority": 50,
        "epoch": 1,
    }
    return database.write(lambda tx: issue(tx, NewCommand(**{**members, **changes})))


def pending(tenant: Tenant) -> str:
    return f"/api/agents/{tenant.agent_id}/pending-commands"


def outcome(request_id: str, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"request_id": request_id, "outcome": "succeeded", "error": None, "result": {}}
    return {**base, "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:01Z", **changes}


def status_of(database: Database, command_id: str) -> CommandStatus:
    statement = select(commands.c.status).where(commands.c.command_id == command_id)
    return database.read(lambda tx: CommandStatus(tx.execute(statement).scalar_one()))


def test_a_daemon_is_given_its_commands_the_most_urgent_first(database: Database, daemon: Http, tenant: Tenant) -> None:
    issue_command(database, tenant, priority=25, request_id="late")
    issue_command(database, tenant, priority=100, request_id="urgent", payload={"bound_seconds": 5})

    answer = daemon.get(pending(tenant))

    assert [command["request_id"] for command in answer.json["commands"]] == ["urgent", "late"]
    assert answer.json["commands"][0]["payload"] == {"bound_seconds": 5}
    assert answer.json["wait_seconds"] == 50


def test_a_command_is_given_again_only_when_its_answer_is_overdue(
    database: Database, daemon: Http, tenant: Tenant, clock: FakeClock
) -> None:
    issue_command(database, tenant)
    first = daemon.get(pending(tenant)).json["commands"]
    clock.advance(4.9)
    second = daemon.get(pending(tenant)).json["commands"]
    clock.advance(0.2)

    third = daemon.get(pending(tenant)).json["commands"]

    assert (len(first), len(second), third) == (1, 0, first)


def test_a_command_wakes_the_daemon_that_waits_for_it(
    database: Database, daemon: Http, tenant: Tenant, poller: Poller, context: AppContext
) -> None:
    poller.step()
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(daemon.get(pending(tenant), wait=LONG_SECONDS).json))
    thread.start()
    while context.waiting_room.occupied == 0:
        thread.join(0.01)

    command_id = issue_command(database, tenant)
    poller.step()

    thread.join(LONG_SECONDS)
    assert [command["command_id"] for command in answers[0]["commands"]] == [command_id]


def test_an_answer_closes_the_command_and_the_same_answer_again_is_fine(database: Database, daemon: Http, tenant: Tenant) -> None:
    command_id = issue_command(database, tenant, request_id="r-1")
    path = f"/api/agents/{tenant.agent_id}/commands/{command_id}/executed"

    first, again = daemon.post(path, outcome("r-1")), daemon.post(path, outcome("r-1"))

    assert (first.status, first.json) == (200, {"recorded": True, "status": "succeeded"})
    assert (again.status, again.json) == (200, first.json)
    assert daemon.get(pending(tenant)).json["commands"] == []


def test_another_answer_to_the_same_command_is_a_conflict(database: Database, daemon: Http, tenant: Tenant) -> None:
    command_id = issue_command(database, tenant, request_id="r-1")
    path = f"/api/agents/{tenant.agent_id}/commands/{command_id}/executed"
    daemon.post(path, outcome("r-1"))

    failed = outcome("r-1", outcome="failed", error={"class": "capacity", "code": "InsufficientInstanceCapacity", "message": None})

    assert (daemon.post(path, failed).slug, status_of(database, command_id)) == ("outcome-differs", CommandStatus.SUCCEEDED)


def test_a_daemon_cannot_answer_for_another_agent(database: Database, http: Http, daemon: Http, tenant: Tenant) -> None:
    other = create_tenant(database, "i-2")
    command_id = issue_command(database, other, request_id="r-1")

    answer = daemon.post(f"/api/agents/{tenant.agent_id}/commands/{command_id}/executed", outcome("r-1"))

    assert (answer.status, status_of(database, command_id)) == (404, CommandStatus.QUEUED)


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "nan", "inf"])
def test_a_wait_that_makes_no_sense_is_refused(daemon: Http, tenant: Tenant, wait: str) -> None:
    assert daemon.get(pending(tenant), wait=wait).status == 422


def test_fields_that_the_server_does_not_know_are_ignored_and_counted(
    database: Database, daemon: Http, tenant: Tenant, context: AppContext
) -> None:
    command_id = issue_command(database, tenant, request_id="r-1")

    answer = daemon.post(f"/api/agents/{tenant.agent_id}/commands/{command_id}/executed", outcome("r-1", mood="fine"))

    assert (answer.status, context.metrics.registry.get_sample_value("spot_unknown_fields_total")) == (200, 1)
