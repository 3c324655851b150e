"""The policy `ours` for a job: the shipped decision model, asked through the product's own interface."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spot_server.backtest.jobs import JobView
from spot_server.decision_models.answers import DecisionModel, check_decision
from spot_server.decision_models.inputs import (
    AgentSettings,
    Calendar,
    Candidate,
    DeadlineJob,
    DecisionInput,
    Experience,
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

    def __init__(self, model: DecisionModel, spot_price: float) -> None:
        """`model` is the server's own; `spot_price` is by that on demand, which is 1."""
        self.model = model
        self._spot = Market(Mode.SPOT, "traced", "pool", Decimal(str(round(spot_price, 6))), None, risk=_RISK)
        self._on_demand = Candidate(Market(Mode.ON_DEMAND, "traced", "pool", Decimal(1), None))
        self._with_capacity = (Candidate(self._spot), self._on_demand)
        self._without = (Candidate(self._spot, "no spot capacity there"), self._on_demand)

    def choose(self, view: JobView) -> Mode | None:
        """Turn the view into the interface's words, and the decision back."""
        given = self._input(view)
        decision = check_decision(given, self.model.decide(given))
        if decision.action is not Action.SWITCH:
            return view.runs_on
        return Mode.SPOT if decision.target == self._spot.key else Mode.ON_DEMAND

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
        )
        market = self._on_demand.market if view.runs_on is Mode.ON_DEMAND else self._spot
        return DecisionInput(
            decided_at=EPOCH + timedelta(seconds=terms.total_seconds - view.seconds_left),
            agent_id="backtest",
            situation=Situation(Role.PRIMARY, market, 0.0, 0.0, Decimal(1)),
            candidates=self._with_capacity if known.has_capacity else self._without,
            settings=SETTINGS,
            experience=NO_EXPERIENCE,
            calendar=Calendar(),
            objective=job,
        )
