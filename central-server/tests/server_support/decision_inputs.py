"""Inputs of decisions with sensible defaults."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from server_support.clock import START
from spot_server.decision_models import (
    AgentSettings,
    Candidate,
    DecisionInput,
    Experience,
    Market,
    PoolRisk,
    PriceStep,
    Situation,
)
from spot_server.words import Mode, Role

SETTINGS = AgentSettings(
    enabled=True,
    auto_switch_enabled=True,
    manual_replica_enabled=False,
    early_replica_on_warning=False,
    value_per_minute_usd=Decimal("0.10"),
    moves_per_day=4,
    min_saving_percent=10,
    terminate_wait_seconds=1800,
)
EXPERIENCE = Experience(
    planned_downtime_seconds=None,
    forced_downtime_seconds=None,
    moves_in_day=0,
    last_move_at=None,
    last_forced_at=None,
    losses_in_day=0,
    is_moving=False,
    live_replicas=0,
)


def a_risk(per_day: float = 0.02, per_hour: float | None = None, **changes: Any) -> PoolRisk:
    """A risk that was computed, known to a tenth of itself."""
    made = PoolRisk(per_day / 24 if per_hour is None else per_hour, per_day, per_day * 0.9, min(1.0, per_day * 1.1), "computed")
    return replace(made, **changes)


def spot(usd: str | None, az_id: str = "use1-az1", instance_type: str = "m5.large", risk: PoolRisk | None = None) -> Market:
    """A spot pool whose price has not moved for a week."""
    price = None if usd is None else Decimal(usd)
    steps = () if price is None else (PriceStep(START - timedelta(days=7), price),)
    return Market(Mode.SPOT, instance_type, az_id, price, START, steps, risk or a_risk())


def on_demand(usd: str | None, az_id: str = "use1-az1", instance_type: str = "m5.large") -> Market:
    """On-demand capacity."""
    return Market(Mode.ON_DEMAND, instance_type, az_id, None if usd is None else Decimal(usd), None)


def an_input(here: Market, *elsewhere: Market | Candidate, **changes: Any) -> DecisionInput:
    """An agent that runs in `here` for a day, and may use the other markets. `settings` and `experience` are changes of the defaults."""
    candidates = tuple(one if isinstance(one, Candidate) else Candidate(one) for one in elsewhere)
    settings = replace(SETTINGS, **changes.pop("settings", {}))
    experience = replace(EXPERIENCE, **changes.pop("experience", {}))
    situation = Situation(Role.PRIMARY, here, 86_400.0, 86_400.0, Decimal("0.096"))
    return DecisionInput(START, "agent-1", replace(situation, **changes.pop("situation", {})), candidates, settings, experience, **changes)
