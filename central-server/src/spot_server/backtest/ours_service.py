"""The policy `ours` for machines that serve side by side: the shipped model says whether one more is worth its price, and where."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from spot_server.backtest.fleet import FleetWorld, Machine
from spot_server.backtest.ours_fleet import DECISION_SECONDS
from spot_server.backtest.ours_input import TracedMarkets, chances_of, settings_of
from spot_server.backtest.ours_job import EPOCH
from spot_server.backtest.terms import ON_DEMAND
from spot_server.decision_models.answers import Decision, DecisionModel, check_decision
from spot_server.decision_models.inputs import Candidate, DecisionInput, ServingMachine, ServingReplicas, Situation
from spot_server.features.cooldowns.rules import Cooldown, next_cooldown
from spot_server.words import Action, Mode, Role


@dataclass(slots=True)
class OurService:
    """Asks the model every five minutes, after each loss, when a machine becomes ready and when a pool's cool-down ends."""

    model: DecisionModel
    markets: TracedMarkets
    value_per_minute_usd: Decimal
    cooldowns: dict[int, Cooldown] = field(default_factory=dict)
    _seen: tuple[int, int, int] = (0, 0, 0)
    """How many were there, how many could serve, and how many pools cooled down, when it asked last."""

    def act(self, world: FleetWorld) -> None:
        """End what is not worth its price any more, then launch what is."""
        for pool in {machine.pool for machine in world.lost}:
            self.cooldowns[pool] = next_cooldown(self.cooldowns.get(pool), _moment(world))
        if not world.lost and world.now_seconds % DECISION_SECONDS != 0 and self._state(world) == self._seen:
            return
        self._launch_what_pays(world)
        self._end_what_does_not(world)
        self._seen = self._state(world)

    def _state(self, world: FleetWorld) -> tuple[int, int, int]:
        return len(world.machines), len(world.ready()), len(self._cooling(world))

    def _launch_what_pays(self, world: FleetWorld) -> None:
        """Launch as long as the model wants one more; a pool that refuses cools down, and the model is asked again."""
        for _ in range(2 * world.terms.wanted + 2 * world.pool_count):
            decision = self._ask(world, world.machines.values(), self._cooling(world))
            if decision.action is not Action.CREATE_REPLICA or decision.target is None:
                return
            pool = self.markets.names.pool_of_key(decision.target)
            if world.launch(pool) is None:
                self.cooldowns[pool] = next_cooldown(self.cooldowns.get(pool), _moment(world))

    def _end_what_does_not(self, world: FleetWorld) -> None:
        """End each that could serve, the dearest first, for which the model would not want one more if it were not there."""
        ready = sorted(world.ready(), key=lambda one: (one.is_spot, -self._losses_per_hour(one, world)))
        for machine in ready:
            if len(world.ready()) <= world.terms.wanted:
                return
            # What is starting cannot serve yet: it does not stand in for one that can.
            others = [one for one in world.ready() if one is not machine]
            elsewhere = {pool for pool in range(world.pool_count) if pool != machine.pool}
            if self._ask(world, others, elsewhere).action is not Action.CREATE_REPLICA:
                world.end(machine)

    def _ask(self, world: FleetWorld, machines: Iterable[Machine], closed: Collection[int]) -> Decision:
        given = self._input(world, machines, closed)
        return check_decision(given, self.model.decide(given))

    def _input(self, world: FleetWorld, machines: Iterable[Machine], closed: Collection[int]) -> DecisionInput:
        now, names = world.now_seconds, self.markets.names
        spot, on_demand = self.markets.at(now)
        candidates = [Candidate(market, "no spot capacity of late" if pool in closed else None) for pool, market in enumerate(spot)]
        told = tuple(
            ServingMachine(
                names.place(one.pool).key,
                Mode.SPOT if one.is_spot else Mode.ON_DEMAND,
                self._losses_per_hour(one, world),
                max(0.0, one.ready_seconds - now),
            )
            for one in machines
        )
        return DecisionInput(
            decided_at=_moment(world),
            agent_id="backtest",
            situation=Situation(Role.PRIMARY, on_demand, 0.0, 0.0, self.markets.on_demand_usd_per_hour),
            candidates=(*candidates, Candidate(on_demand)),
            settings=settings_of(self.value_per_minute_usd),
            experience=self.markets.service_experience,
            objective=ServingReplicas(world.terms.wanted, told),
        )

    def _losses_per_hour(self, machine: Machine, world: FleetWorld) -> float:
        if machine.pool == ON_DEMAND:
            return 0.0
        return -math.log1p(-min(chances_of(self.markets.risks, machine, world.now_seconds)[0], 0.999999))

    def _cooling(self, world: FleetWorld) -> set[int]:
        now = _moment(world)
        return {pool for pool, cooldown in self.cooldowns.items() if cooldown.until_at > now}


def _moment(world: FleetWorld) -> datetime:
    return EPOCH + timedelta(seconds=world.now_seconds)
