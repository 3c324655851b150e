"""Scheduled maintenance: moved away from in time where decisions may move the agent, else told with its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from server_support.at_once import at_once
from server_support.clock import START, FakeClock
from server_support.control_role_stage import Stage
from server_support.story import ZONES, Story
from spot_server.aws.ports import ScheduledEventFacts
from spot_server.db.runner import Database
from spot_server.db.tables import events, instances, notifications
from spot_server.features.heartbeats.service import Heartbeat, record_heartbeat
from spot_server.features.interruptions.service import Shown, list_of_client
from spot_server.features.maintenance import service
from spot_server.features.maintenance.jobs import answer_maintenance
from spot_server.features.maintenance.rules import MOST_TRIES, TRY_PAUSE_SECONDS
from spot_server.features.notice_watch.jobs import NoticeWatch
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import CommandKind, Mode, SwitchStatus, SwitchTrigger

HOURS = timedelta(hours=1)


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60, auto_switch_enabled=True)


def lists(story: Story, *not_before: datetime, code: str = "instance-retirement") -> None:
    """The daemon's metadata lists these events; none: it lists nothing."""
    listed = [
        {"EventId": f"event-{number}", "Code": code, "State": "active", "NotBefore": f"{at:%d %b %Y %H:%M:%S} GMT"}
        for number, at in enumerate(not_before)
    ]
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(scheduled_events=listed))


def sweep(story: Story) -> str:
    return answer_maintenance(JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger()))


def shown(story: Story) -> list[Shown]:
    page = story.database.read(lambda tx: list_of_client(tx, story.fleet.client_id, limit=10, cursor=None))
    return list(page.items)


def told(story: Story) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "maintenance_ahead"))


@pytest.mark.parametrize("code", ["instance-stop", "instance-retirement", "system-reboot", "instance-reboot", "system-maintenance"])
def test_a_workload_is_moved_before_the_time_without_a_gap_between_two_that_serve(story: Story, code: str) -> None:
    lists(story, story.clock.now() + 3 * HOURS, code=code)

    sentence = sweep(story)
    story.settles(200)

    [switch] = story.switches()
    assert "moves it before " + code in sentence
    assert (switch.status, switch.trigger, switch.to_mode) == (SwitchStatus.COMPLETED, SwitchTrigger.AUTOMATIC, Mode.SPOT)
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []
    assert sweep(story) == ""


def test_an_event_that_is_weeks_ahead_is_shown_with_its_code_and_waits_for_its_day(story: Story) -> None:
    at = story.clock.now() + timedelta(days=14)
    lists(story, at)

    sweep(story)
    before = story.switches()
    story.clock.advance(timedelta(days=13, seconds=1).total_seconds())
    sweep(story)

    [event] = shown(story)
    assert (event.kind, event.code, event.action_at, event.called_off_at) == ("scheduled", "instance-retirement", at, None)
    assert before == []
    assert len(story.switches()) == 1


def test_where_decisions_may_not_move_the_agent_a_person_is_told_once_with_the_time(story: Story) -> None:
    story.set_agent(auto_switch_enabled=False)
    lists(story, START + timedelta(days=14))

    for _ in range(3):
        sweep(story)
        story.clock.advance(86_400)

    assert story.switches() == []
    assert told(story) == [
        (
            "web-1: not before 2026-01-15 00:00 UTC EC2 will stop or terminate it for good (instance-retirement, i-1); "
            "it is not moved: auto_switch_enabled is off. Switch it, or promote a standby, before then."
        )
    ]


def test_a_new_time_is_told_anew(story: Story) -> None:
    story.set_agent(auto_switch_enabled=False)
    for days in (14, 20):
        lists(story, START + timedelta(days=days))
        sweep(story)

    assert sorted(text[7:34] for text in told(story)) == ["not before 2026-01-15 00:00", "not before 2026-01-21 00:00"]
    assert len(shown(story)) == 1


def test_an_event_that_the_list_does_not_hold_any_more_is_called_off_and_moves_nothing(story: Story) -> None:
    lists(story, story.clock.now() + timedelta(days=14))
    sweep(story)
    lists(story)

    sweep(story)
    story.clock.advance(timedelta(days=13, hours=12).total_seconds())
    sweep(story)

    assert shown(story)[0].called_off_at == START
    assert story.switches() == []
    assert len(story.fleet.scalars(select(events.c.data).where(events.c.kind == "maintenance_called_off"))) == 1


def test_an_event_that_is_listed_again_stands_again(story: Story) -> None:
    at = story.clock.now() + timedelta(days=14)
    for listed in ([at], [], [at]):
        lists(story, *listed)
        sweep(story)

    assert [event.called_off_at for event in shown(story)] == [None]


