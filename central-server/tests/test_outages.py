"""How long a workload stood still: counted for every move that ends, also where its old side could no longer say when it stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.rescues import give_control_role, racing_story, with_standby
from server_support.silences import kill_daemon, listens, rescued
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, instances
from spot_server.features.decisions.fleet_queries import read_pasts
from spot_server.features.interruptions import service as interruption_service
from spot_server.features.interruptions.reports import Report
from spot_server.features.savings.calendar_rules import Stretch
from spot_server.features.savings.queries import happenings
from spot_server.features.switches.outage_rules import Downtime, OldSide, downtime_until, outage_began
from spot_server.features.switches.queries import Switch
from spot_server.words import CommandKind, DowntimeBasis, InterruptionKind, NoticeChannel, SwitchStatus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEARTBEAT_SECONDS = 30.0


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("old", "began"),
    [
        (OldSide(at(5), quiesced_at=at(3), named_end_at=at(60), gone_at=at(70)), (at(3), DowntimeBasis.QUIESCED)),
        (OldSide(at(5), named_end_at=at(60), gone_at=at(70)), (at(60), DowntimeBasis.INSTANCE_END)),
        (OldSide(at(5), named_end_at=at(60), gone_at=at(40)), (at(5), DowntimeBasis.LAST_SEEN)),
        (OldSide(at(5), named_end_at=at(120), gone_at=at(130)), (at(5), DowntimeBasis.LAST_SEEN)),
        (OldSide(at(5), named_end_at=at(60)), (at(60), DowntimeBasis.INSTANCE_END)),
        (OldSide(at(90), named_end_at=at(60)), (at(90), DowntimeBasis.LAST_SEEN)),
        (OldSide(at(5), gone_at=at(70)), (at(5), DowntimeBasis.LAST_SEEN)),
        (OldSide(at(90), gone_at=at(70)), (at(70), DowntimeBasis.LAST_SEEN)),
    ],
)
def test_an_outage_begins_with_the_old_sides_word_or_its_end_or_the_last_sight_of_it(
    old: OldSide, began: tuple[datetime, DowntimeBasis]
) -> None:
    assert outage_began(old) == began


def test_an_old_side_that_serves_until_the_new_one_does_makes_no_downtime() -> None:
    assert downtime_until(at(50), OldSide(at(5), named_end_at=at(60))) == Downtime(0, DowntimeBasis.INSTANCE_END)


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


def seconds_to_service(switch: Switch, since: datetime) -> float:
    assert switch.serving_at is not None
    return (switch.serving_at - since).total_seconds()


def test_a_loss_without_a_word_is_down_from_its_last_heartbeat_on(story: Story) -> None:
    """It is what the month's downtime counts, and what the decisions take a loss to cost this agent."""
    with_standby(story)
    listens(story)
    story.region.lose("i-1")
    lost_at = story.clock.now()

    move = rescued(story)

    assert move.downtime_ms is not None
    true_seconds = seconds_to_service(move, lost_at)
    assert true_seconds <= move.downtime_ms / 1000 <= true_seconds + HEARTBEAT_SECONDS
    assert move.downtime_basis is DowntimeBasis.LAST_SEEN
    day = Stretch(lost_at - timedelta(days=1), story.clock.now() + timedelta(seconds=1))
    assert story.database.read(lambda tx: happenings(tx, [story.agent_id], day))[story.agent_id].downtime_ms == move.downtime_ms
    past = story.database.read(lambda tx: read_pasts(tx, [story.agent_id], lasting_until=story.clock.now()))[story.agent_id]
    assert past.forced_ms == move.downtime_ms
    told = story.fleet.scalars(select(events.c.data).where(events.c.kind == "switch_completed"))
    assert [(data["downtime_ms"], data["downtime_basis"]) for data in told] == [(move.downtime_ms, "last_seen")]


def test_a_workload_whose_daemon_died_long_before_it_was_lost_is_down_from_ec2_s_last_word_on(story: Story) -> None:
    """EC2 called the instance running all the time: nobody says that its workload did not serve."""
    give_control_role(story)
    listens(story)
    kill_daemon(story)
    story.passes(1800, step_seconds=10)
    story.region.lose("i-1")
    lost_at = story.clock.now()

    move = rescued(story)

    assert move.downtime_ms is not None
    assert seconds_to_service(move, lost_at) <= move.downtime_ms / 1000 < seconds_to_service(move, lost_at) + 600


def test_a_loss_that_the_spot_request_tells_of_is_down_from_ec2_s_word_on(story: Story) -> None:
    """The request names no end, and says when it changed."""
    with_standby(story)
    give_control_role(story)
    story.clock.advance(20)
    story.region.lose("i-1")
    lost_at = story.clock.now()
    story.clock.advance(3)
    report = Report(
        "spot-request/sir-1/i-1/terminate",
        "i-1",
        InterruptionKind.TERMINATE,
        action_at=None,
        detected_at=story.clock.now(),
        channel=NoticeChannel.CONTROL_ROLE,
        announced_at=lost_at,
    )
    story.database.write(lambda tx: interruption_service.take_report(tx, story.agent_id, report))

    move = rescued(story)

    assert move.downtime_ms == pytest.approx(seconds_to_service(move, lost_at) * 1000, abs=1)
    assert move.downtime_basis is DowntimeBasis.LAST_SEEN


def test_an_old_side_that_serves_to_its_end_is_down_from_the_end_that_the_notice_named(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, terminate_wait_seconds=60)
    story.region.fail(CommandKind.QUIESCE, "hook_timed_out", times=99)
    story.region.standbys_pass = False
    story.notice(lead_seconds=60.0)
    named_end = clock.now() + timedelta(seconds=60)
    story.passes(80, step_seconds=1)
    story.region.standbys_pass = True
    story.passes(60, until=lambda: story.active() is None)

    switch = story.switches()[0]

    assert (switch.quiesced_at, switch.downtime_basis) == (None, DowntimeBasis.INSTANCE_END)
    assert switch.downtime_ms == pytest.approx(seconds_to_service(switch, named_end) * 1000, abs=1)
    assert seconds_to_service(switch, named_end) >= 20


def test_a_move_that_is_taken_back_stood_still_until_its_old_side_served_again(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, terminate_wait_seconds=60)
    story.region.fail(CommandKind.START_SERVING, "hook_failed", on="i-2", times=99)
    story.switch(mode="spot")
    story.passes(1200, until=lambda: story.active() is None, step_seconds=1)

    switch = story.switches()[0]

    assert switch.status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]
    assert switch.quiesced_at is not None
    assert switch.completed_at is not None
    assert switch.downtime_basis is DowntimeBasis.QUIESCED
    assert switch.downtime_ms is not None
    assert 0 < switch.downtime_ms / 1000 <= (switch.completed_at - switch.quiesced_at).total_seconds()


def test_a_move_that_is_taken_back_before_its_old_side_stopped_has_no_downtime(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, terminate_wait_seconds=60)
    move = story.switch(mode="spot")
    story.passes(2, step_seconds=1)
    story.cancel(move)
    story.passes(600, until=lambda: story.active() is None)

    switch = story.switches()[0]

    assert switch.status is SwitchStatus.CANCELLED
    assert (switch.downtime_ms, switch.downtime_basis) == (None, None)
    assert story.fleet.scalars(select(instances.c.role).where(instances.c.instance_id == "i-1")) == ["PRIMARY"]
