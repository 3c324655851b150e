"""One look made with watched moments tells until when another would come out as it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from spot_simulator.virtual.limits import Limits

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("look", "met_seconds"),
    [
        (lambda now: now >= after(40), 40),
        (lambda now: after(40) <= now, 40),
        (lambda now: now - timedelta(seconds=60) > after(-50), 10),
        (lambda now: now - after(-50) < timedelta(seconds=75), 25),
        (lambda now: timedelta(seconds=75) > now - after(-50), 25),
        (lambda now: (now - after(-50)).total_seconds() < 75, 25),
        (lambda now: 75 >= (now - after(-50)).total_seconds(), 25),  # noqa: SIM300 - this way round as well
        (lambda now: after(90) - now > timedelta(seconds=30), 60),
        (lambda now: (after(90) - now).total_seconds() - 10 > 30, 50),
        (lambda now: 100 - (now - after(-50)).total_seconds() / 2 > 0, 150),
        (lambda now: (now - after(-50)) / timedelta(minutes=1) < 2, 70),
        (lambda now: max(after(20), now), 20),
        (lambda now: now > after(-10) and now < after(30) and now < after(20), 20),
    ],
)
def test_the_first_comparison_that_will_come_out_otherwise_is_a_limit(look: Callable[[datetime], object], met_seconds: float) -> None:
    limits = Limits()

    look(limits.moment(NOW))

    assert limits.next_seconds == pytest.approx(met_seconds)
    assert not limits.has_leaked


@pytest.mark.parametrize(
    "look",
    [
        lambda now: now > after(-10),
        lambda now: now - timedelta(seconds=5) > after(-10),
        lambda now: (now - after(-50)).total_seconds() > 20,
        lambda now: now + timedelta(seconds=5) > now,
        lambda now: now == after(40),
    ],
)
def test_what_is_past_is_no_limit(look: Callable[[datetime], object]) -> None:
    limits = Limits()

    look(limits.moment(NOW))

    assert (limits.next_seconds, limits.has_leaked) == (inf, False)


def test_to_be_heard_more_or_less_long_ago_is_no_limit_for_who_goes_on_to_be_heard() -> None:
    limits = Limits({after(-20)})
    now = limits.moment(NOW)

    assert now - after(-20) < timedelta(seconds=75)
    assert after(-20) >= now - timedelta(seconds=75)
    assert limits.next_seconds == inf

    assert after(-30) >= now - timedelta(seconds=75)
    assert limits.next_seconds == 45


@pytest.mark.parametrize(
    "look",
    [
        lambda now: now.isoformat(),
        lambda now: now.timestamp(),
        lambda now: now.replace(minute=0),
        lambda now: now + (now - after(-50)),
        lambda now: int((now - after(-50)).total_seconds()),
    ],
)
def test_what_is_done_with_the_time_beside_comparing_it_is_told(look: Callable[[datetime], object]) -> None:
    limits = Limits()

    look(limits.moment(NOW))

    assert limits.has_leaked


def test_what_the_database_is_given_is_told_as_it_has_it() -> None:
    limits = Limits()
    since = limits.moment(NOW) - timedelta(seconds=90)

    bare = since.astimezone(UTC).replace(tzinfo=None)

    assert (bare, bare.tzinfo) == (datetime(2026, 1, 5, 11, 58, 30), None)  # noqa: DTZ001 - as it is bound
    assert (limits.texts, limits.has_leaked) == ({"2026-01-05 11:58:30.000000"}, False)


def test_a_watched_moment_is_the_moment() -> None:
    now = Limits().moment(NOW)

    assert (now, hash(now), now.isoformat(), now - NOW, NOW - now) == (NOW, hash(NOW), NOW.isoformat(), timedelta(), timedelta())
