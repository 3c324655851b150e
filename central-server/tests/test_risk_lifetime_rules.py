"""When a spot instance was there to be lost: until EC2 took it, we ended it, or it was last heard."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.risk.evidence_rules import LOOKBACK_HOURS, Lifetime
from spot_server.features.risk.lifetime_rules import HOUR, Presence, Record, lifetime_of, record_of

LIVES = Presence(START - 10 * HOUR, last_heartbeat_at=START, lost_at=None, terminated_at=None, released_at=None)

moments = st.timedeltas(-timedelta(days=60), timedelta(hours=1)).map(lambda offset: START + offset)
perhaps = st.none() | moments


@given(st.builds(Presence, moments, moments, perhaps, perhaps, perhaps))
def test_nothing_ends_before_it_began_or_lies_ahead(seen: Presence) -> None:
    found = lifetime_of(seen, START)

    assert found.began_hours_ago >= found.ended_hours_ago >= 0.0
    assert found.was_lost == (seen.lost_at is not None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Lifetime(10.0, 0.0, was_lost=False)),
        ({"lost_at": START - 2 * HOUR, "terminated_at": START - HOUR}, Lifetime(10.0, 2.0, was_lost=True)),
        ({"terminated_at": START - HOUR}, Lifetime(10.0, 1.0, was_lost=False)),
        ({"released_at": START - 3 * HOUR, "terminated_at": START - HOUR}, Lifetime(10.0, 3.0, was_lost=False)),
        ({"last_heartbeat_at": START - timedelta(minutes=59)}, Lifetime(10.0, 0.0, was_lost=False)),
        ({"last_heartbeat_at": START - 5 * HOUR}, Lifetime(10.0, 5.0, was_lost=False)),
        ({"began_at": START + HOUR}, Lifetime(0.0, 0.0, was_lost=False)),
    ],
)
def test_an_instance_was_there_until_the_first_thing_that_ended_it(changes: dict[str, datetime], expected: Lifetime) -> None:
    assert lifetime_of(replace(LIVES, **changes), START) == expected


def test_a_record_adds_up_what_lies_in_the_lookback() -> None:
    old = Lifetime(LOOKBACK_HOURS + 50, LOOKBACK_HOURS + 40, was_lost=True)

    found = record_of([Lifetime(10.0, 4.0, was_lost=True), Lifetime(LOOKBACK_HOURS + 5, LOOKBACK_HOURS - 1, was_lost=False), old])

    assert found == Record(instance_hours=7.0, losses=1, newest_loss_hours_ago=4.0)
    assert record_of([]) == Record(0.0, 0, None)
