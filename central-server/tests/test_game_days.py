"""Game days: recorded before anything is touched, carried out once whatever dies, measured, put back, and kept."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.game_days import DETECTION_SECONDS, Exercise
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, events, notifications, spot_interruption_events
from spot_server.errors import GameDayInProgress, GameDayRefused, RequestIdReused, SwitchInProgress
from spot_server.words import DowntimeBasis, GameDayKind, GameDayStatus, Mode


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, terminate_wait_seconds=60)


@pytest.fixture
def exercise(story: Story) -> Exercise:
    return Exercise(story)


def test_a_notice_is_played_once_answered_and_measured(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ends(exercise.ask())

    assert (game_day.status, game_day.failure) == (GameDayStatus.COMPLETED, None)
    assert len(exercise.player.orders) == 1
    assert game_day.detection_ms == DETECTION_SECONDS * 1000
    assert None not in (game_day.ready_ms, game_day.promotion_ms, game_day.serving_ms, game_day.switch_id)
    assert game_day.promotion_ms <= game_day.serving_ms  # type: ignore[operator]  # both are there
    assert len(story.region.serving) == 1
    assert story.region.violations == []


def test_with_a_standby_ready_the_downtime_is_that_between_the_daemons_own_words(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1)
    exercise = Exercise(story)
    replica = story.gets_ready()

    plan = exercise.preview()
    game_day = exercise.ends(exercise.ask())

    assert (plan["replica_id"], plan["steps"][0]) == (replica.replica_id, "prepare")
    assert (game_day.replica_id, game_day.ready_ms) == (replica.replica_id, 0)
    assert (game_day.downtime_basis, game_day.downtime_ms) == (DowntimeBasis.QUIESCED, story.switches()[0].downtime_ms)


def test_the_interruption_is_marked_as_an_exercise(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ends(exercise.ask())

    assert story.fleet.scalars(select(spot_interruption_events.c.game_day_id)) == [game_day.game_day_id]


def test_a_recommendation_is_over_when_a_replica_is_ready_and_nothing_is_promoted(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ends(exercise.ask(GameDayKind.RECOMMENDATION))

    assert (game_day.status, game_day.switch_id, game_day.promotion_ms) == (GameDayStatus.COMPLETED, None, None)
    assert game_day.ready_ms is not None
    assert story.roles["i-1"] == "PRIMARY"


def test_a_shortage_takes_the_first_place_away_and_gives_it_back(story: Story, exercise: Exercise) -> None:
    first, second = [place["place"] for place in exercise.preview(GameDayKind.CAPACITY_SHORTAGE)["places"][:2]]

    game_day = exercise.ends(exercise.ask(GameDayKind.CAPACITY_SHORTAGE))

    shortage = exercise.player.closed[0].shortage
    assert shortage is not None
    assert f"{shortage.mode}/{shortage.instance_type}/{shortage.az_id}" == first
    assert game_day.status is GameDayStatus.COMPLETED
    assert story.replicas()[0].place.key == second


def test_a_loss_that_nobody_notices_in_time_is_a_failed_game_day(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ask(GameDayKind.LOSS)
    exercise.run()

    story.clock.advance(601)
    exercise.run()
    exercise.run()

    failed = exercise.reload(game_day)
    assert failed.status is GameDayStatus.FAILED
    assert failed.failure == "the agent heard nothing of the event within 600 s"
    assert "game_day_failed" in story.fleet.scalars(select(notifications.c.kind))


def test_a_dry_run_shows_plan_pools_costs_and_calls_and_touches_nothing(story: Story, exercise: Exercise) -> None:
    plan = exercise.preview(GameDayKind.RECOMMENDATION)
    exercise.run()

    assert (plan["response"], plan["instance_id"]) == ("hold", "i-1")
    assert plan["places"][0]["usd_per_hour"] is not None
    assert plan["held_seconds"] == 1800
    assert float(plan["most_extra_usd"]) == pytest.approx(float(plan["replica_usd_per_hour"]) / 2, abs=1e-6)
    assert plan["calls"] == [{"service": "simulated-region", "operation": "POST /_region/instances/i-1/rebalance", "parameters": {}}]
    assert exercise.player.orders == []
    assert story.fleet.scalars(select(audit_logs.c.action).where(audit_logs.c.action.startswith("game_day"))) == []


def test_the_calls_that_were_shown_are_the_calls_that_are_kept(exercise: Exercise) -> None:
    shown = exercise.preview()
    game_day = exercise.ask()

    assert game_day.plan == shown


def test_who_asked_is_in_the_audit_log_and_every_stage_in_the_events(story: Story, exercise: Exercise) -> None:
    exercise.ends(exercise.ask())

    kinds = [kind for kind in story.fleet.scalars(select(events.c.kind).order_by(events.c.sequence)) if kind.startswith("game_day")]
    assert kinds == ["game_day_requested", "game_day_played", "game_day_finished"]
    who = select(audit_logs.c.user_id).where(audit_logs.c.action == "game_day.requested")
    assert story.fleet.scalars(who) == ["tester"]


def test_the_same_request_again_is_the_same_game_day(exercise: Exercise) -> None:
    first = exercise.ask()
    exercise.ends(first)

    assert exercise.ask().game_day_id == first.game_day_id
    with pytest.raises(RequestIdReused, match=first.game_day_id):
        exercise.ask(GameDayKind.LOSS)


def test_there_are_never_two_at_once(exercise: Exercise) -> None:
    first = exercise.ask()

    with pytest.raises(GameDayInProgress, match=first.game_day_id):
        exercise.ask(request_id="game-2")
    with pytest.raises(GameDayInProgress):
        exercise.preview()


def test_none_is_played_while_the_agent_moves(story: Story, exercise: Exercise) -> None:
    running = story.switch()

    with pytest.raises(SwitchInProgress, match=running.switch_id):
        exercise.ask()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"enabled": False}, "the agent is disabled"), ({"carry": "image_after_quiesce"}, "would be lost; say accept_data_loss")],
)
def test_what_would_do_harm_is_refused_with_the_reason(story: Story, exercise: Exercise, settings: dict[str, object], reason: str) -> None:
    story.clock.advance(30)
    story.set_agent(**settings)

    with pytest.raises(GameDayRefused, match=reason):
        exercise.ask()


def test_a_loss_of_writes_that_a_person_accepted_is_measured(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True, carry="image_after_quiesce")
    story.passes(60)
    exercise = Exercise(story)

    game_day = exercise.ends(exercise.ask(accepts_loss=True))

    assert game_day.status is GameDayStatus.COMPLETED
    assert game_day.loss_window_seconds is not None
    assert game_day.loss_window_seconds >= 60


def test_a_primary_that_is_not_heard_is_no_ground_for_an_exercise(story: Story, exercise: Exercise) -> None:
    story.clock.advance(300)

    with pytest.raises(GameDayRefused, match="the primary's daemon is not heard"):
        exercise.ask()


def test_a_notice_needs_a_primary_on_spot(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True)
    story.switch(mode=Mode.ON_DEMAND)
    story.settles(300)

    with pytest.raises(GameDayRefused, match="the primary is on demand, which gets no notice"):
        Exercise(story).ask()
