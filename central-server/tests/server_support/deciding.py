"""Rounds of decisions on a story's agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import instances
from spot_server.decision_models import Decision, DecisionInput
from spot_server.features.decisions import queries
from spot_server.features.decisions.jobs import DecisionRound
from spot_server.features.decisions.making import Models
from spot_server.features.decisions.queries import StoredDecision
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import Mode

ON_DEMAND = {("m5.large", "us-east-1"): Decimal("0.096"), ("m5a.large", "us-east-1"): Decimal("0.086")}
PERIOD_SECONDS = 300


@dataclass
class Says:
    """A model that says the same of every agent, or raises it."""

    said: Decision | Exception
    asked: list[DecisionInput] = field(default_factory=list)

    def decide(self, given: DecisionInput) -> Decision:
        self.asked.append(given)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@dataclass
class Deciding:
    """A story whose agent is decided about. `models` stand in for plug-ins, by model id."""

    story: Story
    models: Models = field(default_factory=Models)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.story.database.policy = replace(self.story.database.policy, on_demand_usd_per_hour=ON_DEMAND)
        self.round = DecisionRound(self.models)

    @classmethod
    def on(cls, database: Database, clock: FakeClock, **settings: Any) -> Deciding:
        """An agent on demand, with spot pools at a third of the price, and auto-switch on."""
        deciding = cls(Story.on(database, clock, has_image=True, **{"auto_switch_enabled": True, **settings}))
        deciding.set_mode(Mode.ON_DEMAND)
        return deciding

    @property
    def context(self) -> JobContext:
        return JobContext(self.story.database, self.story.clock, Settings(), self.metrics, structlog.get_logger())

    def set_mode(self, mode: Mode) -> None:
        self.story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(mode=mode))

    def decide(self) -> str:
        return self.round(self.context)

    def next_tick(self) -> str:
        self.story.clock.advance(PERIOD_SECONDS)
        return self.decide()

    def stored(self, *, with_shadows: bool = False, agent_id: str | None = None) -> list[StoredDecision]:
        """The decisions about the story's agent, newest first."""
        wanted: Mapping[str, Any] = {"before": None, "most": 100, "with_shadows": with_shadows}
        agent = agent_id or self.story.agent_id
        return self.story.database.read(lambda tx: queries.list_decisions(tx, agent, **wanted))

    @property
    def last(self) -> StoredDecision:
        return self.stored()[0]
