"""Plans and claims over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from server_support.http import Http
from server_support.tenants import Tenant, create_tenant
from spot_server.db.runner import Database
from spot_server.db.tables import autonomy_plans, instances
from spot_server.words import TokenKind

BEAT = {"instance_id": "i-1", "epoch": 1, "mode": "spot", "daemon_version": "0.1.0", "settings": {}}
PLAN: dict[str, Any] = {
    "plan_id": "plan-1",
    "epoch": 2,
    "predecessor_instance_id": "i-1",
    "successor_instance_id": "i-2",
    "successor_replica_id": "r-2",
    "allocation_id": "eipalloc-1",
}


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return create_tenant(database, "i-1")


@pytest.fixture
def daemon(http: Http, tenant: Tenant) -> Http:
    return http.as_(tenant.tokens[TokenKind.AGENT])


def put_in_force(database: Database, tenant: Tenant, **changes: Any) -> None:
    keys = {"client_id": tenant.client_id, "agent_id": tenant.agent_id, "current_of": tenant.agent_id}
    database.write(lambda tx: tx.execute(insert(autonomy_plans).values(**keys, issued_at=tx.now, **{**PLAN, **changes})))


def acknowledged(database: Database) -> int | None:
    found: int | None = database.read(lambda tx: tx.execute(select(instances.c.acknowledged_config_version)).scalar_one())
    return found


def test_a_daemon_that_a_plan_names_reads_it_with_its_configuration(database: Database, daemon: Http, tenant: Tenant) -> None:
    path = f"/api/agents/{tenant.agent_id}/config"
    before = daemon.get(path).json["plan"]

    put_in_force(database, tenant)

    assert before is None
    assert daemon.get(path).json["plan"] == {**PLAN, "valid_seconds": 86_400}


def test_a_daemon_that_a_plan_does_not_name_reads_none(database: Database, daemon: Http, tenant: Tenant) -> None:
    put_in_force(database, tenant, predecessor_instance_id="i-8", successor_instance_id="i-9")

    assert daemon.get(f"/api/agents/{tenant.agent_id}/config").json["plan"] is None


def test_what_a_heartbeat_acknowledges_stands_until_another_says_more(database: Database, daemon: Http, tenant: Tenant) -> None:
    path = f"/api/agents/{tenant.agent_id}/heartbeat"
    before = acknowledged(database)

    daemon.post(path, {**BEAT, "config_version": 3})
    after = acknowledged(database)
    daemon.post(path, {**BEAT, "config_version": None})
    daemon.post(path, BEAT)

    assert (before, after, acknowledged(database)) == (None, 3, 3)


def test_a_claim_without_a_plan_is_refused_by_a_name_that_the_daemon_knows(daemon: Http, tenant: Tenant) -> None:
    body = {**PLAN, "claimed_at": "2026-01-01T00:00:00Z", "handed_over_at": None}

    answer = daemon.post(f"/api/agents/{tenant.agent_id}/replicas/r-2/promote", body)

    assert (answer.status, answer.slug, answer.json["epoch"]) == (409, "claim-refused", 1)
    assert "plan-1" in answer.json["detail"]
