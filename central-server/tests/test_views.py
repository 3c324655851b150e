"""The views for operators: made by the migration as the code says them, right on each database, and read through pages."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, inspect, text, update

from server_support.builders import create_client, create_client_token
from server_support.counting import counted
from server_support.fleet import Fleet
from server_support.http import Http
from spot_server.db.runner import Database
from spot_server.db.tables import agents, spot_interruption_events, switch_steps, switches
from spot_server.db.views import VIEWS, view_metadata
from spot_server.features.agents.queries import Agent
from spot_server.jobs.lease import database_now
from spot_server.words import InterruptionKind, Mode, StepName, StepStatus, SwitchStatus, SwitchTrigger

MIGRATIONS = Path(__file__).parents[2] / "database" / "versions"
STEPS = ((StepName.IMAGE, 40.0), (StepName.LAUNCH, 2.5), (StepName.START, 1.25))


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


@pytest.fixture
def present(database: Database) -> datetime:
    """The views go by the database's own clock, and so do these tests."""
    return database.read(database_now)


@pytest.fixture
def get(http: Http, fleet: Fleet) -> Callable[..., Any]:
    client = http.as_(create_client_token(fleet.database, fleet.client_id))
    return lambda path, **query: client.get(f"/api/client/{fleet.client_id}{path}", **query)


def add_switch(fleet: Fleet, agent: Agent, name: str, completed_at: datetime, *, downtime_ms: int | None = 1500, **changes: Any) -> None:
    """A move that ended then, with three steps."""
    begun_at = completed_at - timedelta(seconds=60)
    side = {"from_instance_id": "i-1", "from_instance_type": "m5.large", "from_az_id": "use1-az1", "from_mode": Mode.SPOT}
    keys = {"switch_id": name, "client_id": fleet.client_id, "agent_id": agent.agent_id, "request_id": name}
    values = {
        "trigger": SwitchTrigger.MANUAL,
        "status": SwitchStatus.COMPLETED,
        "initiated_by": "tester",
        "carry": agent.carry,
        "traffic_handles": [],
        "epoch_before": 1,
        "initiated_at": begun_at,
        "completed_at": completed_at,
        "downtime_ms": downtime_ms,
        "timing": {},
    }
    fleet.execute(insert(switches).values({**keys, **side, **values, **changes}))
    for position, (step, seconds) in enumerate(STEPS):
        times = {"intent_at": begun_at, "finished_at": begun_at + timedelta(seconds=seconds)}
        fleet.execute(insert(switch_steps).values(switch_id=name, position=position, name=step, status=StepStatus.DONE, **times))


def add_interruption(fleet: Fleet, agent: Agent, name: str, received_at: datetime, **changes: Any) -> None:
    place = {"region": "us-east-1", "az_id": "use1-az1", "instance_type": "m5.large"}
    values = {
        "event_id": name,
        "client_id": fleet.client_id,
        "agent_id": agent.agent_id,
        "notice_id": name,
        "instance_id": "i-1",
        "kind": InterruptionKind.TERMINATE,
        "instance_role": "PRIMARY",
        "detected_at": received_at,
        "received_at": received_at,
        "response": "handover",
    }
    fleet.execute(insert(spot_interruption_events).values({**place, **values, **changes}))


def grown(fleet: Fleet, born_at: datetime) -> Agent:
    """An agent that has lived since then."""
    agent = fleet.agent()
    fleet.execute(update(agents).where(agents.c.agent_id == agent.agent_id).values(created_at=born_at))
    return agent


def test_the_migration_makes_the_views_with_the_columns_that_the_code_reads(engine: Engine) -> None:
    found = inspect(engine)

    assert set(found.get_view_names()) == {view.name for view in VIEWS} == set(view_metadata.tables)
    for view in VIEWS:
        assert [column["name"] for column in found.get_columns(view.name)] == [
            column.name for column in view_metadata.tables[view.name].columns
        ]


