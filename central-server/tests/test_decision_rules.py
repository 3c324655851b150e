"""Ticks, groups, guards and maintenance windows, from values alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.decisions.calendar_rules import is_open, opens_at
from spot_server.features.decisions.rules import ActFacts, LineUp, RegisteredModel, percentile_of, tick_of, why_held_back
from spot_server.weekdays import WEEKDAYS
from spot_server.words import Action, AnswerKind, Mode

FREE = ActFacts(
    action=Action.SWITCH,
    answer=AnswerKind.ANSWERED,
    is_deleted=False,
    enabled=True,
    auto_switch_enabled=True,
    manual_replica_enabled=False,
    early_replica_on_warning=True,
    is_same_primary=True,
    mode=Mode.SPOT,
    is_moving=False,
    lasting_replicas=0,
    moves_in_day=3,
    moves_per_day=4,
    may_move_now=True,
    is_restore_suspected=False,
)
AGAINST_ANY: list[dict[str, Any]] = [
    {"action": Action.STAY},
    {"action": Action.NO_ACTION},
    {"answer": AnswerKind.SLOW},
    {"is_deleted": True},
    {"enabled": False},
    {"is_restore_suspected": True},
    {"is_moving": True},
    {"is_same_primary": False},
    {"mode": Mode.UNKNOWN},
]
AGAINST_MOVES: list[dict[str, Any]] = [
    {"manual_replica_enabled": True},
    {"auto_switch_enabled": False},
    {"moves_in_day": 4},
    {"may_move_now": False},
]
AGAINST_REPLICAS: list[dict[str, Any]] = [{"early_replica_on_warning": False}, {"lasting_replicas": 1}]
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - the zone follows


def test_nothing_against_it_lets_a_decision_be_acted_on() -> None:
    assert why_held_back(FREE) is None
    assert why_held_back(replace(FREE, action=Action.CREATE_REPLICA)) is None


@pytest.mark.parametrize("against", AGAINST_ANY + AGAINST_MOVES)
def test_each_guard_alone_holds_a_move_back(against: dict[str, Any]) -> None:
    assert why_held_back(replace(FREE, **against))


@pytest.mark.parametrize("against", AGAINST_ANY[2:] + AGAINST_REPLICAS)
def test_each_guard_alone_holds_a_replica_back(against: dict[str, Any]) -> None:
    assert why_held_back(replace(FREE, **{"action": Action.CREATE_REPLICA, **against}))


@given(moments, st.sampled_from([0.5, 60.0, 300.0, 86_400.0]))
def test_a_moment_belongs_to_one_tick_that_is_not_after_it(moment: datetime, period_seconds: float) -> None:
    tick = tick_of(moment, period_seconds)

    assert timedelta() <= moment - tick < timedelta(seconds=period_seconds)
    assert tick_of(tick, period_seconds) == tick


def test_agents_are_spread_over_the_groups_evenly_and_for_ever() -> None:
    counts = Counter(percentile_of(f"agent-{number}") // 10 for number in range(10_000))

    assert all(900 < count < 1100 for count in counts.values())
    assert percentile_of("agent-1") == 8


@given(st.text(max_size=40), st.integers(0, 100))
def test_both_models_are_asked_and_one_of_them_acts(agent_id: str, percent: int) -> None:
    acting, challenger = (RegisteredModel(name, "expected_cost", name, {}) for name in ("a", "b"))

    pair = LineUp(acting, challenger, percent).models_of(agent_id)

    assert set(map(id, pair)) == {id(acting), id(challenger)}
    assert (pair[0] is challenger) == (percentile_of(agent_id) < percent)


def window(*days: str, starts_at: str = "02:00", ends_at: str = "05:00", time_zone: str = "UTC") -> dict[str, Any]:
    return {"days": list(days), "starts_at": starts_at, "ends_at": ends_at, "time_zone": time_zone}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-01-05T01:59:59", False),
        ("2026-01-05T02:00:00", True),
        ("2026-01-05T04:59:59", True),
        ("2026-01-05T05:00:00", False),
        ("2026-01-06T03:00:00", False),
    ],
)
def test_a_window_is_open_on_its_days_from_its_start_to_before_its_end(when: str, expected: bool) -> None:
    assert is_open(window("monday"), at(when)) is expected


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    night = window("monday", starts_at="22:00", ends_at="04:00")

    assert is_open(night, at("2026-01-06T03:59:00"))
    assert not is_open(night, at("2026-01-05T03:59:00"))


@pytest.mark.parametrize(
    ("when", "opens"),
    [
        ("2026-03-28T12:00:00", "2026-03-29T00:30:00"),  # the clocks skip from 02:00 to 03:00 that night
        ("2026-10-24T12:00:00", "2026-10-25T00:30:00"),
        ("2026-07-01T12:00:00", "2026-07-02T00:30:00"),
        ("2026-01-01T12:00:00", "2026-01-02T01:30:00"),
    ],
)
def test_times_of_day_are_those_of_the_zones_clocks(when: str, opens: str) -> None:
    every_night = window(*WEEKDAYS, starts_at="02:30", ends_at="04:00", time_zone="Europe/Berlin")

    assert opens_at(every_night, at(when)) == at(opens) + (timedelta(hours=1) if when.startswith("2026-03") else timedelta())


def test_without_a_window_it_is_always_open() -> None:
    assert is_open(None, at("2026-01-05T00:00:00"))
    assert opens_at(None, at("2026-01-05T00:00:00")) is None


times = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
windows = (
    st.tuples(
        st.sets(st.sampled_from(WEEKDAYS), min_size=1), times, times, st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
    )
    .filter(lambda parts: parts[1] != parts[2])
    .map(lambda parts: window(*sorted(parts[0]), starts_at=parts[1], ends_at=parts[2], time_zone=parts[3]))
)


@given(windows, moments)
def test_a_closed_window_opens_within_sixteen_days_and_is_open_then(wanted: dict[str, Any], now: datetime) -> None:
    opening = opens_at(wanted, now)

    if is_open(wanted, now):
        assert opening is None
    else:
        assert opening is not None
        assert now < opening <= now + timedelta(days=16)
        assert is_open(wanted, opening)
