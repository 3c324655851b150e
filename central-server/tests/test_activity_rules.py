"""An agent's usual week: what an hour adds to it, and when it is quietest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.activity.rules import (
    HOURS_OF_WEEK,
    LATEST,
    LEAST_HEARTBEATS,
    UNSEEN,
    HourActivity,
    Profile,
    Reading,
    UsualWeek,
    describe_quiet_hours,
    fold,
    hour_of,
    hour_of_week,
    quiet_hours,
    usual_week,
)

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
RATIOS = st.floats(0, 1)
HOURS = st.builds(HourActivity, RATIOS, st.integers(0, 30))
WEEKS = st.lists(HOURS, min_size=HOURS_OF_WEEK, max_size=HOURS_OF_WEEK).map(tuple)
SEEN_WEEKS = st.lists(st.builds(HourActivity, RATIOS, st.integers(1, 30)), min_size=HOURS_OF_WEEK, max_size=HOURS_OF_WEEK).map(tuple)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])


def reading(busy_ratio: float = 0.5, count: int = 120, *, before: Reading | None = None, instance_id: str = "i-1") -> Reading:
    """The counters after `count` more heartbeats of `busy_ratio`."""
    start = before or Reading(instance_id, 0.0, 0)
    return Reading(instance_id, start.cpu_busy_ratio_sum + busy_ratio * count, start.cpu_busy_count + count)


def week(hours: dict[int, float], default: float = 0.5, count: int = 2) -> tuple[HourActivity, ...]:
    """A week in which each hour of the day in `hours` is so busy, on each day."""
    return tuple(HourActivity(hours.get(place % 24, default), count) for place in range(HOURS_OF_WEEK))


def profile_of(hours: tuple[HourActivity, ...], time_zone: str = "UTC") -> Profile:
    return Profile(time_zone, hours, MONDAY, reading())


def week_of(hours: tuple[HourActivity, ...], time_zone: str = "UTC") -> UsualWeek:
    """What is to be expected by these hours, of which enough must be known."""
    found = usual_week(profile_of(hours, time_zone))
    assert found is not None
    return found


def always(_begins: datetime) -> bool:
    return True


def test_an_hour_that_was_heard_from_end_to_end_is_counted_under_the_hour_that_it_was() -> None:
    first = fold(None, reading(0.9), MONDAY + timedelta(minutes=2), "UTC")

    second = fold(first, reading(0.2, before=first.reading), MONDAY + timedelta(hours=1, minutes=1), "UTC")

    assert first.hours == (UNSEEN,) * HOURS_OF_WEEK
    assert second.hours == (HourActivity(0.2, 1), *(UNSEEN,) * (HOURS_OF_WEEK - 1))
    assert second.hour_at == MONDAY + timedelta(hours=1)


@given(hours=WEEKS, at=MOMENTS, later=st.timedeltas(timedelta(), timedelta(hours=30)), busy=RATIOS, count=st.integers(0, 500), zone=ZONES)
def test_an_hour_is_counted_at_most_once_and_only_the_one_that_just_ended(
    hours: tuple[HourActivity, ...], at: datetime, later: timedelta, busy: float, count: int, zone: str
) -> None:
    before = Profile(zone, hours, hour_of(at), reading())
    now = at + later
    seen = reading(busy, count, before=before.reading)

    after = fold(before, seen, now, zone)

    changed = [place for place in range(HOURS_OF_WEEK) if after.hours[place] != hours[place]]
    assert changed in ([], [hour_of_week(hour_of(at), zone)])
    assert sum(one.seen_count for one in after.hours) - sum(one.seen_count for one in hours) == len(changed)
    assert fold(after, reading(1.0, before=seen), now, zone) == after
    assert all(0.0 <= one.busy_ratio <= 1.0 for one in after.hours)
    is_next = hour_of(now) == hour_of(at) + timedelta(hours=1) and now - hour_of(now) <= LATEST
    assert bool(changed) == (is_next and count >= LEAST_HEARTBEATS)


@pytest.mark.parametrize(
    ("seen", "minutes", "zone"),
    [
        (reading(0.2, before=reading(), instance_id="i-2"), 61, "UTC"),
        (reading(0.2, LEAST_HEARTBEATS - 1, before=reading()), 61, "UTC"),
        (reading(0.2, before=reading()), 76, "UTC"),
        (reading(0.2, before=reading()), 121, "UTC"),
    ],
    ids=["another-instance", "hardly-heard", "read-late", "an-hour-missed"],
)
def test_an_hour_that_was_not_heard_well_is_left_out_and_the_next_begins_from_there(seen: Reading, minutes: int, zone: str) -> None:
    before = profile_of(week({}))
    now = MONDAY + timedelta(minutes=minutes)

    after = fold(before, seen, now, zone)

    assert (after.hours, after.reading, after.hour_at) == (before.hours, seen, hour_of(now))


def test_another_time_zone_begins_the_week_anew() -> None:
    after = fold(profile_of(week({})), reading(0.2, before=reading()), MONDAY + timedelta(minutes=61), "Europe/Berlin")

    assert (after.time_zone, set(after.hours)) == ("Europe/Berlin", {UNSEEN})


@given(old=RATIOS, new=RATIOS)
def test_a_habit_that_changes_is_nine_tenths_relearned_after_eight_weeks(old: float, new: float) -> None:
    profile = profile_of((HourActivity(old, 50),) * HOURS_OF_WEEK)
    for _ in range(8):
        seen = reading(new, before=profile.reading)
        profile = fold(profile, seen, MONDAY + timedelta(hours=1), "UTC")
        profile = Profile("UTC", profile.hours, MONDAY, seen)

    assert abs(profile.hours[0].busy_ratio - new) <= 0.11 * abs(old - new) + 0.001


@given(hours=WEEKS, now=MOMENTS, zone=ZONES, open_hours=st.sets(st.integers(0, 23)))
def test_the_quiet_hour_lies_ahead_within_a_day_is_quieter_and_allowed(
    hours: tuple[HourActivity, ...], now: datetime, zone: str, open_hours: set[int]
) -> None:
    expected = usual_week(profile_of(hours, zone))
    days = min(sum(one.seen_count for one in hours[hour::24]) for hour in range(24))
    assert (expected is None) == (days < 3)
    if expected is None:
        return

    known = quiet_hours(expected, now, lambda begins: begins.hour in open_hours)

    assert expected.days == days
    assert known.activity_ratio > 0
    if known.quiet_at is None:
        assert known.quiet_ratio is None
        return
    assert known.quiet_ratio is not None
    assert 0 < known.quiet_ratio < known.activity_ratio
    assert now < known.quiet_at < now + timedelta(days=1)
    assert (known.quiet_at.minute, known.quiet_at.hour in open_hours) == (0, True)


@given(hours=SEEN_WEEKS)
def test_an_expected_hour_is_no_busier_and_no_quieter_than_what_was_seen(hours: tuple[HourActivity, ...]) -> None:
    usual = week_of(hours)

    for place, expected in enumerate(usual.busy_ratios):
        seen = [one.busy_ratio for one in hours[place % 24 :: 24]]
        assert min(seen) - 1e-4 <= expected <= max(seen) + 1e-4


def test_by_day_the_night_is_told_and_at_night_nothing_is_quieter() -> None:
    usual = week_of(week({3: 0.1}))

    by_day = quiet_hours(usual, MONDAY + timedelta(hours=14, minutes=20), always)
    at_night = quiet_hours(usual, MONDAY + timedelta(hours=3, minutes=20), always)

    assert by_day.quiet_at == MONDAY + timedelta(hours=27)
    assert (at_night.quiet_ratio, at_night.quiet_at) == (None, None)
    assert at_night.activity_ratio < 1 < by_day.activity_ratio


def test_of_equally_quiet_hours_the_next_is_told() -> None:
    known = quiet_hours(week_of(week({3: 0.1, 5: 0.1, 22: 0.1})), MONDAY + timedelta(hours=14), always)

    assert known.quiet_at == MONDAY + timedelta(hours=22)


def test_an_idle_machine_is_about_as_quiet_at_all_hours() -> None:
    known = quiet_hours(week_of(week({3: 0.0}, default=0.002)), MONDAY + timedelta(hours=14), always)

    assert known.quiet_ratio == pytest.approx(1.0, abs=0.1)


def test_two_days_are_too_few_and_three_of_any_kind_are_enough() -> None:
    days = [tuple(HourActivity(0.1 if hour == 3 else 0.5, 1) for hour in range(24)) for _ in range(3)]
    unseen = (UNSEEN,) * 24
    two = (*days[0], *days[1], *unseen * 5)
    three = (*days[0], *days[1], *unseen * 4, *days[2])

    assert usual_week(profile_of(two)) is None
    usual = week_of(three)
    on_thursday = quiet_hours(usual, MONDAY + timedelta(days=3, hours=1), always)
    assert (usual.days, on_thursday.quiet_at) == (3, MONDAY + timedelta(days=3, hours=3))


def test_a_person_reads_from_how_many_days_and_when_it_is_quietest_on_the_clocks_of_its_zone() -> None:
    hours = list(week({}, count=2))
    hours[24 + 3] = HourActivity(0.05, 2)

    text = describe_quiet_hours(week_of(tuple(hours), "Europe/Berlin"))

    assert text == "known from 14 days, quietest Tuesday 03:00 Europe/Berlin"


def test_an_hour_of_the_week_is_that_of_the_zones_clocks_in_summer_and_in_winter() -> None:
    winter, summer = datetime(2026, 1, 5, 1, tzinfo=UTC), datetime(2026, 7, 6, 0, tzinfo=UTC)

    assert (hour_of_week(winter, "Europe/Berlin"), hour_of_week(summer, "Europe/Berlin")) == (2, 2)
    assert hour_of_week(winter, "UTC") == 1
