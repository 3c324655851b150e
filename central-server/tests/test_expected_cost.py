"""The built-in model: what it chooses, when it waits, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from server_support.decision_inputs import a_risk, an_input, on_demand, spot
from spot_server.decision_models import Action, Calendar, Candidate, Decision, DecisionInput, Market, PriceStep
from spot_server.decision_models.answers import check_decision
from spot_server.decision_models.costing import MOST, HourlyCost, Parameters, certainty, gain_deviation
from spot_server.decision_models.expected_cost import ExpectedCost
from spot_server.decision_models.inputs import Z_80_PERCENT
from spot_server.words import Mode, Role


def decide(given: DecisionInput, **parameters: float) -> Decision:
    return check_decision(given, ExpectedCost(**parameters).decide(given))


def test_a_much_cheaper_pool_is_moved_to_and_the_reasoning_says_why() -> None:
    said = decide(an_input(on_demand("0.096"), spot("0.035"), spot("0.036", "use1-az2")))

    assert (said.action, said.target) == (Action.SWITCH, "spot/m5.large/use1-az1")
    assert "0.0350" in said.reasoning
    assert said.rejected["spot/m5.large/use1-az2"].endswith("spot/m5.large/use1-az1 is better")
    assert said.confidence > 0.9


def test_the_reasoning_says_how_old_a_price_is_that_was_not_seen_for_an_hour() -> None:
    aged = replace(spot("0.035"), priced_at=START - timedelta(hours=3))

    fresh, old = decide(an_input(spot("0.096"), spot("0.035"))), decide(an_input(spot("0.096"), aged))

    assert (old.action, old.target) == (Action.SWITCH, aged.key)
    assert "(price 0.0350, seen 3.0 h ago, chance" in old.reasoning
    assert "ago" not in fresh.reasoning


def test_what_saves_less_than_the_owner_wants_is_not_worth_a_move() -> None:
    said = decide(an_input(spot("0.035"), spot("0.0325", "use1-az2")))

    assert said.action is Action.STAY
    assert said.rejected["spot/m5.large/use1-az2"].endswith("a move must save 10 %")


def test_a_move_that_costs_more_than_it_saves_in_a_day_is_not_made() -> None:
    dear = {"value_per_minute_usd": Decimal(5), "min_saving_percent": 0}

    said = decide(an_input(spot("0.035"), spot("0.030", "use1-az2"), settings=dear))

    assert said.action is Action.STAY
    assert "the move itself would cost" in said.rejected["spot/m5.large/use1-az2"]


def test_a_pool_that_is_likely_to_be_lost_is_left_though_it_is_the_cheapest() -> None:
    risky = spot("0.030", risk=a_risk(0.9))

    said = decide(an_input(risky, spot("0.034", "use1-az2"), settings={"value_per_minute_usd": Decimal(1)}))

    assert (said.action, said.target) == (Action.SWITCH, "spot/m5.large/use1-az2")


def test_a_loss_that_costs_much_keeps_a_workload_on_demand() -> None:
    said = decide(an_input(on_demand("0.096"), spot("0.035", risk=a_risk(0.5)), settings={"value_per_minute_usd": Decimal(20)}))

    assert said.action is Action.STAY


def test_the_agents_own_downtimes_count_and_not_the_assumed_ones() -> None:
    slow = {"forced_downtime_seconds": 7200.0}
    places = (on_demand("0.096"), spot("0.035", risk=a_risk(0.3)))

    assert decide(an_input(*places)).action is Action.SWITCH
    assert decide(an_input(*places, experience=slow)).action is Action.STAY


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"settings": {"enabled": False}}, "disabled"),
        ({"experience": {"is_moving": True}}, "under way"),
        ({"situation": {"role": Role.REPLICA}}, "not PRIMARY"),
        ({"situation": {"market": Market(Mode.UNKNOWN, "m5.large", "use1-az1", None, None)}}, "disagree"),
        ({"situation": {"market": spot(None)}}, "is not known"),
    ],
)
def test_where_nothing_can_be_decided_it_says_so(changes: dict[str, Any], why: str) -> None:
    said = decide(an_input(on_demand("0.096"), spot("0.035"), **changes))

    assert said.action is Action.NO_ACTION
    assert why in said.reasoning


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"experience": {"moves_in_day": 4}}, "moves_per_day is 4"),
        ({"experience": {"last_move_at": START - timedelta(minutes=30)}}, "left alone until"),
        ({"experience": {"last_forced_at": START - timedelta(minutes=20), "losses_in_day": 1}}, "after a loss it stays on demand until"),
        ({"experience": {"last_forced_at": START - timedelta(minutes=100), "losses_in_day": 3}}, "after 3 losses within 24 hours"),
        ({"calendar": Calendar(may_move_now=False, opens_at=START + timedelta(hours=3))}, "outside the maintenance window, which opens at"),
        ({"calendar": Calendar(True, None, 2.0, 0.1, START + timedelta(minutes=5))}, "its quiet hour begins at"),
    ],
)
def test_a_move_that_is_worth_it_waits_for_its_time(changes: dict[str, Any], why: str) -> None:
    said = decide(an_input(on_demand("0.096"), spot("0.035"), **changes))

    assert said.action is Action.STAY
    assert f"but not yet: {why}"[:10] in said.reasoning
    assert why in said.reasoning
    assert why in said.rejected["spot/m5.large/use1-az1"]


def test_it_returns_to_spot_when_the_time_after_a_loss_is_over() -> None:
    over = {"last_forced_at": START - timedelta(minutes=31), "losses_in_day": 1}

    assert decide(an_input(on_demand("0.096"), spot("0.035"), experience=over)).action is Action.SWITCH


@pytest.mark.parametrize("losses_in_day", [1, 3])
def test_after_a_persons_move_to_on_demand_it_is_left_alone_whatever_was_lost_earlier(losses_in_day: int) -> None:
    moved_at = START - timedelta(minutes=5)
    lost_before = {"last_move_at": moved_at, "last_forced_at": START - timedelta(hours=5), "losses_in_day": losses_in_day}

    said = decide(an_input(on_demand("0.096"), spot("0.035"), experience=lost_before))
    over = decide(an_input(on_demand("0.096"), spot("0.035"), experience=lost_before), dwell_minutes=4)

    assert said.action is Action.STAY
    assert f"it was moved a short while ago and is left alone until {moved_at + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}" in said.reasoning
    assert "after" not in said.reasoning
    assert over.action is Action.SWITCH


def test_a_loss_after_a_persons_move_holds_it_on_demand_and_no_longer() -> None:
    lost = {"last_move_at": START - timedelta(minutes=32), "last_forced_at": START - timedelta(minutes=31), "losses_in_day": 1}

    assert decide(an_input(on_demand("0.096"), spot("0.035"), experience=lost)).action is Action.SWITCH
    assert "stays on demand until" in decide(an_input(on_demand("0.096"), spot("0.035"), experience=lost), return_hold_minutes=32).reasoning


def test_after_a_rescue_to_spot_it_is_left_alone_there() -> None:
    said = decide(an_input(spot("0.096"), spot("0.035", "use1-az2"), experience={"last_forced_at": START - timedelta(minutes=31)}))

    assert said.action is Action.STAY
    assert "it was moved a short while ago and is left alone until" in said.reasoning


def test_nobody_waits_for_a_quiet_hour_that_costs_more_than_it_spares() -> None:
    calendar = Calendar(True, None, 1.1, 1.0, START + timedelta(hours=20))

    assert decide(an_input(on_demand("0.096"), spot("0.035"), calendar=calendar)).action is Action.SWITCH


def test_a_replica_is_wanted_where_a_loss_is_likely_and_what_it_spares_is_worth_more() -> None:
    risky = spot("0.035", risk=a_risk(0.6, per_hour=0.5))
    wants = {"early_replica_on_warning": True, "value_per_minute_usd": Decimal(1), "min_saving_percent": 100}
    elsewhere = (spot("0.036", "use1-az2"), on_demand("0.096"))

    said = decide(an_input(risky, *elsewhere, settings=wants))
    with_one = decide(an_input(risky, *elsewhere, settings=wants, experience={"live_replicas": 1}))

    assert (said.action, said.target) == (Action.CREATE_REPLICA, "spot/m5.large/use1-az2")
    assert with_one.action is Action.STAY


def test_while_a_move_that_is_worth_it_waits_a_replica_may_stand_by() -> None:
    risky, calm = spot("0.096", risk=a_risk(0.99)), spot("0.034", "use1-az2")
    wants = {"early_replica_on_warning": True, "value_per_minute_usd": Decimal(1)}

    said = decide(an_input(risky, calm, settings=wants, experience={"last_move_at": START - timedelta(minutes=30)}))

    assert (said.action, said.target) == (Action.CREATE_REPLICA, "spot/m5.large/use1-az2")
    assert "not yet: it was moved a short while ago" in said.reasoning


def test_what_cannot_be_used_is_never_chosen_and_its_reason_is_kept() -> None:
    refused = Candidate(spot("0.010", "use1-az2"), "no spot capacity there of late")

    said = decide(an_input(on_demand("0.096"), refused))

    assert said.action is Action.STAY
    assert said.rejected == {"spot/m5.large/use1-az2": "no spot capacity there of late"}


def test_an_assumed_risk_and_filled_in_prices_lower_the_confidence() -> None:
    known = spot("0.030", "use1-az2")
    assumed = spot("0.030", "use1-az2", risk=a_risk(is_known=False))
    filled = replace(known, prices=(PriceStep(START - timedelta(days=7), Decimal("0.03"), is_interpolated=True),))
    here = spot("0.060")

    sure, *less = (decide(an_input(here, one)).confidence for one in (known, assumed, filled))

    assert all(one < sure for one in less)


def test_a_risks_interval_is_taken_for_the_eighty_percent_that_it_is() -> None:
    per_day, deviation_per_day, per_loss, hours = 0.4, 0.1, 30.0, 24.0
    half = Z_80_PERCENT * deviation_per_day
    risky = spot("0.03", risk=a_risk(per_day, low_per_day=per_day - half, high_per_day=per_day + half))
    cost, free = HourlyCost(risky, 0.03, 0.5), HourlyCost(on_demand("0.096"), 0.096, 0.096)

    deviation = gain_deviation((cost, free), per_loss, hours)

    assert certainty(Z_80_PERCENT, 1.0) - certainty(-Z_80_PERCENT, 1.0) == pytest.approx(0.8, abs=1e-4)
    assert deviation == pytest.approx(deviation_per_day * per_loss, abs=0.01)


def test_of_a_stay_the_confidence_is_the_chance_that_moving_gains_nothing_also_while_a_move_waits() -> None:
    places = (on_demand("0.096"), spot("0.035", risk=a_risk(0.3, low_per_day=0.1, high_per_day=0.6)))
    dear = {"value_per_minute_usd": Decimal("2.5")}

    moved = decide(an_input(*places, settings=dear))
    waits = decide(an_input(*places, settings=dear, experience={"last_move_at": START - timedelta(minutes=30)}))
    stays = decide(an_input(*places, settings={"value_per_minute_usd": Decimal(20)}))

    assert (moved.action, waits.action, stays.action) == (Action.SWITCH, Action.STAY, Action.STAY)
    assert 0.5 < moved.confidence < 1.0
    assert waits.confidence == pytest.approx(1.0 - moved.confidence)
    assert 0.5 < stays.confidence < 1.0


def test_of_a_replica_the_confidence_is_the_chance_that_it_spares_more_than_it_costs() -> None:
    wants = {"early_replica_on_warning": True, "value_per_minute_usd": Decimal("0.2"), "min_saving_percent": 100}

    def confidence(**risk: Any) -> float:
        said = decide(an_input(spot("0.035", risk=a_risk(0.6, per_hour=0.5, **risk)), spot("0.036", "use1-az2"), settings=wants))
        assert said.action is Action.CREATE_REPLICA
        return said.confidence

    known, wide = confidence(low_per_day=0.59, high_per_day=0.61), confidence(low_per_day=0.0, high_per_day=1.0)

    # Of a minute's downtime 10 s are borne all the same: half of 0.2 - 0.2 / 6 USD an hour is spared, at 0.036.
    spared = 0.5 * (0.2 - 0.2 / 6)
    assert known > 0.99
    assert wide == pytest.approx(NormalDist(spared, spared * (0.5 / Z_80_PERCENT) / 0.6).cdf(2 * spared - 0.036), abs=1e-4)
    assert confidence(low_per_day=0.59, high_per_day=0.61, is_known=False) == pytest.approx(known / 2, abs=1e-4)


@pytest.mark.parametrize(
    "parameters",
    [
        {"horizon_hours": -1},
        {"horizon_hours": float("nan")},
        {"horizon_hours": float("inf")},
        {"horizon_hours": 10**400},
        {"dwell_minutes": True},
        {"dwell_minutes": "long"},
        {"dwell_minutes": 1e300},
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(parameters: dict[str, Any]) -> None:
    ((name, _value),) = parameters.items()

    with pytest.raises(ValueError, match=rf"{name}: expected a number from 0 to {MOST[name]:g}, not"):
        ExpectedCost(**parameters)


def test_every_parameter_has_a_most_that_it_may_be_and_no_more() -> None:
    assert list(MOST) == list(Parameters.__dataclass_fields__)
    for name, most in MOST.items():
        assert getattr(Parameters(**{name: most}), name) == most
        with pytest.raises(ValueError, match=name):
            Parameters(**{name: most * 1.01})


prices = st.decimals(Decimal("0.001"), Decimal(30), places=4)
chances = st.floats(0, 1)
zones = [f"use1-az{number}" for number in range(1, 7)]


@st.composite
def inputs(draw: st.DrawFn) -> DecisionInput:
    def market(az_id: str) -> Market:
        per_day = draw(chances)
        risk = a_risk(per_day, per_hour=draw(st.floats(0, per_day)), low_per_day=0.0, high_per_day=1.0)
        usd = draw(st.none() | prices)
        if draw(st.booleans()):
            return on_demand(None if usd is None else str(usd), az_id)
        return replace(spot(None if usd is None else str(usd), az_id), risk=risk)

    here, *elsewhere = (market(az_id) for az_id in draw(st.permutations(zones)))
    candidates = [Candidate(one, draw(st.none() | st.just("it cannot be used"))) for one in elsewhere]
    settings = {
        "value_per_minute_usd": draw(st.decimals(0, 100, places=2)),
        "min_saving_percent": draw(st.integers(0, 100)),
        "early_replica_on_warning": draw(st.booleans()),
        "moves_per_day": draw(st.integers(0, 4)),
    }
    return an_input(here, *candidates, settings=settings, experience={"moves_in_day": draw(st.integers(0, 4))})


@given(inputs())
def test_every_answer_passes_the_check_and_a_switch_never_goes_where_it_is_expected_to_cost_more(given_input: DecisionInput) -> None:
    said = decide(given_input)

    assert len(said.rejected) + (said.target is not None) == len(given_input.candidates)
    if said.action is Action.SWITCH:
        reached = {candidate.market.key: candidate for candidate in given_input.candidates}
        assert reached[said.target or ""].refusal is None
        assert given_input.experience.moves_in_day < given_input.settings.moves_per_day
        assert "less than staying" in said.reasoning


allowed = st.fixed_dictionaries({name: st.just(0.0) | st.just(most) | st.floats(0, most) for name, most in MOST.items()})


@given(inputs(), allowed, st.integers(0, 100), st.booleans())
def test_whatever_parameters_are_allowed_every_input_is_answered(
    given_input: DecisionInput, parameters: dict[str, float], losses: int, is_forced: bool
) -> None:
    last: dict[str, Any] = {"last_forced_at" if is_forced else "last_move_at": START, "losses_in_day": losses}

    said = decide(replace(given_input, experience=replace(given_input.experience, **last)), **parameters)

    assert 0 <= said.confidence <= 1


@given(inputs())
def test_the_same_input_gives_the_same_answer(given_input: DecisionInput) -> None:
    assert decide(given_input) == decide(given_input)