def test_a_move_that_fails_is_tried_again_after_a_pause_and_at_last_a_person_is_told(story: Story) -> None:
    story.region.fail(CommandKind.LAUNCH_INSTANCE, "not_authorized", times=50)
    lists(story, story.clock.now() + 20 * HOURS)

    for _ in range(MOST_TRIES + 1):
        sweep(story)
        sweep(story)
        story.settles(60)
        story.clock.advance(TRY_PAUSE_SECONDS)

    assert [switch.status for switch in story.switches()] == [SwitchStatus.ROLLED_BACK] * MOST_TRIES
    assert "5 moves failed" in told(story)[0]
    assert story.region.serving == ["i-1"]


def test_a_move_that_is_refused_is_told_and_begins_when_what_stood_in_the_way_is_gone(story: Story) -> None:
    story.fleet.execute(update(instances).values(mode=Mode.UNKNOWN))
    lists(story, story.clock.now() + 3 * HOURS)
    sweep(story)
    story.fleet.execute(update(instances).values(mode=Mode.SPOT))

    sweep(story)

    assert "it cannot be moved: metadata and the EC2 API disagree" in told(story)[0]
    assert len(story.switches()) == 1


def test_what_runs_on_demand_stays_on_demand(story: Story) -> None:
    story.fleet.execute(update(instances).values(mode=Mode.ON_DEMAND))
    lists(story, story.clock.now() + 3 * HOURS)

    sweep(story)
    story.settles(100)

    machine = story.region.machines["i-2"]
    assert (machine.mode, machine.az_id in ZONES) == (Mode.ON_DEMAND, True)


def test_two_jobs_processes_at_once_begin_one_move(story: Story) -> None:
    lists(story, story.clock.now() + 3 * HOURS)
    [news] = story.database.read(service.find_news)
    at_once([lambda: story.database.write(lambda tx: service.take_in(tx, *news))] * 3)
    [event] = story.database.read(service.open_of_primaries)

    at_once([lambda: story.database.write(lambda tx: service.answer(tx, event))] * 3)

    assert len(shown(story)) == len(story.switches()) == 1


def test_what_was_kept_of_a_daemon_is_no_sign_that_it_lives(story: Story) -> None:
    lists(story, story.clock.now() + timedelta(days=14))
    story.clock.advance(3600)

    sweep(story)

    assert story.fleet.instance(story.agent, "i-1").last_heartbeat_at == START


def beat(scheduled_events: list[dict[str, Any]] | None) -> Heartbeat:
    silent: dict[str, Any] = {"epoch": 1, "serving": True, "quiesced": False, "sent_at": None}
    counts: dict[str, Any] = {"metadata_failures": 0, "unknown_fields": 0}
    return Heartbeat(
        **silent, **counts, mode=Mode.SPOT, daemon_version="0.1.0", settings={}, resources={}, scheduled_events=scheduled_events
    )


def test_a_heartbeat_that_does_not_say_leaves_the_list_standing_and_an_empty_list_clears_it(story: Story) -> None:
    kept = []
    for listed in ([{"EventId": "event-0"}], None, []):
        story.database.write(lambda tx, listed=listed: record_heartbeat(tx, story.agent_id, "i-1", beat(listed)))  # type: ignore[misc]
        kept.append(story.fleet.instance(story.agent, "i-1").scheduled_events)

    assert kept == [[{"EventId": "event-0"}], [{"EventId": "event-0"}], []]


@pytest.mark.parametrize("is_listed", [False, True])
def test_what_the_control_role_sees_called_off_is_unless_the_daemon_still_lists_it(
    database: Database,
    clock: FakeClock,
    is_listed: bool,
) -> None:
    stage = Stage(database, clock)
    stage.ec2.add_instance("i-1", spot_request_id="sir-1")
    watch = NoticeWatch(stage.gateway, draw=lambda: 1.0)
    planned = ScheduledEventFacts("event-0", "instance-stop", "It is stopped.", START + timedelta(days=14))
    stage.ec2.scheduled["i-1"] = (planned,)
    watch(stage.context)
    listed = [{"EventId": "event-0", "Code": "instance-stop", "NotBefore": "15 Jan 2026 00:00:00 GMT"}] if is_listed else []
    stage.fleet.execute(update(instances).values(scheduled_events=listed))
    stage.ec2.scheduled["i-1"] = (replace(planned, description="[Canceled] It is stopped."),)

    for _ in range(2):
        watch(stage.context)

    page = database.read(lambda tx: list_of_client(tx, stage.fleet.client_id, limit=10, cursor=None))
    assert [(event.code, event.called_off_at is None) for event in page.items] == [("instance-stop", is_listed)]