def test_the_migration_says_them_as_the_code_does_today() -> None:
    (migration,) = MIGRATIONS.glob("0001_*.py")
    frozen: dict[str, Any] = runpy.run_path(str(migration))["VIEWS"]

    assert frozen == {dialect: {view.name: view.create(dialect) for view in VIEWS} for dialect in ("sqlite", "mysql")}


def test_uptime_is_what_no_move_held_down_of_thirty_days(fleet: Fleet, present: datetime, get: Callable[..., Any]) -> None:
    agent = grown(fleet, present - timedelta(days=100))
    add_switch(fleet, agent, "s-1", present - timedelta(days=2), downtime_ms=2_592_000)
    add_switch(fleet, agent, "s-2", present - timedelta(days=40), downtime_ms=9_000_000)
    add_interruption(fleet, agent, "e-1", present - timedelta(days=1))
    add_interruption(fleet, agent, "e-2", present - timedelta(days=1), kind=InterruptionKind.REBALANCE)

    (row,) = get("/analytics/agent-health").json["items"]

    assert (row["agent_id"], row["logical_agent_id"], row["primary_instance_id"]) == (agent.agent_id, "web-1", "i-1")
    assert (row["lived_seconds"], row["downtime_seconds"]) == (2_592_000.0, 2592.0)
    assert row["uptime_percent"] == pytest.approx(99.9, abs=0.0001)
    assert (row["switch_count"], row["interruption_count"], row["ready_replica_count"]) == (1, 1, 0)


def test_a_young_agent_is_judged_by_its_own_life(fleet: Fleet, present: datetime, get: Callable[..., Any]) -> None:
    agent = grown(fleet, present - timedelta(hours=10))
    add_switch(fleet, agent, "s-1", present - timedelta(hours=1), downtime_ms=360_000)

    (row,) = get("/analytics/agent-health").json["items"]

    assert row["lived_seconds"] == pytest.approx(36_000, abs=120)
    assert row["uptime_percent"] == pytest.approx(99, abs=0.01)


def test_deleted_agents_are_not_judged_and_pages_go_on(fleet: Fleet, get: Callable[..., Any]) -> None:
    living = {fleet.agent(f"web-{number}", instance_id=f"i-{number}").agent_id for number in range(3)}
    fleet.delete(fleet.agent("gone", instance_id="i-gone"))

    first = get("/analytics/agent-health", limit=2).json
    second = get("/analytics/agent-health", limit=2, cursor=first["next_cursor"]).json

    assert {row["agent_id"] for row in [*first["items"], *second["items"]]} == living
    assert (len(first["items"]), second["next_cursor"]) == (2, None)


def test_the_moves_of_a_day_are_shown_with_what_each_step_took(fleet: Fleet, present: datetime, get: Callable[..., Any]) -> None:
    agent = grown(fleet, present - timedelta(days=100))
    add_switch(fleet, agent, "s-new", present - timedelta(hours=1))
    add_switch(fleet, agent, "s-undone", present - timedelta(hours=2), status=SwitchStatus.ROLLED_BACK, downtime_ms=None)
    add_switch(fleet, agent, "s-old", present - timedelta(hours=25))

    moves = get("/analytics/switch-performance").json["items"]

    assert [(move["switch_id"], move["downtime_seconds"]) for move in moves] == [("s-new", 1.5), ("s-undone", None)]
    assert moves[0]["total_seconds"] == 60
    assert [(step["step"], step["seconds"]) for step in moves[0]["steps"]] == [
        (name, pytest.approx(seconds, abs=0.001)) for name, seconds in STEPS
    ]


