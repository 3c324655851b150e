"""What instances that lived and were lost say about a pool: fading, censored where we ended them, and shared with siblings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.risk.evidence_rules import (
    LOOKBACK_HOURS,
    NOTHING,
    Evidence,
    Expectation,
    Lifetime,
    PoolKey,
    PoolTallies,
    tally_pool,
    weigh_pools,
)
from spot_server.features.risk.model import load_model
from spot_server.features.risk.rules import loss_chances

MODEL = load_model()
POOL = PoolKey("us-east-1", "use1-az1", "m5.large")
SAME_TYPE = PoolKey("us-east-1", "use1-az2", "m5.large")
SAME_ZONE = PoolKey("us-east-1", "use1-az1", "c5.large")
ELSEWHERE = PoolKey("eu-west-1", "euw1-az1", "m5.large")
ALL = dict.fromkeys((POOL, SAME_TYPE, SAME_ZONE, ELSEWHERE), MODEL.band_multiples[1])


@st.composite
def lifetimes(draw: st.DrawFn) -> Lifetime:
    ended = draw(st.one_of(st.just(0.0), st.floats(0, 900)))
    return Lifetime(ended + draw(st.floats(0, 400)), ended, draw(st.booleans()))


def chance(tallies: dict[PoolKey, PoolTallies], pool: PoolKey = POOL) -> float:
    return loss_chances(MODEL, weigh_pools(MODEL, tallies, ALL)[pool], 1.0).hour.chance


def weighed(pool: PoolKey, *lived: Lifetime) -> Evidence:
    return weigh_pools(MODEL, {pool: tally_pool(MODEL, lived)}, ALL)[POOL]


@given(st.floats(0, 300), st.floats(0, 300), st.floats(0, 300), st.floats(0, 500))
def test_what_is_expected_of_two_stretches_is_what_is_expected_of_the_whole(begin: float, first: float, second: float, ago: float) -> None:
    expected, middle, end = Expectation.of(MODEL, 12.0).losses, begin + first, begin + first + second

    parts = expected(begin, middle, ago + second) + expected(middle, end, ago)

    assert parts == pytest.approx(expected(begin, end, ago), abs=1e-9)


@given(st.floats(0, 40_000), st.floats(0, 200), st.floats(0, 500), st.sampled_from([6.0, 168.0]))
def test_what_is_expected_lies_between_what_the_least_and_the_largest_hazard_would_make(
    begin: float, hours: float, ago: float, half_life: float
) -> None:
    found = Expectation.of(MODEL, half_life).losses(begin, begin + hours, ago)

    decayed = half_life / math.log(2) * (2 ** (-ago / half_life) - 2 ** (-(ago + hours) / half_life))
    least, largest = min(MODEL.base_losses_per_hour), max(MODEL.base_losses_per_hour)
    assert least * decayed - 1e-9 <= found <= largest * decayed + 1e-9


def test_an_hour_from_an_edge_on_expects_an_hour_of_its_piece() -> None:
    # Nothing decays over one hour of a half-life of ten thousand years.
    expectation = Expectation.of(MODEL, 1e8)

    assert expectation.losses(2.0, 3.0, 0.0) == pytest.approx(MODEL.base_losses_per_hour[MODEL.age_edges_hours.index(2.0)], rel=1e-5)
    assert expectation.losses(70.0, 71.0, 0.0) == pytest.approx(MODEL.base_losses_per_hour[-1], rel=1e-5)


@given(st.lists(lifetimes(), max_size=8))
def test_a_tally_is_never_negative_and_no_more_than_what_there_was(lived: list[Lifetime]) -> None:
    for tally in (found := tally_pool(MODEL, lived)).level, found.own, found.sibling:
        assert 0.0 <= tally.losses <= sum(one.was_lost for one in lived)
        assert tally.expected >= 0.0


@given(st.lists(lifetimes(), max_size=5), st.floats(0, 50), st.sampled_from([POOL, SAME_TYPE, SAME_ZONE, ELSEWHERE]))
def test_that_an_instance_is_lost_now_never_lowers_the_chance_of_loss_anywhere(lived: list[Lifetime], hours: float, pool: PoolKey) -> None:
    spared, lost = ([*lived, Lifetime(hours + 0.1, 0.0, was_lost)] for was_lost in (False, True))
    others = {other: tally_pool(MODEL, lived) for other in ALL}

    before, after = (chance({**others, pool: tally_pool(MODEL, one)}) for one in (spared, lost))

    assert after >= before - 1e-12


def test_an_instance_that_we_ended_ourselves_speaks_for_its_pool_as_one_that_still_runs_does() -> None:
    ended, lost = weighed(POOL, Lifetime(200.0, 100.0, was_lost=False)), weighed(POOL, Lifetime(200.0, 100.0, was_lost=True))

    assert ended.log_level < math.log(ALL[POOL]) < lost.log_level


def test_a_loss_counts_less_from_half_life_to_half_life_and_not_at_all_after_the_lookback() -> None:
    def losses(days_ago: float) -> float:
        return tally_pool(MODEL, [Lifetime(24 * days_ago + 1, 24 * days_ago, was_lost=True)]).level.losses

    assert losses(7) == pytest.approx(losses(0) / 2)
    assert losses(LOOKBACK_HOURS / 24 + 1) == 0.0


def test_many_that_are_lost_side_by_side_count_as_one() -> None:
    one = tally_pool(MODEL, [Lifetime(50.0, 2.0, was_lost=True)])
    ten = tally_pool(MODEL, [Lifetime(50.0, 2.0, was_lost=True)] * 10)

    assert ten.level == pytest.approx(one.level)


def test_one_after_the_other_counts_each() -> None:
    tally = tally_pool(MODEL, [Lifetime(10.0 - hour, 9.0 - hour, was_lost=True) for hour in range(9)])

    assert tally.level.losses == pytest.approx(9.0, rel=0.05)


def test_losses_of_the_same_type_and_in_the_same_zone_count_and_those_of_another_region_do_not() -> None:
    lost = Lifetime(30.0, 0.1, was_lost=True)
    nothing = chance({})

    assert chance({SAME_TYPE: tally_pool(MODEL, [lost])}) > chance({SAME_ZONE: tally_pool(MODEL, [lost])}) > nothing
    assert chance({ELSEWHERE: tally_pool(MODEL, [lost])}) == nothing


def test_a_pool_without_instances_has_its_band_to_go_by() -> None:
    found = weigh_pools(MODEL, {}, {POOL: MODEL.band_multiples[4]})[POOL]

    assert found.log_level == pytest.approx(math.log(MODEL.band_multiples[4]))
    assert (found.decayed_losses, found.own_log_ratio, found.type_log_ratio, found.zone_log_ratio) == (0.0, 0.0, 0.0, 0.0)
    assert tally_pool(MODEL, []) == NOTHING


def test_what_an_instance_outlived_before_it_came_to_us_is_not_counted_and_its_age_is() -> None:
    old, young = Lifetime(100.0, 0.0, was_lost=True, watched_hours_ago=1.0), Lifetime(1.0, 0.0, was_lost=True)
    whole = Lifetime(100.0, 0.0, was_lost=True)
    expectation = Expectation.of(MODEL, MODEL.level_half_life_hours)

    assert tally_pool(MODEL, [old]).level.expected == pytest.approx(expectation.losses(99.0, 100.0, 0.0))
    assert tally_pool(MODEL, [old]).level.expected < tally_pool(MODEL, [young]).level.expected < tally_pool(MODEL, [whole]).level.expected
    # Side by side for an hour of the two: they count as one for as long as both were watched.
    assert tally_pool(MODEL, [old, young]).level.losses == pytest.approx(1.0)
