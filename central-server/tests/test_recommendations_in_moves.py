"""A recommendation that came while a move ran, or before its instance was the PRIMARY, is answered when the move has left it there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, replica_instances, spot_interruption_events
from spot_server.features.interruptions.queries import InterruptionEvent, unanswered_recommendations
from spot_server.features.interruptions.rules import Response, is_unanswered
from spot_server.features.replicas.queries import Replica
from spot_server.words import CommandKind, InterruptionKind, ReplicaKind, ReplicaStatus, StepName, StepStatus, SwitchStatus

REBALANCE = InterruptionKind.REBALANCE
HOLD_SECONDS = 600


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, rebalance_hold_seconds=HOLD_SECONDS, terminate_wait_seconds=60)


def waiting(story: Story) -> list[InterruptionEvent]:
    return story.database.read(unanswered_recommendations)


def recorded(story: Story) -> list[tuple[str, str | None]]:
    table = spot_interruption_events
    query = select(table.c.response, table.c.replica_id).order_by(table.c.received_at)
    return [(row.response, row.replica_id) for row in story.database.read(lambda tx: tx.execute(query).all())]


def judged_again_count(story: Story) -> int:
    counted: int = story.fleet.scalars(select(func.count()).select_from(events).where(events.c.kind == "interruption_judged_again"))[0]
    return counted


def live(story: Story) -> list[Replica]:
    return [replica for replica in story.replicas() if replica.is_live]


def is_at(story: Story, name: StepName) -> bool:
    running = story.active()
    return running is not None and story.steps(running)[name].status is StepStatus.RUNNING


@given(st.sampled_from(Response), st.booleans(), st.booleans())
def test_what_had_its_replica_waits_for_none_unless_that_one_was_lost_with_a_move(
    response: Response, has_replica: bool, is_replica_lost: bool
) -> None:
    waits = is_unanswered(response, has_replica=has_replica, is_replica_lost=is_replica_lost)

    if response is Response.HOLD:
        assert waits == (is_replica_lost or not has_replica)
    else:
        assert waits == (response is Response.OBSERVE_ONLY)


def test_one_that_came_while_a_move_ran_gets_its_replica_when_the_move_is_taken_back(story: Story) -> None:
    switch = story.switch()
    story.passes(6)
    taken = story.notice(kind=REBALANCE)
    story.cancel(switch)

    story.passes(200, until=lambda: bool(live(story)) and story.active() is None)
    replica = story.gets_ready()

    assert (taken.event.response, taken.event.replica_id) == ("hold", None)
    assert story.reload(switch).status is SwitchStatus.CANCELLED
    assert (replica.kind, replica.interruption_event_id) == (ReplicaKind.EMERGENCY, taken.event.event_id)
    assert replica.hold_until == taken.event.received_at + timedelta(seconds=HOLD_SECONDS)
    assert recorded(story) == [("hold", replica.replica_id)]
    assert story.region.serving == ["i-1"]


def test_one_for_the_side_that_was_just_promoted_gets_its_replica_when_the_move_is_over(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, None, times=3)
    switch = story.switch()
    story.passes(200, until=lambda: is_at(story, StepName.START), step_seconds=1)
    taken = story.notice("i-2", kind=REBALANCE)

    story.settles(300)
    story.passes(30)
    replica = story.gets_ready()

    assert taken.event.instance_role == "PRIMARY"
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert (replica.interruption_event_id, len(live(story))) == (taken.event.event_id, 1)
    assert story.region.serving == ["i-2"]


def test_one_for_a_standby_is_answered_once_the_standby_is_the_primary(story: Story) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    standby = story.gets_ready()
    observed = story.notice("i-2", kind=REBALANCE)
    story.set_agent(manual_replica_enabled=False)
    story.promote(standby.replica_id)

    story.settles(300)
    story.passes(30)
    replica = story.gets_ready()

    assert observed.event.response == "observe_only"
    assert recorded(story) == [("hold", replica.replica_id)]
    assert replica.interruption_event_id == observed.event.event_id
    assert story.region.serving == ["i-2"]


def test_one_whose_replica_a_move_took_and_lost_gets_another(story: Story) -> None:
    taken = story.notice(kind=REBALANCE)
    held = story.gets_ready()
    story.region.fail(CommandKind.QUIESCE, None, times=100)
    switch = story.promote(held.replica_id)
    story.notice("i-2", lead_seconds=0)

    story.passes(200, until=lambda: not story.reload(switch).is_active)
    story.passes(20)
    replica = story.gets_ready()

    assert taken.event.replica_id == held.replica_id
    assert replica.replica_id != held.replica_id
    assert replica.hold_until == taken.event.received_at + timedelta(seconds=HOLD_SECONDS)
    assert recorded(story)[0] == ("hold", replica.replica_id)
    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK


def test_several_get_one_replica_and_the_newest_says_how_long_it_is_held(story: Story) -> None:
    switch = story.switch()
    story.passes(2)
    story.notice(kind=REBALANCE, notice_id="first")
    story.passes(2)
    newest = story.notice(kind=REBALANCE, notice_id="second")
    story.cancel(switch)

    story.passes(200, until=lambda: bool(live(story)) and story.active() is None)

    (replica,) = live(story)
    assert recorded(story) == [("hold", replica.replica_id)] * 2
    assert replica.hold_until == newest.event.received_at + timedelta(seconds=HOLD_SECONDS)


def test_it_is_judged_again_once_and_not_after_its_replica_stood_down(story: Story) -> None:
    switch = story.switch()
    story.passes(6)
    story.notice(kind=REBALANCE)
    story.cancel(switch)
    story.passes(60, until=lambda: story.active() is None)
    story.gets_ready()
    made = len(story.replicas())

    story.passes(HOLD_SECONDS + 60)

    assert live(story) == []
    assert (len(story.replicas()), judged_again_count(story)) == (made, 1)


def test_a_replica_that_ended_in_no_move_was_its_answer(story: Story) -> None:
    story.notice(kind=REBALANCE)
    story.gets_ready()

    story.fleet.execute(update(replica_instances).values(status=ReplicaStatus.TERMINATED))

    assert waiting(story) == []


def test_one_that_is_older_than_its_hold_when_the_move_ends_is_left(story: Story, clock: FakeClock) -> None:
    switch = story.switch()
    story.passes(6)
    story.notice(kind=REBALANCE)
    clock.advance(HOLD_SECONDS)
    story.cancel(switch)

    story.passes(120)

    assert story.active() is None
    assert live(story) == []
    assert judged_again_count(story) == 0


def test_one_for_an_instance_that_the_move_left_is_left(story: Story) -> None:
    story.switch()
    story.passes(6)
    story.notice(kind=REBALANCE)

    story.settles(300)
    story.passes(60)

    assert story.region.serving == ["i-2"]
    assert live(story) == []


def test_while_there_is_no_image_the_looks_leave_no_trace_and_the_image_brings_the_replica(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce", rebalance_hold_seconds=HOLD_SECONDS)
    story.notice(kind=REBALANCE)
    story.passes(60)
    before = judged_again_count(story)

    story.add_image("ami-good")
    story.passes(20)

    assert before == 0
    assert (len(live(story)), judged_again_count(story)) == (1, 1)
