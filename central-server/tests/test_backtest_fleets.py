"""Machines that serve, played over made-up capacity: what each policy pays and how much it serves, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spot_server.backtest.fleet import FleetPolicy, FleetTerms, FleetWorld, join, play_fleet
from spot_server.backtest.fleet_bound import fleet_bound
from spot_server.backtest.fleet_policies import CheapestSpotFleet, EvenSpreadFleet, OnDemandFleet, RoundRobinFleet, SpotHedgeFleet
from spot_server.backtest.ours_fleet import OurFleet
from spot_server.backtest.ours_input import PoolNames, TracedMarkets
from spot_server.backtest.ours_service import OurService
from spot_server.backtest.policies import shipped_model
from spot_server.backtest.risks import TracedRisks
from spot_server.backtest.terms import ON_DEMAND, ImpossibleTerms
from spot_server.features.risk.evidence_rules import PoolKey
from spot_server.features.risk.model import load_model

# Two machines, one tick to start, spot at a third of the price; ticks of the trace are two steps long.
TERMS = FleetTerms(wanted=2, price_ratio=3.0, cold_start_seconds=30.0, step_seconds=30.0)
SINGLE = replace(TERMS, wanted=1)
GAP = 60.0
ZONES = ("us-west-2a", "us-west-2b")
Capacities = Sequence[tuple[int, ...]]


def ours(capacities: Capacities, value_per_minute_usd: str = "0.10") -> OurService:
    """Return our policy for two zones and several machines."""
    return OurService(shipped_model(), markets(capacities), Decimal(value_per_minute_usd))


def our_single(capacities: Capacities) -> OurFleet:
    """Return our policy for one machine."""
    return OurFleet(shipped_model(), markets(capacities, SINGLE), Decimal("0.10"))


def markets(capacities: Capacities, terms: FleetTerms = TERMS) -> TracedMarkets:
    keys = [PoolKey("us-west-2", zone, "p3.2xlarge") for zone in ZONES]
    return TracedMarkets(PoolNames(ZONES), TracedRisks(load_model(), keys, capacities, GAP), terms)


PUBLISHED: tuple[Callable[[], FleetPolicy], ...] = (OnDemandFleet, CheapestSpotFleet, EvenSpreadFleet, RoundRobinFleet, SpotHedgeFleet)


def test_on_demand_serves_after_its_start_and_is_the_measure_of_cost() -> None:
    result = play_fleet(OnDemandFleet(), TERMS, [(0, 0)] * 5, GAP)

    assert result.cost == pytest.approx(1.0)
    assert result.availability == pytest.approx(0.9)
    assert (result.launches, result.losses) == (2, 0)


def test_a_lost_machine_is_replaced_on_demand_and_spot_is_gone_back_to() -> None:
    # Steps 0-1: both on spot. Steps 2-3: one is lost, one on demand in its place, which serves at step 3. Steps 4-5: spot again;
    # on demand until that serves at step 5.
    result = play_fleet(CheapestSpotFleet(), TERMS, [(1, 1), (1, 0), (1, 1)], GAP)

    spot, on_demand = (2 + 2 + 1 + 1 + 2 + 2) / 3, 1 + 1 + 1
    assert result.cost == pytest.approx((spot + on_demand) / 12)
    assert (result.losses, result.losses_survived, result.launches) == (1, 0, 4)
    assert result.availability == pytest.approx(4 / 6)


def test_even_spread_binds_machines_to_pools_and_round_robin_does_not() -> None:
    capacities = [(0, 3)] * 10

    even = play_fleet(EvenSpreadFleet(), TERMS, capacities, GAP)
    robin = play_fleet(RoundRobinFleet(), TERMS, capacities, GAP)

    # Three machines (one extra), two of them bound to the first pool, which has nothing.
    assert (even.availability, even.launches) == (0.0, 1)
    assert even.cost == pytest.approx(20 / 3 / 40)
    # It asks both pools in turn: of the first three tries one succeeds, and the second step gives the rest.
    assert (robin.launches, robin.losses) == (3, 0)
    assert robin.availability > 0.8


def test_spothedge_holds_one_more_on_spot_and_survives_a_loss() -> None:
    # The first pool takes one of its two at the third tick: one of three is gone, two serve on; it is asked for in the other pool.
    result = play_fleet(SpotHedgeFleet(), TERMS, [(2, 1)] * 2 + [(1, 2)] * 2, GAP)

    assert (result.losses, result.losses_survived) == (1, 1)
    assert result.availability == pytest.approx(7 / 8)


def test_the_youngest_of_a_pool_are_lost_and_a_full_pool_refuses() -> None:
    world = FleetWorld(TERMS, pool_count=1)
    world.take((2,))
    first, second, third = (world.launch(0) for _ in range(3))

    world.take((1,))

    assert third is None
    assert first is not None
    assert second is not None
    assert (list(world.machines), world.lost, world.refusals, world.losses) == ([first.number], (second,), 1, 1)
    assert world.launch(ON_DEMAND) is not None


def test_ours_goes_on_demand_where_there_is_no_spot_capacity_and_back_when_there_is() -> None:
    # Half an hour without any spot capacity, then a day with it.
    capacities: Capacities = [(0, 0)] * 30 + [(1, 1)] * 1410
    result = play_fleet(ours(capacities), TERMS, capacities, GAP)

    assert result.availability > 0.99
    assert result.cost < 0.5


def test_ours_gives_an_on_demand_stand_in_up_when_a_spot_machine_can_serve() -> None:
    # A minute without spot, then capacity for one in each zone: each replaces one on demand after the cool-down of three minutes.
    capacities: Capacities = [(0, 0)] + [(1, 1)] * 9
    policy = ours(capacities, "0.00")

    result = play_fleet(policy, TERMS, capacities, GAP)

    # On demand from 0:00; both pools are asked again at 3:00, serve from 3:30, and on demand ends then: 7 steps of 20.
    assert result.cost == pytest.approx((2 * 7 + 2 * 14 / 3) / 40)
    assert (result.launches, result.losses) == (4, 0)
    assert result.availability == pytest.approx(19 / 20)


def test_ours_keeps_a_spare_only_where_downtime_is_worth_something() -> None:
    # The second pool comes and goes every ten minutes: at nothing a minute each of its losses is a gap, at much on demand stands by.
    capacities: Capacities = [(1, 1 - tick // 10 % 2) for tick in range(180)]

    cheap = play_fleet(ours(capacities, "0.00"), TERMS, capacities, GAP)
    dear = play_fleet(ours(capacities, "1000"), TERMS, capacities, GAP)

    assert cheap.losses_survived == 0 < cheap.losses
    assert dear.losses_survived > 0
    assert dear.cost > cheap.cost


def test_ours_leaves_a_pool_alone_that_took_a_machine() -> None:
    # The first pool is back at the next tick, a minute later; within its three minutes only the second one is asked.
    capacities: Capacities = [(1, 1), (0, 1), (1, 1), (1, 1), (1, 1)]
    policy = ours(capacities, "0.00")

    result = play_fleet(policy, TERMS, capacities, GAP)

    # One of the two on spot is lost at 1:00 and stands on demand until 4:30, half a minute after the pool is asked again.
    assert (result.launches, result.losses) == (4, 1)
    assert result.cost == pytest.approx((10 + 2 + 2) / 3 / 20 + 7 / 20)


def test_a_single_machine_serves_on_spot_and_is_replaced_in_the_other_zone() -> None:
    capacities: Capacities = [(1, 1)] * 30 + [(0, 1)] * 30

    result = play_fleet(our_single(capacities), SINGLE, capacities, GAP)

    assert result.cost < 0.6
    assert result.availability > 0.95
    assert result.losses <= 1


def test_ours_sees_no_capacity_before_it_is_there() -> None:
    calm: Capacities = [(1, 1)] * 120
    stormy: Capacities = [*calm[:60], *((tick % 2, 1 - tick % 2) for tick in range(60))]
    keys = [PoolKey("us-west-2", zone, "p3.2xlarge") for zone in ZONES]
    before = [TracedRisks(load_model(), keys, trace, GAP).at(3599.0) for trace in (calm, stormy)]
    after = [TracedRisks(load_model(), keys, trace, GAP).at(7200.0) for trace in (calm, stormy)]

    assert before[0] == before[1]
    assert after[0] != after[1]


def test_what_was_recorded_before_counts_as_known() -> None:
    stormy: Capacities = [(tick % 2, 1 - tick % 2) for tick in range(300)] + [(1, 1)] * 60
    keys = [PoolKey("us-west-2", zone, "p3.2xlarge") for zone in ZONES]

    fresh = TracedRisks(load_model(), keys, stormy[300:], GAP).at(0.0)
    knowing = TracedRisks(load_model(), keys, stormy, GAP, known_ticks=300).at(0.0)

    assert knowing[0].risk.chance_per_hour > fresh[0].risk.chance_per_hour


@settings(deadline=None, max_examples=25)
@given(capacities=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=5, max_size=25))
def test_no_policy_costs_less_than_the_optimum_of_what_it_served(capacities: Capacities) -> None:
    bound = fleet_bound(TERMS, capacities)

    for policy in (*(make() for make in PUBLISHED), ours(capacities), ours(capacities, "8")):
        result = play_fleet(policy, TERMS, capacities, GAP)
        assert result.cost >= result.optimum - 1e-9
        assert result.optimum <= bound + 1e-9
        assert 0 <= result.losses_survived <= result.losses
        assert 0.0 <= result.availability <= result.served <= 1.0


def test_stretches_count_by_their_length() -> None:
    one = play_fleet(OnDemandFleet(), TERMS, [(0, 0)] * 5, GAP)
    other = play_fleet(CheapestSpotFleet(), TERMS, [(2, 0)] * 15, GAP)

    joined = join([one, other])

    assert joined.cost == pytest.approx((one.cost + 3 * other.cost) / 4)
    assert joined.launches == 4
    assert joined.hours == pytest.approx(20 / 60)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ((0, 3.0, 120.0), "replicas 0"),
        ((101, 3.0, 120.0), "replicas 101"),
        ((3, 0.5, 120.0), "price ratio"),
        ((3, 3.0, -1.0), "cold start"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused(terms: tuple[int, float, float], said: str) -> None:
    with pytest.raises(ImpossibleTerms, match=said):
        FleetTerms(*terms)
