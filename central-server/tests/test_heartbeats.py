"""Heartbeats: what they store, what they cost, and what silence means."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select

from server_support.clock import START, FakeClock
from server_support.fleet import Fleet
from spot_server.db.runner import Database
from spot_server.db.tables import events, notifications
from spot_server.errors import NotFound
from spot_server.features.agents.queries import Agent
from spot_server.features.heartbeats.rules import Grace, Offline, judge_silence
from spot_server.features.heartbeats.service import (
    Heartbeat,
    HeartbeatAnswer,
    mark_offline,
    record_heartbeat,
    warn_of_odd_instances,
)
from spot_server.words import InstanceStatus, Mode, Role

BEAT = Heartbeat(
    epoch=1,
    serving=True,
    quiesced=False,
    mode=Mode.SPOT,
    daemon_version="0.1.0",
    sent_at=START,
    settings={},
    metadata_failures=0,
    unknown_fields=0,
    resources={},
)


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


def beat(fleet: Fleet, agent: Agent, instance_id: str = "i-1", **changes: Any) -> HeartbeatAnswer:
    heartbeat = replace(BEAT, **changes)
    return fleet.database.write(lambda tx: record_heartbeat(tx, agent.agent_id, instance_id, heartbeat))


def told(fleet: Fleet) -> list[str]:
    return fleet.database.read(lambda tx: list(tx.execute(select(notifications.c.kind)).scalars()))


@pytest.mark.parametrize("cpu_busy_ratio", [None, 0.25])
def test_a_heartbeat_takes_two_statements(fleet: Fleet, engine: Engine, cpu_busy_ratio: float | None) -> None:
    agent = fleet.agent()
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    beat(fleet, agent, cpu_busy_ratio=cpu_busy_ratio)

    counted = [statement.split()[0] for statement in statements if not statement.startswith("BEGIN")]
    assert counted == ["UPDATE", "SELECT"]


def test_a_heartbeat_stores_what_the_daemon_sees_and_leaves_role_and_version_alone(fleet: Fleet, clock: FakeClock) -> None:
    agent = fleet.agent()
    before = fleet.instance(agent, "i-1")
    clock.advance(30)

    beat(fleet, agent, serving=False, metadata_failures=3, sent_at=clock.now())

    after = fleet.instance(agent, "i-1")
    assert (after.serving, after.metadata_failures, after.last_heartbeat_at) == (False, 3, clock.now())
    assert (after.role, after.version) == (before.role, before.version)


def test_a_daemon_that_does_not_say_whether_it_is_quiesced_leaves_standing_what_was_known(fleet: Fleet) -> None:
    agent = fleet.agent()
    unknown = fleet.instance(agent, "i-1").quiesced
    beat(fleet, agent, quiesced=True)

    beat(fleet, agent, quiesced=None)

    assert (unknown, fleet.instance(agent, "i-1").quiesced) == (None, True)


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.ZOMBIE, InstanceStatus.ZOMBIE), (Role.TERMINATED, InstanceStatus.TERMINATED), (Role.REPLICA, InstanceStatus.RUNNING_REPLICA)],
)
def test_an_instance_in_any_role_gets_an_answer(fleet: Fleet, role: Role, status: InstanceStatus) -> None:
    agent = fleet.agent()
    fleet.set_role(agent, "i-1", role)

    answer = beat(fleet, agent)

    assert (answer.instance_status, answer.is_primary) == (status, False)


def test_an_instance_that_the_agent_never_had_is_not_found(fleet: Fleet) -> None:
    agent = fleet.agent()

    with pytest.raises(NotFound):
        beat(fleet, agent, "i-9")


def test_a_waiting_command_shows_in_the_answer_of_its_instance_only(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.launched_replica(agent)
    fleet.add_instance(agent, "i-3")

    answers = [beat(fleet, agent, name).commands_waiting for name in ("i-1", "i-3")]

    assert answers == [True, False]


def test_five_silent_minutes_mark_an_agent_offline_once_and_do_nothing_to_its_instance(fleet: Fleet, clock: FakeClock) -> None:
    agent = fleet.agent()

    early = fleet.mark_offline_after(clock, 299)
    late = fleet.mark_offline_after(clock, 2)
    again = fleet.mark_offline_after(clock, 60)

    assert (early, late, again) == (0, 1, 0)
    assert fleet.reload(agent).is_offline
    assert fleet.roles(agent) == {"i-1": Role.PRIMARY}
    assert told(fleet).count("agent_offline") == 1


def test_nobody_is_offline_before_the_server_itself_has_listened_long_enough(fleet: Fleet, clock: FakeClock) -> None:
    fleet.agent()
    clock.advance(3600)
    started_at = clock.now()

    at_once = fleet.database.write(lambda tx: mark_offline(tx, started_at, offline_after_seconds=300))
    clock.advance(300)
    later = fleet.database.write(lambda tx: mark_offline(tx, started_at, offline_after_seconds=300))

    assert (at_once, later) == (0, 1)


def test_each_silence_is_told_and_each_return(fleet: Fleet, clock: FakeClock) -> None:
    agent = fleet.agent()
    for _ in range(2):
        fleet.mark_offline_after(clock, 301)
        beat(fleet, agent)

    kinds = told(fleet)

    assert (kinds.count("agent_offline"), kinds.count("agent_online")) == (2, 2)
    assert not fleet.reload(agent).is_offline
    stored = fleet.database.read(lambda tx: list(tx.execute(select(events.c.kind)).scalars()))
    assert stored.count("agent_online") == 2


def test_a_deleted_agent_is_never_marked_offline(fleet: Fleet, clock: FakeClock) -> None:
    fleet.delete(fleet.agent())

    assert fleet.mark_offline_after(clock, 3600) == 0


def test_a_wrong_clock_and_an_unknown_mode_are_told_once(fleet: Fleet) -> None:
    agent = fleet.agent()
    beat(fleet, agent, mode=Mode.UNKNOWN, sent_at=START - timedelta(seconds=301))

    counts = [fleet.database.write(lambda tx: warn_of_odd_instances(tx, heard_within_seconds=120)) for _ in range(2)]

    assert counts == [2, 0]
    assert {"clock_skew", "mode_unknown"} <= set(told(fleet))
    assert fleet.instance(agent, "i-1").clock_skew_seconds == pytest.approx(-301)


def test_heartbeats_of_many_instances_at_once_all_count(fleet: Fleet) -> None:
    agents = [fleet.agent(f"web-{number}", instance_id=f"i-{number}") for number in range(4)]
    answers: list[HeartbeatAnswer] = []

    def keep_beating(number: int) -> None:
        answers.extend(beat(fleet, agents[number], f"i-{number}") for _ in range(5))

    threads = [threading.Thread(target=keep_beating, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 20


@given(listened_seconds=st.integers(0, 10_000), patience_seconds=st.integers(1, 5_000))
def test_silence_counts_only_as_far_as_the_server_was_there_to_hear(listened_seconds: int, patience_seconds: int) -> None:
    since = START
    now = since + timedelta(seconds=listened_seconds)

    verdict = judge_silence(now, since, offline_after_seconds=patience_seconds)

    match verdict:
        case Grace(until=until):
            assert until > now
        case Offline(cutoff=cutoff):
            assert since <= cutoff <= now
