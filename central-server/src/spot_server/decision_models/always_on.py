"""One instance that always serves: move when the expected cost of staying, over the horizon, is more than that of moving."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from spot_server.decision_models.answers import Decision
from spot_server.decision_models.costing import (
    HourlyCost,
    Parameters,
    Prices,
    certainty,
    chance_deviation,
    cost_of_staying,
    gain_deviation,
    hourly_cost,
    is_place_for_spare,
    overlap_hours,
    prices_of,
)
from spot_server.decision_models.inputs import DecisionInput, Market
from spot_server.words import Action, Mode, Role

UNKNOWN_RISK_CERTAINTY = 0.5
"""By how much an assumed risk lowers the confidence in what was decided with it."""

TOLD_AGE = timedelta(hours=1)
"""From this age on the reasoning says how old a price is: prices are seen every five minutes."""


class Option(NamedTuple):
    """A candidate that can be used, with what moving there is expected to gain over the horizon. USD."""

    market: Market
    cost: HourlyCost
    gain: float
    saving_share: float
    """By how much less being there costs than staying, of what staying costs."""


def decide_always_on(given: DecisionInput, parameters: Parameters) -> Decision:
    """Return what to do with an instance that always serves."""
    why_nothing = nothing_to_decide(given)
    if why_nothing:
        return Decision(Action.NO_ACTION, 1.0, why_nothing)
    prices = prices_of(given, parameters)
    stay = cost_of_staying(given.situation, prices)
    if stay is None:
        here = given.situation.market
        seen = "" if here.priced_at is None else f": it was last seen at {here.priced_at:%Y-%m-%dT%H:%M:%SZ}"
        return Decision(Action.NO_ACTION, 1.0, f"the price of {here.key}, where it runs, is not known{seen}")
    options, rejected = _options(given, parameters, prices, stay)
    best = options[0] if options else None
    for market, cost, _gain, share in options[1:]:
        rejected[market.key] = (
            f"{cost.total:.4f} USD an hour with its losses, {abs(share):.0%} {'less' if share >= 0 else 'more'} than staying; "
            f"{options[0].market.key} is better"
        )
    if best is None or not _is_worth_it(best, given):
        if best is not None:
            rejected[best.market.key] = _words(best, stay, given) + _why_not_worth_it(best, given)
        return _stay_or_hedge(given, parameters, prices, stay, best, rejected)
    waits = _why_wait(given, parameters, prices, best, stay)
    confidence = _confidence(best, stay, prices, parameters, is_moved=waits is None)
    if waits:
        rejected[best.market.key] = f"{_words(best, stay, given)}; not yet: {waits}"
        return _hedged(
            given,
            parameters,
            prices,
            Decision(Action.STAY, confidence, f"{_words(best, stay, given)}, but not yet: {waits}", None, rejected),
        )
    reasoning = f"{_words(best, stay, given)}: moving is expected to gain {best.gain:.4f} USD over {parameters.horizon_hours:g} h"
    return Decision(Action.SWITCH, confidence, reasoning, best.market.key, rejected)


def nothing_to_decide(given: DecisionInput) -> str | None:
    """Return why no move is to be thought of, or None."""
    if not given.settings.enabled:
        return "the agent is disabled: it is observed, and not moved"
    if given.experience.is_moving:
        return "a move is under way"
    if given.situation.role is not Role.PRIMARY:
        return f"the instance is {given.situation.role}, not PRIMARY"
    if given.situation.market.mode is Mode.UNKNOWN:
        return "metadata and the EC2 API disagree about how the instance is paid for"
    return None


def _options(given: DecisionInput, parameters: Parameters, prices: Prices, stay: HourlyCost) -> tuple[list[Option], dict[str, str]]:
    options: list[Option] = []
    rejected: dict[str, str] = {}
    for candidate in given.candidates:
        market = candidate.market
        cost = None if candidate.refusal else hourly_cost(market, prices)
        if cost is None:
            rejected[market.key] = candidate.refusal or "its price is not known"
            continue
        hourly = stay.total - cost.total
        moving = prices.per_planned_downtime + overlap_hours(market, given, parameters) * cost.price
        share = hourly / stay.total if stay.total > 0 else 0.0
        options.append(Option(market, cost, hourly * parameters.horizon_hours - moving, share))
    options.sort(key=lambda option: (-option.gain, option.market.key))
    return options, rejected


def _is_worth_it(best: Option, given: DecisionInput) -> bool:
    return best.gain > 0 and best.saving_share * 100 >= given.settings.min_saving_percent


def _why_not_worth_it(best: Option, given: DecisionInput) -> str:
    if best.saving_share * 100 < given.settings.min_saving_percent:
        return f"; a move must save {given.settings.min_saving_percent} %"
    return f"; the move itself would cost {-best.gain:.4f} USD more than it saves"


def _age(market: Market, now: datetime) -> str:
    """Say how old a market's price is, where that is worth a word."""
    if market.priced_at is None or now - market.priced_at < TOLD_AGE:
        return ""
    return f", seen {(now - market.priced_at).total_seconds() / 3600:.1f} h ago"


