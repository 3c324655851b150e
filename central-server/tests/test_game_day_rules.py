"""Game days, decided from values alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.errors import StateConflict
from spot_server.features.game_days.rules import (
    GAME_DAY_EVENT_MEANINGS,
    GAME_DAY_MEANINGS,
    GAME_DAY_TRANSITIONS,
    Conditions,
    GameDayEvent,
    Moments,
    Progress,
    find_obstacle,
    judge,
    measure,
    next_game_day_status,
    pause_seconds,
)
from spot_server.words import (
    ACTIVE_GAME_DAY_STATUSES,
    DowntimeBasis,
    GameDayKind,
    GameDayStatus,
    Mode,
    PlayedBy,
    ReplicaStatus,
    SwitchStatus,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLEAR = Conditions(
    kind=GameDayKind.NOTICE,
    played_by=PlayedBy.FIS,
    is_deleted=False,
    is_enabled=True,
    mode=Mode.SPOT,
    is_primary_heard=True,
    is_account_known=True,
    has_control_role=True,
    running_switch_id=None,
    is_standing_notice=False,
    has_way_out=True,
    loses_writes_since=None,
    accepts_loss=False,
)
MOMENTS = st.none() | st.integers(min_value=-10_000, max_value=10_000).map(lambda ms: NOW + timedelta(milliseconds=ms))
PROGRESS = st.builds(
    Progress,
    kind=st.sampled_from(GameDayKind),
    played_by=st.sampled_from(PlayedBy),
    is_deleted=st.booleans(),
    is_enabled=st.booleans(),
    seconds_since_begun=st.floats(min_value=0, max_value=10_000),
    bound_seconds=st.just(1800.0),
    switch_status=st.none() | st.sampled_from(SwitchStatus),
    is_rescue_to_be_resumed=st.booleans(),
    replica_status=st.none() | st.sampled_from(ReplicaStatus),
    is_detected=st.booleans(),
    experiment_failure=st.none() | st.text(min_size=1),
    is_experiment_stopped=st.booleans(),
)


@pytest.mark.parametrize("status", GameDayStatus)
@pytest.mark.parametrize("event", GameDayEvent)
def test_every_pair_of_status_and_event_is_in_the_table_or_refused(status: GameDayStatus, event: GameDayEvent) -> None:
    expected = GAME_DAY_TRANSITIONS.get((status, event))

    if expected is None:
        with pytest.raises(StateConflict):
            next_game_day_status(status, event)
    else:
        assert next_game_day_status(status, event) is expected


def test_every_status_and_event_has_a_meaning_and_only_what_is_active_goes_on() -> None:
    assert set(GAME_DAY_MEANINGS) == set(GameDayStatus)
    assert set(GAME_DAY_EVENT_MEANINGS) == set(GameDayEvent)
    assert {before for before, _event in GAME_DAY_TRANSITIONS} == ACTIVE_GAME_DAY_STATUSES


def test_nothing_stands_in_the_way_of_a_clear_stage() -> None:
    assert find_obstacle(CLEAR) is None


@pytest.mark.parametrize(
    "change",
    [
        {"is_deleted": True},
        {"is_enabled": False},
        {"running_switch_id": "switch-1"},
        {"mode": None},
        {"mode": Mode.UNKNOWN},
        {"mode": Mode.ON_DEMAND},
        {"is_primary_heard": False},
        {"is_standing_notice": True},
        {"has_way_out": False},
        {"played_by": None},
        {"is_account_known": False},
        {"loses_writes_since": NOW},
        {"kind": GameDayKind.CAPACITY_SHORTAGE, "has_control_role": False},
    ],
)
def test_each_obstacle_alone_is_enough(change: dict[str, object]) -> None:
    assert find_obstacle(replace(CLEAR, **change))  # type: ignore[arg-type]  # one field at a time


@pytest.mark.parametrize(
    "change",
    [
        {"mode": Mode.ON_DEMAND, "kind": GameDayKind.LOSS},
        {"loses_writes_since": NOW, "accepts_loss": True},
        {"loses_writes_since": NOW, "kind": GameDayKind.RECOMMENDATION, "played_by": PlayedBy.SIMULATED_REGION},
        {"is_account_known": False, "played_by": PlayedBy.SIMULATED_REGION},
        {"kind": GameDayKind.CAPACITY_SHORTAGE, "has_control_role": False, "played_by": PlayedBy.SIMULATED_REGION},
    ],
)
def test_what_does_no_harm_is_allowed(change: dict[str, object]) -> None:
    assert find_obstacle(replace(CLEAR, **change)) is None  # type: ignore[arg-type]  # one field at a time


def test_a_recommendation_of_fis_ends_the_instance_and_so_needs_the_loss_accepted() -> None:
    assert find_obstacle(replace(CLEAR, kind=GameDayKind.RECOMMENDATION, loses_writes_since=NOW)) is not None


@given(PROGRESS)
def test_a_game_day_never_goes_on_for_ever(progress: Progress) -> None:
    late = replace(progress, seconds_since_begun=1801.0)

    assert judge(late) is not None


@given(PROGRESS)
def test_only_an_agent_that_came_through_completes_a_game_day(progress: Progress) -> None:
    over = judge(progress)

    if over is not None and over.outcome is GameDayStatus.COMPLETED:
        is_held = progress.kind is GameDayKind.RECOMMENDATION and progress.replica_status in {ReplicaStatus.READY, ReplicaStatus.PROMOTED}
        assert progress.switch_status is SwitchStatus.COMPLETED or is_held
        assert over.failure is None
    elif over is not None:
        assert over.failure


def test_a_rescue_that_is_taken_up_again_is_waited_for() -> None:
    progress = Progress(GameDayKind.NOTICE, PlayedBy.FIS, False, True, 10.0, 1800.0, switch_status=SwitchStatus.FAILED)

    assert judge(progress) is not None
    assert judge(replace(progress, is_rescue_to_be_resumed=True)) is None


@given(MOMENTS, MOMENTS, MOMENTS, MOMENTS, MOMENTS, st.none() | st.integers(min_value=0), st.sampled_from(GameDayKind))
def test_no_figure_is_negative_and_none_is_made_up(
    detected: datetime | None,
    end: datetime | None,
    ready: datetime | None,
    promoted: datetime | None,
    serving: datetime | None,
    downtime_ms: int | None,
    kind: GameDayKind,
) -> None:
    basis = None if downtime_ms is None else DowntimeBasis.LAST_SEEN
    figures = measure(Moments(kind, NOW, detected, end, ready, promoted, serving, downtime_ms, basis))

    counted = (figures.detection_ms, figures.ready_ms, figures.promotion_ms, figures.serving_ms)
    assert [value is None for value in counted] == [moment is None for moment in (detected, ready, promoted, serving)]
    assert all(value is None or value >= 0 for value in (*counted, figures.downtime_ms))
    assert (figures.downtime_basis is None) == (figures.downtime_ms is None)


def test_the_daemons_own_word_about_the_downtime_comes_before_the_instances_end() -> None:
    said = Moments(GameDayKind.NOTICE, NOW, instance_end_at=NOW, serving_at=NOW + timedelta(seconds=9))
    said = replace(said, downtime_ms=1234, downtime_basis=DowntimeBasis.QUIESCED)

    assert (measure(said).downtime_ms, measure(said).downtime_basis) == (1234, DowntimeBasis.QUIESCED)
    unsaid = measure(replace(said, downtime_ms=None, downtime_basis=None))
    assert (unsaid.downtime_ms, unsaid.downtime_basis) == (9000, DowntimeBasis.INSTANCE_END)


def test_who_plays_a_loss_knows_the_instances_end_better_than_the_last_sight_of_it() -> None:
    seen = Moments(GameDayKind.LOSS, NOW, serving_at=NOW + timedelta(seconds=9), downtime_ms=31_000, downtime_basis=DowntimeBasis.LAST_SEEN)

    assert (measure(seen).downtime_ms, measure(seen).downtime_basis) == (9000, DowntimeBasis.INSTANCE_END)
    noticed = measure(replace(seen, kind=GameDayKind.NOTICE, instance_end_at=NOW))
    assert (noticed.downtime_ms, noticed.downtime_basis) == (31_000, DowntimeBasis.LAST_SEEN)


def test_pauses_grow_up_to_a_minute() -> None:
    assert [pause_seconds(attempts) for attempts in (1, 2, 3, 4, 20)] == [1.0, 2.0, 4.0, 8.0, 60.0]
