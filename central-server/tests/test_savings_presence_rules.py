"""From when until when an instance is paid for, as the books say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.savings.calendar_rules import Stretch
from spot_server.features.savings.presence_rules import MINIMUM_PAID, Presence, RoleChange, paid_stretch, purposes_of
from spot_server.features.savings.projection_rules import project
from spot_server.features.savings.rules import Purpose
from spot_server.words import Mode, Role

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=6)


def moment(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


LAUNCHED = Presence(
    instance_id="i-2",
    instance_type="m5.large",
    region="us-east-1",
    az_id="use1-az1",
    product="Linux/UNIX",
    mode=Mode.SPOT,
    role=Role.PRIMARY,
    launched_at=moment(0),
    booted_at=moment(1),
    registered_at=moment(2),
    last_heartbeat_at=moment(359),
    ended_at=None,
)


def test_one_that_we_had_launched_is_paid_from_its_boot_on() -> None:
    assert paid_stretch(LAUNCHED, NOW) == Stretch(moment(1), NOW)


def test_a_boot_that_cannot_have_been_gives_way_to_the_launch() -> None:
    assert paid_stretch(replace(LAUNCHED, booted_at=moment(-500)), NOW).since == moment(0)
    assert paid_stretch(replace(LAUNCHED, booted_at=moment(3)), NOW).since == moment(0)


def test_an_agents_first_instance_is_paid_from_its_registration_on() -> None:
    first = replace(LAUNCHED, launched_at=None, booted_at=moment(-10_000))

    assert paid_stretch(first, NOW).since == moment(2)


def test_an_instance_that_was_never_registered_is_paid_from_launch_to_end() -> None:
    failed = replace(LAUNCHED, role=None, booted_at=None, registered_at=None, last_heartbeat_at=None, ended_at=moment(15))

    assert paid_stretch(failed, NOW) == Stretch(moment(0), moment(15))
    assert purposes_of(failed) == [(moment(0), Purpose.REPLICA)]


def test_the_end_is_when_ec2_took_it_not_when_we_learned_of_it() -> None:
    ended = replace(LAUNCHED, ended_at=moment(60), last_heartbeat_at=moment(57))

    assert paid_stretch(replace(ended, announced_ends=[moment(58)]), NOW).until == moment(58)
    assert paid_stretch(replace(ended, asked_end_at=moment(59)), NOW).until == moment(59)


def test_a_notice_that_was_outlived_ends_nothing() -> None:
    ended = replace(LAUNCHED, ended_at=moment(60), last_heartbeat_at=moment(59), announced_ends=[moment(30)])

    assert paid_stretch(ended, NOW).until == moment(60)


def test_of_several_notices_the_first_that_was_not_outlived_ends_it() -> None:
    ended = replace(LAUNCHED, ended_at=moment(60), last_heartbeat_at=moment(50), announced_ends=[moment(55), moment(30), moment(52)])

    assert paid_stretch(ended, NOW).until == moment(52)


def test_a_notice_for_one_that_still_runs_ends_nothing() -> None:
    assert paid_stretch(replace(LAUNCHED, announced_ends=[moment(30)], last_heartbeat_at=moment(29)), NOW).until == NOW


def test_a_few_seconds_are_paid_as_a_minute() -> None:
    short = replace(LAUNCHED, ended_at=moment(1.2), registered_at=moment(1.1))

    assert paid_stretch(short, NOW).length == MINIMUM_PAID


@given(*[st.none() | st.integers(-1_000, 1_000)] * 3, st.integers(-1_000, 1_000))
def test_nothing_is_paid_backwards(booted: int | None, announced: int | None, asked: int | None, ended: int) -> None:
    moments = [None if one is None else moment(one) for one in (booted, asked)]
    ends = [] if announced is None else [moment(announced)]
    known = replace(LAUNCHED, booted_at=moments[0], announced_ends=ends, asked_end_at=moments[1], ended_at=moment(ended))

    paid = paid_stretch(known, NOW)

    assert paid.since < paid.until
    assert paid.length >= MINIMUM_PAID


def test_what_it_was_to_its_agent_is_read_back_from_its_changes() -> None:
    changes = [RoleChange(moment(5), Role.REPLICA, Role.PRIMARY), RoleChange(moment(90), Role.PRIMARY, Role.ZOMBIE)]
    gone = RoleChange(moment(99), Role.ZOMBIE, Role.TERMINATED)

    found = purposes_of(replace(LAUNCHED, role=Role.TERMINATED, changes=[*changes, gone]))

    assert found == [(moment(1), Purpose.REPLICA), (moment(5), Purpose.PRIMARY), (moment(90), Purpose.OVERLAP)]


def test_without_a_change_it_was_all_the_time_what_it_is() -> None:
    assert purposes_of(LAUNCHED) == [(moment(1), Purpose.PRIMARY)]
    assert purposes_of(replace(LAUNCHED, role=Role.ZOMBIE)) == [(moment(1), Purpose.OVERLAP)]


def test_equal_days_project_without_a_spread() -> None:
    projected = project(Decimal(10), Decimal(20), [Decimal("1.5")] * 10)

    assert projected is not None
    assert (projected.expected_usd, projected.low_usd, projected.high_usd) == (Decimal("40.00"),) * 3


def test_the_interval_is_that_of_a_sum_of_days_to_come() -> None:
    """By hand: the mean is 2, s is 1; with n = 3, t is 4.303; for 3 days sqrt(3 + 9 / 3) = 2.4495."""
    projected = project(Decimal(0), Decimal(3), [Decimal(1), Decimal(2), Decimal(3)])

    assert projected is not None
    assert (projected.expected_usd, projected.low_usd, projected.high_usd) == (Decimal("6.00"), Decimal("-4.54"), Decimal("16.54"))
    assert projected.basis_days == 3


def test_one_day_projects_without_an_interval_and_none_projects_nothing() -> None:
    one = project(Decimal(1), Decimal(2), [Decimal(-3)])

    assert one is not None
    assert (one.expected_usd, one.low_usd, one.high_usd) == (Decimal("-5.00"), None, None)
    assert project(Decimal(1), Decimal(2), []) is None


@given(st.lists(st.decimals(-100, 100, places=2), min_size=2, max_size=60), st.decimals(0, 31, places=3))
def test_what_is_expected_lies_within_its_interval(daily: list[Decimal], left: Decimal) -> None:
    projected = project(Decimal(0), left, daily)

    assert projected is not None
    assert projected.low_usd is not None
    assert projected.high_usd is not None
    assert projected.low_usd <= projected.expected_usd <= projected.high_usd
    assert projected.basis_days == min(30, len(daily))