def _words(option: Option, stay: HourlyCost, given: DecisionInput) -> str:
    risk = option.market.risk
    chance = "" if risk is None else f", chance of loss in a day {risk.chance_per_day:.1%} ({risk.basis})"
    sign = "less" if option.saving_share >= 0 else "more"
    return (
        f"{option.market.key} costs {option.cost.total:.4f} USD an hour with its losses "
        f"(price {option.cost.price:.4f}{_age(option.market, given.decided_at)}{chance}), "
        f"{abs(option.saving_share):.0%} {sign} than staying at {stay.total:.4f}"
        f"{_age(stay.market, given.decided_at)}"
    )


def _confidence(option: Option, stay: HourlyCost, prices: Prices, parameters: Parameters, *, is_moved: bool) -> float:
    """Return the chance that moving there gains something, where it is moved; else that it gains nothing, whatever it waits for."""
    deviation = gain_deviation((stay, option.cost), prices.per_loss, parameters.horizon_hours)
    gains = certainty(option.gain, deviation)
    sure = gains if is_moved else 1.0 - gains
    for cost in (stay, option.cost):
        sure *= _trust(cost.market, prices)
    return round(sure, 4)


def _trust(market: Market, prices: Prices) -> float:
    """Return by what a confidence is lowered for what was filled in, or assumed, of a market it rests on."""
    is_assumed = market.risk is not None and not market.risk.is_known and prices.per_loss > 0
    return (1.0 - 0.5 * market.figures.interpolated_share) * (UNKNOWN_RISK_CERTAINTY if is_assumed else 1.0)


def _why_wait(given: DecisionInput, parameters: Parameters, prices: Prices, best: Option, stay: HourlyCost) -> str | None:
    """Return what speaks against moving now, or None."""
    settings, experience, calendar = given.settings, given.experience, given.calendar
    if experience.moves_in_day >= settings.moves_per_day:
        return f"{experience.moves_in_day} moves were made within 24 hours, and moves_per_day is {settings.moves_per_day}"
    since = _dwells_until(given, parameters)
    if since is not None and given.decided_at < since[0]:
        return f"{since[1]} until {since[0]:%Y-%m-%dT%H:%M:%SZ}"
    if not calendar.may_move_now:
        opens = "" if calendar.opens_at is None else f", which opens at {calendar.opens_at:%Y-%m-%dT%H:%M:%SZ}"
        return f"it is outside the maintenance window{opens}"
    return _why_quieter(given, prices, best, stay)


def _dwells_until(given: DecisionInput, parameters: Parameters) -> tuple[datetime, str] | None:
    """Return until when the workload is left where it is, and why.

    Its newest move says: one that was forced and went to on demand holds it there for a while, after any other it dwells.
    """
    experience = given.experience
    forced_at, moved_at = experience.last_forced_at, experience.last_move_at
    was_forced = forced_at is not None and (moved_at is None or forced_at >= moved_at)
    newest_at = forced_at if was_forced else moved_at
    if newest_at is None:
        return None
    if was_forced and given.situation.market.mode is Mode.ON_DEMAND:
        doublings = max(0, min(experience.losses_in_day, 8) - 1)
        minutes = min(parameters.return_hold_minutes * 2.0**doublings, parameters.longest_return_hold_minutes)
        losses = f"{experience.losses_in_day} losses within 24 hours" if experience.losses_in_day > 1 else "a loss"
        return newest_at + timedelta(minutes=minutes), f"after {losses} it stays on demand"
    return newest_at + timedelta(minutes=parameters.dwell_minutes), "it was moved a short while ago and is left alone"


