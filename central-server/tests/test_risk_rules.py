"""Chances of loss: bounded, in order, within their intervals, and never lower for more losses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.risk.evidence_rules import Evidence
from spot_server.features.risk.model import load_model
from spot_server.features.risk.rules import Estimate, LossChances, age_steps, chance_at_age, loss_chances, risk_score

MODEL = load_model()
QUIET = Evidence(log_level=math.log(MODEL.band_multiples[0]), decayed_losses=0.0)

ratios = st.floats(-4, 6)
ages = st.floats(0, 5000)
evidences = st.builds(
    Evidence,
    log_level=st.floats(-12, 5),
    decayed_losses=st.floats(0, 500),
    own_log_ratio=ratios,
    type_log_ratio=ratios,
    zone_log_ratio=ratios,
)


def estimates(chances: LossChances) -> list[Estimate]:
    return [chances.hour, chances.day]


@given(evidences, ages)
def test_chances_lie_between_0_and_1_within_their_intervals_and_a_day_is_no_safer_than_an_hour(evidence: Evidence, age: float) -> None:
    found = loss_chances(MODEL, evidence, age)

    assert all(0.0 <= one.low <= one.chance <= one.high <= 1.0 for one in estimates(found))
    assert all(hour <= day for hour, day in zip(found.hour, found.day, strict=True))


@given(evidences, ages, st.sampled_from(["log_level", "own_log_ratio", "type_log_ratio", "zone_log_ratio"]), st.floats(0, 3))
def test_no_kind_of_evidence_for_more_losses_lowers_a_chance(evidence: Evidence, age: float, name: str, more: float) -> None:
    worse = replace(evidence, **{name: getattr(evidence, name) + more})

    before, after = loss_chances(MODEL, evidence, age), loss_chances(MODEL, worse, age)

    assert after.hour.chance >= before.hour.chance
    assert after.day.chance >= before.day.chance


@given(st.floats(0, 100), st.floats(0, 100))
def test_the_interval_is_narrower_where_more_losses_were_seen(few: float, more: float) -> None:
    def width(losses: float) -> float:
        hour = loss_chances(MODEL, replace(QUIET, decayed_losses=losses), 1.0).hour
        return math.log(hour.high / hour.low)

    assert width(few + more) <= width(few) + 1e-9


def test_an_instance_that_has_lived_long_is_safer_than_one_that_has_just_begun() -> None:
    chances = [loss_chances(MODEL, QUIET, age).hour.chance for age in (0.0, 1.0, 4.0, 16.0, 64.0)]

    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 5 * chances[-1]


def test_a_pool_of_the_lowest_band_that_never_lost_anything_is_not_taken_for_one_of_the_traces() -> None:
    worst = loss_chances(MODEL, Evidence(log_level=0.0, decayed_losses=10.0), 0.0)
    quiet = loss_chances(MODEL, QUIET, 0.0)

    assert quiet.day.chance < 0.02
    assert worst.hour.chance > 0.4


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_score_follows_the_chance(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert 0 <= risk_score(low) <= risk_score(high) <= 100


def test_twenty_points_of_the_score_are_ten_times_the_hazard() -> None:
    assert [risk_score(-math.expm1(-hazard)) for hazard in (1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 50.0)] == [
        0,
        0,
        20,
        40,
        60,
        80,
        100,
        100,
    ]


@given(ages)
def test_an_age_has_come_some_of_the_way_between_the_knots_and_all_of_those_behind_it(age: float) -> None:
    steps = age_steps(MODEL.age_knots_log2, age)

    assert all(0.0 <= step <= 1.0 for step in steps)
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize(("age", "chance"), [(-1.0, 0.5), (0.0, 0.5), (1.0, 0.3), (4.0, 0.1), (99.0, 0.1)])
def test_between_two_ages_the_chance_is_between_theirs(age: float, chance: float) -> None:
    assert chance_at_age((0.0, 1.0, 4.0), (0.5, 0.3, 0.1), age) == pytest.approx(chance)
    assert 0.1 < chance_at_age((0.0, 1.0, 4.0), (0.5, 0.3, 0.1), 2.0) < 0.3
