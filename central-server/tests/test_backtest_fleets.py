"""Machines that serve, played over made-up capacity: what each policy pays and how much it serves, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spot_server.backtest.fleet import ON_DEMAND, FleetPolicy, FleetTerms, FleetWorld, join, play_fleet
from spot_server.backtest.fleet_bound import fleet_bound
from spot_server.backtest.fleet_policies import CheapestSpotFleet, EvenSpreadFleet, OnDemandFleet, RoundRobinFleet, SpotHedgeFleet
from spot_server.backtest.ours_fleet import OurFleet
from spot_server.backtest.ours_input import PoolNames, TracedMarkets
from spot_server.backtest.policies import shipped_model
from spot_server.backtest.risks import TracedRisks
from spot_server.backtest.terms import ImpossibleTerms
from spot_server.features.risk.evidence_rules import PoolKey
from spot_server.features.risk.model import load_model

# Two machines, one tick to start, spot at a third of the price; ticks of the trace are two steps long.
TERMS = FleetTerms(wanted=2, price_ratio=3.0, cold_start_seconds=30.0, step_seconds=30.0)
GAP = 60.0
ZONES = ("us-west-2a", "us-west-2b")
Capacities = Sequence[tuple[int, ...]]


def ours(capacities: Capacities, terms: FleetTerms = TERMS, known_ticks: int = 0) -> OurFleet:
    """Return our policy for two zones."""
    keys = [PoolKey("us-west-2", zone, "p3.2xlarge") for zone in ZONES]
    risks = TracedRisks(load_model(), keys, capacities, GAP, known_ticks=known_ticks)
    return OurFleet(shipped_model(), TracedMarkets(PoolNames(ZONES), risks, terms), Decimal("0.10"))


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

    for policy in (*(make() for make in PUBLISHED), ours(capacities)):
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