def test_interruptions_are_counted_by_day_and_kind(fleet: Fleet, get: Callable[..., Any]) -> None:
    agent = fleet.agent()
    noon = datetime.fromisoformat("2025-12-20T12:00:00+00:00")
    add_interruption(fleet, agent, "e-1", noon, switch_id="s-1")
    add_interruption(fleet, agent, "e-2", noon + timedelta(hours=11), replica_id="r-1")
    add_interruption(fleet, agent, "e-3", noon + timedelta(hours=12), kind=InterruptionKind.LOSS, game_day_id="g-1")

    shown = get("/analytics/emergency-events").json

    assert [(row["day"], row["kind"], row["event_count"]) for row in shown["items"]] == [
        ("2025-12-21", "loss", 1),
        ("2025-12-20", "terminate", 2),
    ]
    assert [(row["switch_count"], row["replica_count"], row["played_count"]) for row in shown["items"]] == [(0, 0, 1), (1, 1, 0)]
    assert get("/analytics/emergency-events", since="2025-12-21").json["items"] == shown["items"][:1]


def test_what_was_taken_is_counted_by_pool_weekday_and_hour_of_the_clients_zone(fleet: Fleet, get: Callable[..., Any]) -> None:
    agent = fleet.agent()
    sunday_late = datetime.fromisoformat("2025-12-21T23:30:00+00:00")
    fleet.execute(text("UPDATE clients SET time_zone = 'Asia/Tokyo'"))
    add_interruption(fleet, agent, "e-1", sunday_late)
    add_interruption(fleet, agent, "e-2", sunday_late + timedelta(days=1), kind=InterruptionKind.LOSS)
    add_interruption(fleet, agent, "e-3", sunday_late, az_id="use1-az2")
    add_interruption(fleet, agent, "e-4", sunday_late, kind=InterruptionKind.REBALANCE)
    add_interruption(fleet, agent, "e-5", sunday_late, game_day_id="g-1")

    shown = get("/interruptions/history").json

    first, second = shown["items"]
    assert (shown["time_zone"], first["az_id"], first["count"], second["az_id"]) == ("Asia/Tokyo", "use1-az1", 2, "use1-az2")
    assert first["by_weekday"] == [1, 1, 0, 0, 0, 0, 0]
    assert {hour: count for hour, count in enumerate(first["by_hour"]) if count} == {8: 2}


@pytest.mark.parametrize("page", ["/analytics/emergency-events", "/interruptions/history"])
@pytest.mark.parametrize(
    "query",
    [
        {"since": "2030-01-01"},
        {"since": "2020-01-01"},
        {"until": "tomorrow"},
        {"until": "20260101"},
        {"until": "0001-01-01"},
        {"since": "0001-01-01", "until": "0001-01-02"},
        {"until": "2008-12-31"},
    ],
)
def test_a_bad_time_is_refused(get: Callable[..., Any], fleet: Fleet, page: str, query: dict[str, str]) -> None:
    # East of Greenwich the year 1 begins before the first moment that there is in UTC.
    fleet.execute(text("UPDATE clients SET time_zone = 'Europe/Berlin'"))

    answer = get(page, **query)

    assert answer.status == 422
    assert answer.json["errors"][0]["field"] in query


def test_another_client_sees_none_of_it(http: Http, fleet: Fleet, present: datetime) -> None:
    agent = fleet.agent()
    add_switch(fleet, agent, "s-1", present)
    add_interruption(fleet, agent, "e-1", present - timedelta(days=400))
    other = create_client(fleet.database)
    client = http.as_(create_client_token(fleet.database, other))

    pages = ("/analytics/agent-health", "/analytics/switch-performance", "/analytics/emergency-events", "/interruptions/history")
    assert [client.get(f"/api/client/{other}{page}").json["items"] for page in pages] == [[]] * 4


def test_each_page_costs_the_same_for_one_agent_and_for_many(
    fleet: Fleet, engine: Engine, get: Callable[..., Any], present: datetime
) -> None:
    def cost() -> int:
        with counted(engine) as found:
            for page in ("/analytics/agent-health", "/analytics/switch-performance", "/interruptions/history"):
                assert get(page).status == 200
        return found.statements

    add_switch(fleet, fleet.agent(), "s-0", present)
    get("/analytics/agent-health")
    few = cost()
    for number in range(1, 6):
        add_switch(fleet, fleet.agent(f"web-{number}", instance_id=f"i-{number}"), f"s-{number}", present)

    assert cost() == few
