"""A notice or a recommendation that was only observed, because the agent was disabled, is acted on when it is enabled in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from server_support.clock import START, FakeClock
from server_support.story import Story
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import events, notifications, spot_interruption_events
from spot_server.features.agent_config.service import change_settings, toggle_enabled
from spot_server.features.interruptions.rules import FORCING_KINDS, is_standing
from spot_server.features.interruptions.service import judge_again
from spot_server.words import InterruptionKind, ReplicaKind, ReplicaStatus, SwitchStatus

REBALANCE = InterruptionKind.REBALANCE
LEAD_SECONDS = 120.0
HOLD_SECONDS = 600


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """An agent that is disabled."""
    return Story.on(database, clock, has_image=True, enabled=False, rebalance_hold_seconds=HOLD_SECONDS, terminate_wait_seconds=60)


def enable(story: Story) -> None:
    client_id, agent_id = story.fleet.client_id, story.agent_id
    story.database.write(lambda tx: change_settings(tx, client_id, agent_id, {"enabled": True}, by="tester"))


def responses(story: Story) -> list[str]:
    return story.fleet.scalars(select(spot_interruption_events.c.response).order_by(spot_interruption_events.c.received_at))


@given(st.sampled_from(InterruptionKind), st.none() | st.integers(-300, 300), st.integers(0, 3600), st.integers(0, 3600))
def test_an_event_stands_before_its_named_time_and_a_recommendation_while_it_is_held(
    kind: InterruptionKind, lead_seconds: int | None, age_seconds: int, hold_seconds: int
) -> None:
    action_at = None if lead_seconds is None else START + timedelta(seconds=lead_seconds)
    received_at = START - timedelta(seconds=age_seconds)

    stands = is_standing(kind, action_at=action_at, received_at=received_at, hold_seconds=hold_seconds, now=START)

    if kind in FORCING_KINDS:
        assert stands == (lead_seconds is not None and lead_seconds > 0)
    else:
        assert stands == (kind is REBALANCE and age_seconds < hold_seconds)


def test_a_notice_that_still_stands_when_the_agent_is_enabled_moves_it_in_time(story: Story) -> None:
    observed = story.notice(lead_seconds=LEAD_SECONDS)
    story.passes(20)

    enable(story)
    running = story.active()
    story.settles(400)

    assert observed.event.response == "observe_only"
    assert running is not None
    assert (running.interruption_event_id, running.deadline_at) == (observed.event.event_id, observed.event.action_at)
    assert responses(story) == ["launch_replica"]
    assert story.switches()[0].status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_a_notice_whose_time_is_over_is_not_judged_again(story: Story, clock: FakeClock) -> None:
    story.notice(lead_seconds=LEAD_SECONDS)
    clock.advance(LEAD_SECONDS)

    enable(story)

    assert responses(story) == ["observe_only"]
    assert story.switches() == []


def test_a_recommendation_that_still_stands_gets_its_replica_until_the_hold_that_began_when_it_came(story: Story) -> None:
    observed = story.notice(kind=REBALANCE)
    story.passes(200)

    enable(story)
    replica = story.gets_ready()
    story.settles(HOLD_SECONDS)

    assert responses(story) == ["hold"]
    assert (replica.kind, replica.interruption_event_id) == (ReplicaKind.EMERGENCY, observed.event.event_id)
    assert replica.hold_until == observed.event.received_at + timedelta(seconds=HOLD_SECONDS)
    assert story.switches() == []


def test_a_recommendation_that_would_not_be_held_any_more_is_not_judged_again(story: Story, clock: FakeClock) -> None:
    story.notice(kind=REBALANCE)
    clock.advance(HOLD_SECONDS)

    enable(story)

    assert responses(story) == ["observe_only"]
    assert story.replicas() == []


def test_a_notice_and_a_recommendation_that_both_stand_make_one_move_and_one_replica(story: Story) -> None:
    story.notice(kind=REBALANCE)
    story.passes(10)
    story.notice(lead_seconds=LEAD_SECONDS)

    enable(story)
    launched = len(story.replicas())
    story.settles(400)

    assert responses(story) == ["hold", "launch_replica"]
    assert launched == len(story.switches()) == 1
    assert story.region.serving == ["i-2"]


def test_the_toggle_judges_again_too_and_a_second_look_finds_nothing_left(story: Story) -> None:
    story.notice(lead_seconds=LEAD_SECONDS)
    client_id, agent_id = story.fleet.client_id, story.agent_id

    def look_again(tx: Transaction) -> int:
        return judge_again(tx, story.agent)

    story.database.write(lambda tx: toggle_enabled(tx, client_id, agent_id, enabled=True, by="tester"))
    left = story.database.write(look_again)

    assert (len(story.switches()), left) == (1, 0)


def test_turned_off_and_on_again_a_notice_is_acted_on_once(story: Story) -> None:
    story.notice(lead_seconds=LEAD_SECONDS)

    enable(story)
    story.set_agent(enabled=False)
    enable(story)

    assert len(story.switches()) == len(story.replicas()) == 1


def test_a_standby_that_a_notice_takes_is_replaced_when_the_agent_is_enabled(story: Story) -> None:
    story.set_agent(enabled=True, manual_replica_enabled=True, replica_count=1)
    story.gets_ready()
    story.set_agent(enabled=False)
    story.notice("i-2", lead_seconds=LEAD_SECONDS)

    enable(story)

    assert responses(story) == ["replace_standby"]
    assert story.replicas()[0].status is ReplicaStatus.FAILED
    assert story.switches() == []


def test_other_settings_judge_nothing(story: Story) -> None:
    story.notice(lead_seconds=LEAD_SECONDS)
    client_id, agent_id = story.fleet.client_id, story.agent_id

    story.database.write(lambda tx: change_settings(tx, client_id, agent_id, {"terminate_wait_seconds": 61}, by="tester"))

    assert responses(story) == ["observe_only"]


def test_a_person_is_told_that_it_was_judged_again_and_what_is_done(story: Story) -> None:
    observed = story.notice(lead_seconds=LEAD_SECONDS)
    story.passes(20)

    enable(story)

    told = story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "interruption_terminate"))
    (emitted,) = story.fleet.scalars(select(events.c.data).where(events.c.kind == "interruption_judged_again"))
    assert [text.rpartition(": ")[2] for text in sorted(told)] == ["launch_replica", "observe_only"]
    assert (emitted["response"], emitted["lead_seconds"]) == ("launch_replica", LEAD_SECONDS - 20)
    assert observed.event.instance_role == emitted["role"]
