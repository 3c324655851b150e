"""Traced pools in the words of the decision interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from spot_server.backtest.fleet import FleetTerms, FleetWorld, Machine
from spot_server.backtest.ours_job import EPOCH, NO_EXPERIENCE
from spot_server.backtest.risks import TracedRisks
from spot_server.backtest.terms import ON_DEMAND
from spot_server.decision_models.inputs import (
    AgentSettings,
    AlwaysOn,
    Candidate,
    DecisionInput,
    Experience,
    Market,
    Situation,
)
from spot_server.features.replicas.placement import Place
from spot_server.words import Mode, Role

INSTANCE_TYPE = "traced"
DAY_SECONDS = 86_400.0
ON_DEMAND_USD_PER_HOUR = Decimal("3.06")
"""p3.2xlarge, the type behind most traces. It sets what a minute of downtime weighs beside a price, and nothing else."""


@dataclass(frozen=True, slots=True)
class PoolNames:
    """The pools as places: one type, each pool a zone of its own; on demand is in the first."""

    zones: tuple[str, ...]

    def place(self, pool: int) -> Place:
        """Return the pool as a place."""
        return Place(INSTANCE_TYPE, self.zones[max(pool, 0)], Mode.ON_DEMAND if pool == ON_DEMAND else Mode.SPOT)

    def pool(self, place: Place) -> int:
        """Return the number of the pool of a place."""
        return self.zones.index(place.az_id) if place.mode is Mode.SPOT else ON_DEMAND

    def pool_of_key(self, key: str) -> int:
        """Return the number of the pool of a market's key."""
        mode, instance_type, az_id = key.split("/")
        return self.pool(Place(instance_type, az_id, Mode(mode)))


@dataclass(slots=True)
class Slot:
    """One of the machines that are wanted: what serves, what is to take over, and what befell it."""

    machine: Machine | None = None
    successor: Machine | None = None
    lost_seconds: list[float] = field(default_factory=list)
    moved_seconds: list[float] = field(default_factory=list)


class TracedMarkets:
    """The markets of a stretch of a trace, as the interface has them."""

    def __init__(self, names: PoolNames, risks: TracedRisks, terms: FleetTerms) -> None:
        """`risks` are of the same pools in the same order."""
        self.names, self.risks = names, risks
        self.on_demand_usd_per_hour = ON_DEMAND_USD_PER_HOUR
        self.spot_usd_per_hour = (ON_DEMAND_USD_PER_HOUR / Decimal(str(terms.price_ratio))).quantize(Decimal("0.000001"))
        self._forced_seconds = terms.cold_start_seconds
        self.service_experience = replace(NO_EXPERIENCE, forced_downtime_seconds=terms.cold_start_seconds)
        """Of a service: a loss without a spare lasts for a cold start."""
        self._at_seconds, self._spot = -1.0, list[Market]()
        self._on_demand = Market(Mode.ON_DEMAND, INSTANCE_TYPE, names.zones[0], self.on_demand_usd_per_hour, None)

    def at(self, now_seconds: float) -> tuple[list[Market], Market]:
        """Return the spot markets, in the order of the pools, and that on demand, as they are now."""
        computed_seconds = self.risks.computed_seconds(now_seconds)
        if computed_seconds != self._at_seconds:
            risks = self.risks.at(now_seconds)
            self._at_seconds = computed_seconds
            self._spot = [
                Market(Mode.SPOT, INSTANCE_TYPE, zone, self.spot_usd_per_hour, None, risk=risks[pool].risk)
                for pool, zone in enumerate(self.names.zones)
            ]
        return self._spot, self._on_demand

    def input_for(
        self,
        world: FleetWorld,
        slot: Slot,
        spare_count: int,
        refusals: Mapping[int, str],
        value_per_minute_usd: Decimal,
    ) -> DecisionInput:
        """Return what the model is told about the slot, whose machine is ready."""
        machine = slot.machine
        assert machine is not None  # noqa: S101 - who calls has looked
        now = world.now_seconds
        spot, _ = self.at(now)
        own = self._on_demand if machine.pool == ON_DEMAND else spot[machine.pool]
        candidates = [Candidate(market, refusals.get(pool)) for pool, market in enumerate(spot) if pool != machine.pool]
        if machine.pool != ON_DEMAND:
            candidates.append(Candidate(self._on_demand))
        hour, day = chances_of(self.risks, machine, now) if machine.is_spot else (None, None)
        return DecisionInput(
            decided_at=EPOCH + timedelta(seconds=now),
            agent_id="backtest",
            situation=Situation(
                Role.PRIMARY, own, now - machine.ready_seconds, now - machine.ready_seconds, self.on_demand_usd_per_hour, hour, day
            ),
            candidates=tuple(candidates),
            settings=settings_of(value_per_minute_usd),
            experience=self._experience(slot, now, spare_count),
            objective=AlwaysOn(),
        )

    def _experience(self, slot: Slot, now: float, spare_count: int) -> Experience:
        recent = [at for at in slot.lost_seconds if at > now - DAY_SECONDS]
        return Experience(
            planned_downtime_seconds=None,
            forced_downtime_seconds=self._forced_seconds,
            moves_in_day=0,
            last_move_at=EPOCH + timedelta(seconds=slot.moved_seconds[-1]) if slot.moved_seconds else None,
            last_forced_at=EPOCH + timedelta(seconds=recent[-1]) if recent else None,
            losses_in_day=len(recent),
            is_moving=False,
            live_replicas=spare_count,
        )


def chances_of(risks: TracedRisks, machine: Machine, now_seconds: float) -> tuple[float, float]:
    """Return the chances that a spot machine is lost in the next hour, and in the next day, at its age."""
    age_hours = max(0.0, now_seconds - machine.ready_seconds) / 3600
    return risks.at(now_seconds)[machine.pool].ages.at(age_hours)


def settings_of(value_per_minute_usd: Decimal) -> AgentSettings:
    """Nothing that holds the model back: it is what is measured."""
    return AgentSettings(
        enabled=True,
        auto_switch_enabled=True,
        manual_replica_enabled=False,
        early_replica_on_warning=True,
        value_per_minute_usd=value_per_minute_usd,
        moves_per_day=48,
        min_saving_percent=10,
        terminate_wait_seconds=0,
    )
