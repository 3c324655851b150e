"""The notice path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_fakes.world import World, journal_of
from spot_agent.errors import ServerRefused, ServerUnreachable
from spot_agent.model import Role
from spot_agent.ports import Found, Unknown
from spot_agent.rules.notices import notice_id_of

ACTION = "meta-data/spot/instance-action"
REBALANCE = "meta-data/events/recommendations/rebalance"
SCHEDULED = "meta-data/events/maintenance/scheduled"
BODY = '{"action": "terminate", "time": "2026-01-01T00:02:00Z"}'


@pytest.fixture
def running(world: World) -> World:
    world.api.answers["termination-imminent"] = {"event_id": "e", "is_new": True, "response": "handover"}
    return world.registered()


def test_a_notice_is_told_at_once_with_the_hash_of_its_body(running: World) -> None:
    running.imds.readings[ACTION] = Found(BODY)

    running.step("notices")

    told = running.api.bodies("termination-imminent")
    assert told == [
        {
            "notice_id": notice_id_of("i-own", BODY),
            "instance_id": "i-own",
            "action": "terminate",
            "action_at": "2026-01-01T00:02:00Z",
            "detected_at": "2026-01-01T00:00:00Z",
            "source": "imds",
        }
    ]


def test_a_notice_that_stays_and_a_restart_make_one_report(running: World) -> None:
    running.imds.readings[ACTION] = Found(BODY)
    running.step("notices")
    running.step("notices")
    running.restart()
    running.boot()

    running.step("notices")

    assert len(running.api.bodies("termination-imminent")) == 1


def test_both_notices_in_one_look_are_both_told(running: World) -> None:
    running.imds.readings[ACTION] = Found(BODY)
    running.imds.readings[REBALANCE] = Found('{"noticeTime": "2026-01-01T00:00:00Z"}')

    running.step("notices")

    assert len(running.api.bodies("termination-imminent")) == 1
    assert len(running.api.bodies("rebalance-recommendation")) == 1


def test_three_tries_in_three_seconds_then_it_is_kept_and_retried(running: World) -> None:
    running.imds.readings[ACTION] = Found(BODY)
    running.api.failures["termination-imminent"] = [ServerUnreachable("down")] * 4
    running.step("notices")
    assert len(running.api.bodies("termination-imminent")) == 3
    assert running.clock.passed_seconds <= 3
    assert len(running.journal.read().unsent) == 1

    running.steps("notices", lambda: not running.journal.read().unsent)

    assert len({body["notice_id"] for body in running.api.bodies("termination-imminent")}) == 1


def test_a_kept_notice_goes_out_with_the_next_heartbeat_that_gets_through(running: World) -> None:
    running.imds.readings[ACTION] = Found(BODY)
    running.api.failures["termination-imminent"] = [ServerUnreachable("down")] * 3
    running.step("notices")

    running.step("heartbeat")

    assert running.journal.read().unsent == ()


def test_a_notice_before_the_registration_is_kept_for_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.boot()
    world.imds.readings[ACTION] = Found(BODY)
    world.step("notices")
    assert world.api.sent == []
    world.step("heartbeat")

    world.step("notices")

    assert len(world.api.bodies("termination-imminent")) == 1


@pytest.mark.parametrize("reading", [Unknown("ReadTimeout"), Found('{"action": "termi')])
def test_what_cannot_be_read_is_unknown_counted_and_read_again_soon(running: World, reading: Unknown | Found) -> None:
    running.imds.readings[ACTION] = reading

    delays = [running.step("notices") for _ in range(6)]

    assert max(delays) <= 10
    assert running.api.bodies("termination-imminent") == []
    assert "metadata_unknown" in running.lines.text
    if isinstance(reading, Unknown):
        assert running.live.read().metadata_failures == 6


def test_one_endpoint_that_hangs_does_not_hide_the_other(running: World) -> None:
    running.imds.readings[ACTION] = Unknown("ReadTimeout")
    running.imds.readings[REBALANCE] = Found('{"noticeTime": "2026-01-01T00:00:00Z"}')

    running.step("notices")

    assert len(running.api.bodies("rebalance-recommendation")) == 1


def test_a_wanted_replica_that_the_server_has_not_made_is_asked_for(running: World) -> None:
    running.api.answers["termination-imminent"] |= {"response": "launch_replica", "replica_id": None}
    running.imds.readings[ACTION] = Found(BODY)

    running.step("notices")

    asked = running.api.bodies("create-emergency-replica")
    assert asked == [{"notice_id": notice_id_of("i-own", BODY), "instance_id": "i-own", "reason": "termination"}]


def test_a_zombies_notice_concerns_nobody(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.ZOMBIE, quiesced=True))
    world.boot()
    world.imds.readings[ACTION] = Found(BODY)

    world.step("notices")

    assert world.api.sent == []
    assert world.journal.read().unsent == ()


def test_a_notice_that_the_server_refuses_is_not_sent_for_ever(running: World) -> None:
    running.imds.readings[ACTION] = Found(BODY)
    running.api.failures["termination-imminent"] = [ServerRefused(422, "invalid", "")]

    running.step("notices")

    assert running.journal.read().unsent == ()


def test_scheduled_events_are_looked_at_every_minute_and_told_by_heartbeat(running: World) -> None:
    event = {"Code": "instance-retirement", "EventId": "e-1", "State": "active"}
    running.imds.readings[SCHEDULED] = Found(json.dumps([event]))
    for _ in range(61):
        running.clock.advance(running.step("notices"))

    running.step("heartbeat")

    assert running.imds.reads.count(SCHEDULED) == 2
    assert running.api.bodies("heartbeat")[-1]["scheduled_events"] == [event]


def test_the_loop_looks_every_second(running: World) -> None:
    assert running.step("notices") == 1
