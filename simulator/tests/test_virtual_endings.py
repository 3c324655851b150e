"""What never ends, what is wanted and not there, who is not told and what is lost: each is found, and what is right is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from spot_simulator.machine import Serving
from spot_simulator.virtual.database import stored
from spot_simulator.virtual.entropy import seeded_entropy
from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.image_losses import deregister_newest
from spot_simulator.virtual.invariants import Invariants
from spot_simulator.virtual.plants import planted
from spot_simulator.virtual.run import Result, play
from spot_simulator.virtual.schedule import AgentPlan, Event, Guards, Kind, Schedule
from spot_simulator.virtual.service_gaps import BOUND_SECONDS
from spot_simulator.virtual.silence import be_silent

pytestmark = pytest.mark.long

PLAN = AgentPlan(carry="stateless", is_on_spot=True, is_auto_terminated=True, keeps_standby=False, terminate_wait_seconds=300)
BY_IMAGE = replace(PLAN, carry="image_after_quiesce")
SWITCH = Event(610.0, Kind.SWITCH, 0, {"on_demand": False})
CANCELLED = Event(610.0, Kind.SWITCH_AND_CANCEL, 0, {"on_demand": False, "cancel_after_seconds": 20.0})
REBALANCE = Event(610.0, Kind.REBALANCE, 0)
KEEP, ONE_MORE = Event(610.0, Kind.KEEP_STANDBY, 0), Event(605.0, Kind.STANDBY_AND_PROMOTE, 0, {"promote_after_seconds": 90_000.0})
NOTICE = Event(1510.0, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "terminate"})
IMAGES_GONE = Event(1505.0, Kind.IMAGE_GONE, 0, {"count": 1000})
LOSS = Event(2500.0, Kind.LOSS, 0)


@pytest.fixture(autouse=True)
def silent() -> None:
    be_silent()


def schedule_of(*events: Event, plan: AgentPlan = PLAN, has_control_role: bool = False, seconds: float = 600.0) -> Schedule:
    return Schedule(3, has_control_role=has_control_role, agents=(plan,), events=events, eventful_seconds=seconds)


def names(result: Result) -> set[str]:
    return {violation.invariant for violation in result.violations}


@pytest.mark.parametrize(
    ("plant", "schedule", "invariant"),
    [
        ("never-retired", schedule_of(SWITCH), "everything-ends"),
        ("never-undone", schedule_of(CANCELLED), "everything-ends"),
        ("never-stands-down", schedule_of(REBALANCE), "everything-ends"),
        ("standbys-unmade", schedule_of(KEEP), "one-standby-where-wanted"),
        ("surplus-kept", schedule_of(ONE_MORE, KEEP, replace(ONE_MORE, at_seconds=620.0)), "one-standby-where-wanted"),
        ("losses-understated", schedule_of(LOSS, plan=BY_IMAGE, has_control_role=True, seconds=2400.0), "no-confirmed-write-is-lost"),
        ("given-up-silently", schedule_of(NOTICE, IMAGES_GONE, plan=BY_IMAGE, seconds=1500.0), "told-when-nobody-can-help"),
    ],
)
def test_a_defect_after_which_something_stays_as_it_is_is_found(plant: str, schedule: Schedule, invariant: str) -> None:
    with planted(plant):
        assert invariant in names(play(schedule))
    assert play(schedule).violations == ()


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with seeded_entropy(3):
        put_up = Fleet(3, (PLAN,), has_control_role=False)
        put_up.scheduler.run_until(300.0)
        yield put_up
        put_up.close()


def keep_standby(fleet: Fleet) -> None:
    """Have one kept, and ready."""
    body = {"request_id": "keep", "manual_replica_enabled": True, "replica_count": 1}

    def ask() -> None:
        fleet.operator.post(f"/agents/{fleet.agent_id(fleet.members[0])}/config", body)

    fleet.operator.begin(ask)
    fleet.scheduler.run_until(900.0)


def broken(fleet: Fleet) -> set[str]:
    return {violation.invariant for violation in Invariants(fleet).finally_()}


def copy_row(fleet: Fleet, table: str, **changes: object) -> None:
    """Insert the first row of a table once more, with other values in some columns."""
    raw = fleet.database.raw
    columns = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
    row: dict[str, Any] = dict(zip(columns, raw.execute(f"SELECT * FROM {table} LIMIT 1").fetchone(), strict=True))  # noqa: S608 - our own two
    row |= changes
    raw.execute(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in columns)})", tuple(row.values()))  # noqa: S608 - our own two


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("SELECT 1", set()),
        ("UPDATE replica_instances SET status = 'syncing'", {"everything-ends", "one-standby-where-wanted"}),
        ("UPDATE replica_instances SET status = 'terminated'", {"everything-ends", "one-standby-where-wanted"}),
        ("UPDATE replica_instances SET kind = 'emergency'", {"everything-ends", "one-standby-where-wanted"}),
        (
            "UPDATE replica_instances SET kind = 'emergency', hold_until = '2026-01-05 09:00:00.000000'",
            {"everything-ends", "one-standby-where-wanted"},
        ),
        ("UPDATE replica_instances SET status = 'promoted'", {"one-standby-where-wanted"}),
        ("UPDATE instances SET role = 'ZOMBIE' WHERE role = 'REPLICA'", {"everything-ends"}),
        ("UPDATE agents SET replica_count = 2", {"one-standby-where-wanted"}),
        ("UPDATE commands SET status = 'delivered' WHERE rowid = 1", {"everything-ends"}),
    ],
)
def test_what_is_open_in_the_rows_is_seen_and_a_standby_that_is_ready_is_not(fleet: Fleet, change: str, found: set[str]) -> None:
    keep_standby(fleet)
    fleet.scheduler.run_until(2400.0)

    fleet.database.raw.execute(change)

    assert broken(fleet) == found


def test_a_second_standby_is_one_too_many(fleet: Fleet) -> None:
    keep_standby(fleet)

    copy_row(fleet, "replica_instances", replica_id="other", request_id="other", nonce_sha256="other")

    assert broken(fleet) == {"one-standby-where-wanted"}


def test_a_standby_is_not_missed_whose_guard_holds_it_back_for_as_long_as_another_replica_lives(fleet: Fleet) -> None:
    keep_standby(fleet)
    fleet.database.raw.execute("UPDATE replica_instances SET kind = 'emergency'")
    assert "one-standby-where-wanted" in broken(fleet)

    fleet.server.settings = replace(fleet.server.settings, spending_replica_count=1)

    assert "one-standby-where-wanted" not in broken(fleet)


def test_a_standby_that_was_wanted_all_through_a_shortage_is_waited_for() -> None:
    """The pauses between two standbys that could not be launched are longer by then than quiet has to be."""
    ready: list[str] = []
    shortage = Event(605.0, Kind.NO_CAPACITY, 0, {"pools": 100, "for_seconds": 4000.0, "on_demand": True})

    result = play(
        schedule_of(shortage, KEEP, seconds=3000.0),
        look_at_end=lambda fleet: ready.extend(
            fleet.database.raw.execute("SELECT instance_id FROM replica_instances WHERE status = 'ready'")
        ),
    )

    assert result.violations == ()
    assert len(ready) == 1


def test_a_standby_that_a_guard_holds_back_for_an_hour_is_waited_for() -> None:
    ready: list[str] = []
    lost = replace(LOSS, at_seconds=1500.0)

    result = play(
        replace(schedule_of(KEEP, lost, has_control_role=True, seconds=1200.0), guards=Guards(1, 1, 0.1)),
        look_at_end=lambda fleet: ready.extend(
            fleet.database.raw.execute("SELECT instance_id FROM replica_instances WHERE status = 'ready'")
        ),
    )

    assert result.violations == ()
    assert len(ready) == 1


@pytest.mark.parametrize("has_control_role", [False, True])
def test_an_agent_that_no_image_brings_up_again_is_beyond_help_and_its_end_is_no_violation(has_control_role: bool) -> None:
    lost = replace(LOSS, at_seconds=1510.0)

    result = play(schedule_of(IMAGES_GONE, lost, plan=BY_IMAGE, has_control_role=has_control_role, seconds=1500.0))

    assert result.violations == ()
    assert result.beyond_help == 1


@pytest.fixture
def lost_fleet() -> Iterator[Fleet]:
    """One that nobody can help: its instance is lost, and so is every image of it."""
    with seeded_entropy(3):
        put_up = Fleet(3, (BY_IMAGE,), has_control_role=True)
        put_up.scheduler.run_until(1500.0)
        deregister_newest(put_up, put_up.members[0], 10)
        put_up.region.control.lose(put_up.members[0].first_instance_id)
        yield put_up
        put_up.close()


@pytest.mark.parametrize(
    ("kind", "ago_seconds", "is_told"),
    [
        ("switch_failed", 0.0, True),
        ("rescue_waits", 120.0, True),
        ("switch_failed", 1200.0, False),
        ("writes_lost", 0.0, False),
        ("spending_guard", 0.0, False),
    ],
)
def test_only_what_says_it_and_was_said_of_this_loss_tells_a_person(
    lost_fleet: Fleet, kind: str, ago_seconds: float, is_told: bool
) -> None:
    at = stored(lost_fleet.scheduler.now() - timedelta(seconds=ago_seconds))
    raw = lost_fleet.database.raw
    raw.execute(
        "INSERT INTO notifications (notification_id, client_id, agent_id, severity, kind, text, created_at)"
        " SELECT 'told', client_id, agent_id, 'critical', ?, '', ? FROM agents",
        (kind, at),
    )

    assert Invariants(lost_fleet).untold() == ([] if is_told else ["agent-0"])
    assert ("told-when-nobody-can-help" in broken(lost_fleet)) is not is_told


def test_two_that_serve_for_less_than_a_look_are_seen(fleet: Fleet) -> None:
    keep_standby(fleet)
    now, standby_id = fleet.scheduler.now(), fleet.database.raw.execute("SELECT instance_id FROM replica_instances").fetchone()[0]
    assert broken(fleet) == set()

    standby = fleet.region.machines.by_id[standby_id]
    standby.serving.append(Serving(now - timedelta(seconds=10.5), now - timedelta(seconds=10.25)))

    assert {violation.invariant for violation in Invariants(fleet).always()} == set()
    assert broken(fleet) == {"one-serves"}


@pytest.mark.parametrize(
    ("change", "is_known"),
    [
        ("SELECT 1", True),
        ("UPDATE switches SET loses_writes_since = initiated_at", False),
        ("UPDATE switch_steps SET status = 'undone' WHERE name = 'promote'", False),
        ("UPDATE switch_steps SET finished_at = NULL WHERE name = 'promote'", False),
        ("UPDATE switches SET loses_writes_since = NULL", False),
        ("DELETE FROM notifications", True),
    ],
)
def test_a_move_explains_the_loss_of_what_was_written_since_the_state_that_it_brought_and_no_other(change: str, is_known: bool) -> None:
    found: list[set[str]] = []

    def judge(fleet: Fleet) -> None:
        fleet.database.raw.execute(change)
        found.append(broken(fleet))

    result = play(schedule_of(LOSS, plan=BY_IMAGE, has_control_role=True, seconds=2400.0), look_at_end=judge)

    assert result.violations == ()
    assert result.moves == {"notice completed": 1}
    assert ("no-confirmed-write-is-lost" in found[0]) is not is_known


def test_what_stays_unserved_though_all_is_mended_is_seen_after_the_bound_and_not_before() -> None:
    found: dict[bool, set[str]] = {False: set(), True: set()}
    with seeded_entropy(3):
        fleet = Fleet(3, (PLAN,), has_control_role=True)
        fleet.scheduler.run_until(900.0)
        invariants = Invariants(fleet)
        fleet.server.go_down()  # whoever could help does not
        fleet.region.control.lose(fleet.members[0].first_instance_id)
        invariants.begin_bounds()

        for minute in range(int(BOUND_SECONDS / 60) + 3):
            fleet.scheduler.run_until(900.0 + 60.0 * minute)
            found[60.0 * minute > BOUND_SECONDS] |= {violation.invariant for violation in invariants.always()}
        fleet.close()

    assert (found[False], found[True]) == (set(), {"served-within-the-bound"})


def test_the_longest_time_without_service_is_measured() -> None:
    result = play(schedule_of(LOSS, has_control_role=True, seconds=2400.0))

    (outage,) = [seconds for of_move in result.figures.downtimes.values() for seconds in of_move]
    assert result.figures.longest_outage_seconds == outage
