"""The health page: every part with its own status, the whole as well as its worst part."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from server_support.builders import create_admin_token
from server_support.fleet import Fleet
from server_support.http import Http
from spot_server.db.runner import Database
from spot_server.db.tables import agents
from spot_server.features.health.rules import Health, judge_agents, judge_commands, judge_database, judge_lease, judge_room, worst
from spot_server.jobs.lease import Lease


@pytest.fixture
def admin(database: Database, http: Http) -> Http:
    return http.as_(create_admin_token(database))


def health(admin: Http) -> dict[str, Any]:
    answer: dict[str, Any] = admin.get("/api/admin/system-health").json
    return answer


def test_without_jobs_the_server_is_failing(admin: Http) -> None:
    seen = health(admin)

    assert (seen["status"], seen["jobs"], seen["database"]["status"]) == (
        "failing",
        {"status": "failing", "holder": None, "epoch": None, "lease_seconds_left": None},
        "ok",
    )


def test_with_a_jobs_process_and_agents_online_all_is_well(database: Database, admin: Http) -> None:
    Fleet.on(database).agent("web-1")
    Lease(database, holder="jobs-1", duration_seconds=10).acquire()

    seen = health(admin)

    assert (seen["status"], seen["jobs"]["holder"], seen["agents"]) == ("ok", "jobs-1", {"status": "ok", "online": 1, "offline": 0})
    assert 0 < seen["jobs"]["lease_seconds_left"] <= 10


def test_a_silent_agent_degrades_the_whole(database: Database, admin: Http) -> None:
    fleet = Fleet.on(database)
    silent = fleet.agent("web-1")
    fleet.agent("web-2", instance_id="i-2")
    Lease(database, holder="jobs-1", duration_seconds=10).acquire()
    database.write(lambda tx: tx.execute(update(agents).where(agents.c.agent_id == silent.agent_id).values(is_offline=True)).rowcount)

    seen = health(admin)

    assert (seen["status"], seen["agents"]) == ("degraded", {"status": "degraded", "online": 1, "offline": 1})


def test_the_whole_is_as_well_as_its_worst_part() -> None:
    assert [worst([]), worst([Health.OK, Health.DEGRADED]), worst([Health.FAILING, Health.OK])] == [
        Health.OK,
        Health.DEGRADED,
        Health.FAILING,
    ]


@given(st.lists(st.sampled_from(Health), min_size=1), st.sampled_from(Health))
def test_another_part_never_makes_the_whole_look_better(parts: list[Health], another: Health) -> None:
    order = [Health.OK, Health.DEGRADED, Health.FAILING]

    assert order.index(worst([*parts, another])) >= order.index(worst(parts))


def test_each_part_is_judged_by_its_figure() -> None:
    assert [judge_database(None), judge_database(1000.0), judge_database(1.0)] == [Health.FAILING, Health.DEGRADED, Health.OK]
    assert [judge_lease(None), judge_lease(-0.1), judge_lease(3.0)] == [Health.FAILING, Health.FAILING, Health.OK]
    assert [judge_agents(0, 0), judge_agents(0, 2), judge_agents(0, 1)] == [Health.OK, Health.FAILING, Health.DEGRADED]
    assert [judge_commands(None, 30), judge_commands(31, 30), judge_commands(29, 30)] == [Health.OK, Health.DEGRADED, Health.OK]
    assert [judge_room(0, 0), judge_room(4, 4), judge_room(3, 4)] == [Health.DEGRADED, Health.DEGRADED, Health.OK]


def test_the_metrics_page_needs_no_token_and_tells_of_no_client(database: Database, http: Http, admin: Http) -> None:
    fleet = Fleet.on(database)
    health(admin)

    answer = http.get("/metrics")

    assert answer.status == 200
    assert 'spot_http_requests_total{endpoint="system_health.system"' in answer.text
    assert fleet.client_id not in answer.text