def _why_quieter(given: DecisionInput, prices: Prices, best: Option, stay: HourlyCost) -> str | None:
    """Wait for the quiet hour if what its fewer users are spared is worth more than what waiting costs."""
    calendar = given.calendar
    if calendar.activity_ratio is None or calendar.quiet_ratio is None or calendar.quiet_at is None or calendar.activity_ratio <= 0:
        return None
    hours = (calendar.quiet_at - given.decided_at).total_seconds() / 3600
    spared = prices.per_planned_downtime * (1.0 - calendar.quiet_ratio / calendar.activity_ratio)
    waiting = (stay.total - best.cost.total) * hours
    if hours <= 0 or spared <= waiting:
        return None
    return f"its quiet hour begins at {calendar.quiet_at:%Y-%m-%dT%H:%M:%SZ}, and waiting costs {waiting:.4f} USD"


def _stay_or_hedge(
    given: DecisionInput, parameters: Parameters, prices: Prices, stay: HourlyCost, best: Option | None, rejected: dict[str, str]
) -> Decision:
    here = f"{given.situation.market.key} costs {stay.total:.4f} USD an hour with its losses"
    confidence = 1.0 if best is None else _confidence(best, stay, prices, parameters, is_moved=False)
    nothing = "no other place can be used" if best is None else f"the best other place, {best.market.key}, is not worth a move"
    return _hedged(given, parameters, prices, Decision(Action.STAY, confidence, f"{here}; {nothing}", None, rejected))


def _hedged(given: DecisionInput, parameters: Parameters, prices: Prices, stay: Decision) -> Decision:
    """Return the decision to stay, or to have a replica ready meanwhile, where that spares more than it costs."""
    hedge = _replica_place(given, parameters, prices)
    if hedge is None:
        return stay
    target, worth = hedge
    rejected = {key: reason for key, reason in stay.rejected.items() if key != target.key}
    spares = f"a replica in {target.key} spares {worth:.4f} USD an hour, more than it costs"
    reasoning = f"{stay.reasoning}; a loss within the hour is likely, and {spares}"
    confidence = _replica_confidence(given, parameters, prices, target, worth)
    return Decision(Action.CREATE_REPLICA, confidence, reasoning, target.key, rejected)


def _replica_confidence(given: DecisionInput, parameters: Parameters, prices: Prices, target: Market, worth: float) -> float:
    """Return the chance that a replica spares more than it costs: what it spares is as uncertain as the chance of loss is."""
    here = given.situation.market
    risk = here.risk
    spread = 0.0 if risk is None or risk.chance_per_day <= 0 else chance_deviation(risk) / risk.chance_per_day
    sure = certainty(worth - target.figures.usd_per_hour * parameters.replica_pays_factor, worth * spread)
    return round(sure * _trust(here, prices) * _trust(target, prices), 4)


def _replica_place(given: DecisionInput, parameters: Parameters, prices: Prices) -> tuple[Market, float] | None:
    """Return where a replica would spare more than it costs, and how much an hour; None: nowhere, or it has one, or nobody wants one."""
    market, experience = given.situation.market, given.experience
    if not given.settings.early_replica_on_warning or experience.live_replicas or market.mode is not Mode.SPOT or market.risk is None:
        return None
    own_chance = given.situation.chance_per_hour
    chance = market.risk.chance_per_hour if own_chance is None else own_chance
    worth = chance * max(0.0, prices.per_loss - prices.per_planned_downtime)
    fitting = [candidate.market for candidate in given.candidates if is_place_for_spare(candidate, given)]
    # That a replica is lost costs something only where what it stands in for is lost as well.
    per_loss = chance * prices.per_loss
    best = min(fitting, key=lambda one: (one.figures.usd_per_hour + one.figures.losses_per_hour * per_loss, one.key), default=None)
    if best is None or worth <= best.figures.usd_per_hour * parameters.replica_pays_factor:
        return None
    return best, worth
