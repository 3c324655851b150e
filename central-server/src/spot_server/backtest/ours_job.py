"""The policy `ours` for a job: the shipped decision model, asked through the product's own interface."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spot_server.backtest.jobs import JobView
from spot_server.backtest.terms import ON_DEMAND
from spot_server.decision_models.answers import DecisionModel, check_decision
from spot_server.decision_models.inputs import (
    AgentSettings,
    Calendar,
    Candidate,
    DeadlineJob,
    DecisionInput,
    Experience,
    JobPlace,
    Market,
    PoolRisk,
    Situation,
)
from spot_server.words import Action, Mode, Role

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Recorded traces are played from here: no decision depends on the year."""

_RISK = PoolRisk(0.0, 0.0, 0.0, 1.0, "not used for jobs", is_known=False)
SETTINGS = AgentSettings(
    enabled=True,
    auto_switch_enabled=True,
    manual_replica_enabled=False,
    early_replica_on_warning=False,
    value_per_minute_usd=Decimal(0),
    moves_per_day=48,
    min_saving_percent=0,
    terminate_wait_seconds=0,
)
NO_EXPERIENCE = Experience(None, None, 0, None, None, 0, is_moving=False, live_replicas=0)


class OurJob:
    """Asks the model at every tick."""

    def __init__(self, model: DecisionModel, spot_price: float, zones: Sequence[str] = ("pool",)) -> None:
        """`model` is the server's own; `spot_price` is by that on demand, which is 1; `zones` are those in which the job may run."""
        self.model = model
        usd = Decimal(str(round(spot_price, 6)))
        self._spot = [Market(Mode.SPOT, "traced", zone, usd, None, risk=_RISK) for zone in zones]
        self._able = [Candidate(market) for market in self._spot]
        self._unable = [Candidate(market, "no spot capacity there") for market in self._spot]
        self._on_demand = Candidate(Market(Mode.ON_DEMAND, "traced", zones[0], Decimal(1), None))
        self._numbers = {market.key: number for number, market in enumerate(self._spot)} | {self._on_demand.market.key: ON_DEMAND}

    def choose(self, view: JobView) -> int | None:
        """Turn the view into the interface's words, and the decision back."""
        given = self._input(view)
        decision = check_decision(given, self.model.decide(given))
        if decision.action is not Action.SWITCH or decision.target is None:
            return view.runs_in
        return self._numbers[decision.target]

    def _input(self, view: JobView) -> DecisionInput:
        terms, known = view.terms, view.known
        job = DeadlineJob(
            work_seconds=terms.work_seconds,
            total_seconds=terms.total_seconds,
            work_seconds_left=view.work_seconds_left,
            seconds_left=view.seconds_left,
            changeover_seconds=terms.changeover_seconds,
            starting_seconds_left=view.starting_seconds_left,
            step_seconds=view.step_seconds,
            runs_on=view.runs_on,
            spell_seconds=known.spell_seconds,
            available_share=known.share,
            spells_per_hour=known.spells_per_hour,
            places=tuple(JobPlace(market.key, zone.spell_seconds) for market, zone in zip(self._spot, view.zones, strict=True)),
        )
        here = view.runs_in
        market = self._on_demand.market if here == ON_DEMAND else self._spot[here or 0]
        candidates = [
            self._able[number] if zone.has_capacity else self._unable[number] for number, zone in enumerate(view.zones) if number != here
        ]
        if here != ON_DEMAND:
            candidates.append(self._on_demand)
        return DecisionInput(
            decided_at=EPOCH + timedelta(seconds=terms.total_seconds - view.seconds_left),
            agent_id="backtest",
            situation=Situation(Role.PRIMARY, market, 0.0, 0.0, Decimal(1)),
            candidates=tuple(candidates),
            settings=SETTINGS,
            experience=NO_EXPERIENCE,
            calendar=Calendar(),
            objective=job,
        )
