"""Instances that serve side by side: when the shipped model wants one more, and where."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.decision_models.answers import Decision, check_decision
from spot_server.decision_models.expected_cost import ExpectedCost
from spot_server.decision_models.inputs import (
    AgentSettings,
    Candidate,
    DecisionInput,
    Experience,
    Market,
    PoolRisk,
    ServingMachine,
    ServingReplicas,
    Situation,
)
from spot_server.decision_models.serving import shortfalls_per_hour
from spot_server.words import Action, Mode, Role

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ON_DEMAND = Market(Mode.ON_DEMAND, "m7i.large", "use1-az1", Decimal(3), None)
RISK = PoolRisk(0.05, 0.5, 0.3, 0.7, "our own losses")
ZONES = ("use1-az1", "use1-az2", "use1-az3", "use1-az4")
SPOT = {zone: Market(Mode.SPOT, "m7i.large", zone, Decimal(1), None, risk=RISK) for zone in ZONES}


def on_spot(zone: str, losses_per_hour: float = 0.01, starting_seconds_left: float = 0.0) -> ServingMachine:
    return ServingMachine(SPOT[zone].key, Mode.SPOT, losses_per_hour, starting_seconds_left)


def on_demand() -> ServingMachine:
    return ServingMachine(ON_DEMAND.key, Mode.ON_DEMAND, 0.0, 0.0)


def decided(
    machines: Sequence[ServingMachine], *, without: Sequence[str] = (), value_per_minute_usd: str = "6", enabled: bool = True
) -> Decision:
    """Ask for three that serve; a loss lasts two minutes, so at 6 USD a minute it costs 12. `without`: zones that have no capacity."""
    given = DecisionInput(
        decided_at=NOW,
        agent_id="a",
        situation=Situation(Role.PRIMARY, ON_DEMAND, 0.0, 0.0, Decimal(3)),
        candidates=(
            *(Candidate(market, "no capacity" if zone in without else None) for zone, market in SPOT.items()),
            Candidate(ON_DEMAND),
        ),
        settings=AgentSettings(
            enabled=enabled,
            auto_switch_enabled=True,
            manual_replica_enabled=False,
            early_replica_on_warning=True,
            value_per_minute_usd=Decimal(value_per_minute_usd),
            moves_per_day=48,
            min_saving_percent=10,
            terminate_wait_seconds=0,
        ),
        experience=Experience(None, 120.0, 0, None, None, 0, is_moving=False, live_replicas=0),
        objective=ServingReplicas(3, tuple(machines)),
    )
    return check_decision(given, ExpectedCost().decide(given))


def test_what_is_missing_goes_on_spot_in_a_pool_where_none_is() -> None:
    decision = decided([on_spot("use1-az1"), on_spot("use1-az2")], without=["use1-az4"])

    assert (decision.action, decision.target) == (Action.CREATE_REPLICA, SPOT["use1-az3"].key)
    assert "2 of 3" in decision.reasoning


def test_what_is_missing_goes_on_demand_where_there_is_no_spot_capacity() -> None:
    decision = decided([on_spot("use1-az1"), on_spot("use1-az2")], without=list(SPOT))

    assert (decision.action, decision.target) == (Action.CREATE_REPLICA, ON_DEMAND.key)


def test_one_that_is_starting_counts_as_there() -> None:
    starting = [on_spot("use1-az1"), on_spot("use1-az2"), on_spot("use1-az3", starting_seconds_left=90.0)]

    assert decided(starting, without=list(SPOT)).action is Action.STAY


def test_a_spare_on_demand_is_kept_only_where_losses_are_likely_and_no_spot_capacity_is_left() -> None:
    # Three an hour of 0.05 each cost 1.80 USD, those of 0.10 each 3.60, and an hour on demand 3.
    old = [on_spot(zone, 0.05) for zone in list(SPOT)[:3]]
    young = [on_spot(zone, 0.10) for zone in list(SPOT)[:3]]

    assert decided(old, without=list(SPOT)).action is Action.STAY
    assert decided(young, without=list(SPOT)).target == ON_DEMAND.key
    assert decided(old).target == SPOT["use1-az4"].key


def test_a_spare_that_costs_more_than_what_it_spares_is_not_wanted() -> None:
    old = [on_spot(zone, 0.01) for zone in list(SPOT)[:3]]

    assert decided(old).action is Action.STAY
    assert decided([on_spot(zone, 2.0) for zone in list(SPOT)[:3]], value_per_minute_usd="0").action is Action.STAY


def test_spot_capacity_is_taken_for_what_stands_in_on_demand_once() -> None:
    standing_in = [on_demand(), on_spot("use1-az1"), on_spot("use1-az2")]

    decision = decided(standing_in)
    again = decided([*standing_in, on_spot("use1-az3", starting_seconds_left=60.0)])

    assert (decision.action, decision.target) == (Action.CREATE_REPLICA, SPOT["use1-az4"].key)
    assert again.action is Action.STAY


def test_a_service_that_is_disabled_is_left_alone() -> None:
    assert decided([], enabled=False).action is Action.NO_ACTION


@pytest.mark.parametrize(
    ("machines", "shortfalls"),
    [
        ([on_spot("use1-az1", 0.3), on_spot("use1-az2", 0.2), on_demand()], 0.5),
        # Two of one pool are lost together, and count once.
        ([on_spot("use1-az1", 0.3), on_spot("use1-az1", 0.2), on_demand()], 0.3),
        # With one to spare it takes two of one pool.
        ([on_spot("use1-az1", 0.3), on_spot("use1-az1", 0.2), on_spot("use1-az2", 0.5), on_demand()], 0.3),
        ([on_spot("use1-az1", 0.3), on_demand(), on_demand(), on_demand()], 0.0),
    ],
)
def test_losses_that_leave_fewer_than_are_wanted(machines: list[ServingMachine], shortfalls: float) -> None:
    assert shortfalls_per_hour(machines, 3) == pytest.approx(shortfalls)


@given(st.lists(st.tuples(st.sampled_from(sorted(SPOT)), st.floats(0.0, 10.0)), max_size=6), st.integers(1, 5))
def test_one_more_on_demand_never_means_more_shortfalls(told: list[tuple[str, float]], wanted: int) -> None:
    machines = [on_spot(zone, losses) for zone, losses in told]

    assert 0.0 <= shortfalls_per_hour([*machines, on_demand()], wanted) <= shortfalls_per_hour(machines, wanted) + 1e-12
