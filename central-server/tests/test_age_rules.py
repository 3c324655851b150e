"""Since when an instance runs: EC2's word and the server's clock bound what its own clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.instances.age_rules import began_at, possible_boot, possible_launch

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LAUNCHED = START - HOUR
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

moments = st.timedeltas(-timedelta(days=30_000), timedelta(days=400)).map(lambda offset: START + offset)
perhaps = st.none() | moments


@pytest.mark.parametrize(
    ("launched", "expected"),
    [(None, None), (LAUNCHED, LAUNCHED), (START + HOUR, START), (LONG_AGO, None), (datetime(2020, 1, 1, tzinfo=UTC),) * 2],
)
def test_a_launch_lies_between_the_first_day_of_ec2_and_now(launched: datetime | None, expected: datetime | None) -> None:
    assert possible_launch(launched, START) == expected


@pytest.mark.parametrize(
    ("launched", "booted", "expected"),
    [
        (LAUNCHED, LAUNCHED + MINUTE, LAUNCHED + MINUTE),
        (LAUNCHED, LAUNCHED - 17 * HOUR, LAUNCHED),
        (LAUNCHED, LONG_AGO, LAUNCHED),
        (LAUNCHED, START + MINUTE, None),
        (None, LAUNCHED, LAUNCHED),
        (None, LONG_AGO, None),
        (None, START + 700 * HOUR, None),
        (LAUNCHED, None, None),
    ],
)
def test_a_boot_lies_between_the_launch_and_now(launched: datetime | None, booted: datetime | None, expected: datetime | None) -> None:
    assert possible_boot(launched, booted, START) == expected


def test_an_instance_runs_from_its_boot_else_its_launch_else_its_registration() -> None:
    assert began_at(LAUNCHED, LAUNCHED + MINUTE, START) == LAUNCHED + MINUTE
    assert began_at(LAUNCHED, None, START) == LAUNCHED
    assert began_at(None, LAUNCHED, START) == START


def test_one_that_was_booted_again_runs_from_its_launch_on() -> None:
    """EC2 takes it or leaves it by how long it holds its machine, which a reboot does not change."""
    assert began_at(LAUNCHED, START + MINUTE, START) == LAUNCHED


@given(perhaps, perhaps, moments)
def test_no_clock_makes_an_instance_older_than_ec2s_word_or_younger_than_its_registration(
    launched: datetime | None, booted: datetime | None, registered: datetime
) -> None:
    began = began_at(launched, booted, registered)

    assert began <= registered
    assert began >= min(registered, launched or registered)


@given(perhaps, perhaps)
def test_what_is_kept_can_have_been(launched: datetime | None, booted: datetime | None) -> None:
    kept = possible_launch(launched, START)
    boot = possible_boot(kept, booted, START)

    assert kept is None or kept <= START
    assert boot is None or (kept or LONG_AGO) <= boot <= START
