"""The policy `ours` for machines that serve: rescues by the shipped rules of placement and cool-downs, all else by the shipped model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from spot_server.backtest.fleet import FleetWorld, Machine
from spot_server.backtest.ours_input import Slot, TracedMarkets
from spot_server.backtest.ours_job import EPOCH
from spot_server.backtest.terms import ON_DEMAND
from spot_server.decision_models.answers import DecisionModel, check_decision
from spot_server.features.cooldowns.rules import Cooldown, next_cooldown
from spot_server.features.replicas.placement import Wish, list_offers, rank_offers
from spot_server.words import Action

DECISION_SECONDS = 300.0
"""How often the server decides, unless it is told otherwise. Here it also decides after each loss, which the server does not."""

HOLD_SECONDS = 600.0
"""How long a replica that a decision made is kept, unless the model wants it for longer: what `rebalance_hold_seconds` may be set to."""


@dataclass(slots=True)
class Spare:
    """A replica that stands by until somebody needs it, or its hold is over."""

    machine: Machine
    hold_until_seconds: float


@dataclass(slots=True)
class OurFleet:
    """One agent for each machine that is wanted. The agents know nothing of each other but the spares that they share."""

    model: DecisionModel
    markets: TracedMarkets
    value_per_minute_usd: Decimal
    slots: list[Slot] = field(default_factory=list)
    spares: list[Spare] = field(default_factory=list)
    cooldowns: dict[int, Cooldown] = field(default_factory=dict)

    def act(self, world: FleetWorld) -> None:
        """Replace what is lost, finish what is ready, and decide when it is time."""
        if not self.slots:
            self.slots = [Slot() for _ in range(world.terms.wanted)]
        self.spares = [spare for spare in self.spares if spare.machine.number in world.machines]
        for slot in self.slots:
            self._settle(world, slot)
        is_due = world.now_seconds % DECISION_SECONDS == 0
        for slot in self.slots if is_due or world.lost else ():
            self._decide(world, slot)
        if is_due:
            self._stand_down(world)

    def _settle(self, world: FleetWorld, slot: Slot) -> None:
        """See to one slot: a successor that is ready takes over, a machine that is gone is replaced."""
        if slot.successor is not None and slot.successor.number not in world.machines:
            slot.successor = None
        is_gone = slot.machine is None or slot.machine.number not in world.machines
        if slot.successor is not None and (is_gone or slot.successor.is_ready(world.now_seconds)):
            if slot.machine is not None:
                world.end(slot.machine)
            slot.machine, slot.successor = slot.successor, None
            if not is_gone:
                slot.moved_seconds.append(world.now_seconds)
                return
        elif is_gone:
            was = slot.machine
            slot.machine = self._take_spare(world) or self._rescue(world, was)
            if was is None:
                return
        if is_gone:
            slot.lost_seconds.append(world.now_seconds)

    def _take_spare(self, world: FleetWorld) -> Machine | None:
        """Return the spare that is nearest to serving."""
        if not self.spares:
            return None
        best = min(self.spares, key=lambda spare: spare.machine.ready_seconds)
        self.spares.remove(best)
        return best.machine

    def _rescue(self, world: FleetWorld, lost: Machine | None) -> Machine | None:
        """Launch in the best place that is left, by the rules by which the server replaces an instance; then in the next, and so on."""
        names = self.markets.names
        primary = names.place(ON_DEMAND if lost is None else lost.pool)
        wish = Wish(primary=primary, architecture="", is_standby=True, is_last_resort=True, excluded=self._crowded(world))
        cooling = {("traced", names.zones[pool]): until for pool, until in self._cooling(world).items()}
        offers = list_offers(
            instance_types=["traced"],
            az_ids=names.zones,
            spot_usd_per_hour={("traced", zone): self.markets.spot_usd_per_hour for zone in names.zones},
            on_demand_usd_per_hour={"traced": self.markets.on_demand_usd_per_hour},
            cooling_until=cooling,
        )
        for offer in rank_offers(offers, wish, {}).suitable:
            machine = self._launch(world, names.pool(offer.place))
            if machine is not None:
                return machine
        return None

    def _launch(self, world: FleetWorld, pool: int) -> Machine | None:
        machine = world.launch(pool)
        if machine is None:
            self.cooldowns[pool] = next_cooldown(self.cooldowns.get(pool), _moment(world))
        elif pool in self.cooldowns:
            del self.cooldowns[pool]
        return machine

    def _cooling(self, world: FleetWorld) -> dict[int, datetime]:
        now = _moment(world)
        return {pool: cooldown.until_at for pool, cooldown in self.cooldowns.items() if cooldown.until_at > now}

    def _crowded(self, world: FleetWorld) -> frozenset[str]:
        """Pools in which as many of ours are as an even spread would put there."""
        most = -(-(world.terms.wanted + 1) // world.pool_count)
        return frozenset(self.markets.names.place(pool).key for pool in range(world.pool_count) if world.held(pool) >= most)

    def _decide(self, world: FleetWorld, slot: Slot) -> None:
        """Ask the model about one machine, and do what it says; where a replica finds no capacity, ask again, without that place."""
        for _ in range(world.pool_count + 1):
            if slot.machine is None or not slot.machine.is_ready(world.now_seconds) or slot.successor is not None:
                return
            lasting = [spare for spare in self.spares if spare.hold_until_seconds > world.now_seconds + DECISION_SECONDS]
            refusals = {pool: f"no spot capacity of late, until {until:%H:%M}" for pool, until in self._cooling(world).items()}
            refusals |= {self.markets.names.pool_of_key(key): "enough of them are there" for key in self._crowded(world)}
            given = self.markets.input_for(world, slot, len(lasting), refusals, self.value_per_minute_usd)
            decision = check_decision(given, self.model.decide(given))
            if decision.target is None:
                return
            pool = self.markets.names.pool_of_key(decision.target)
            if decision.action is Action.SWITCH:
                slot.successor = self._launch(world, pool)
                return
            if self._make_spare(world, pool):
                return

    def _make_spare(self, world: FleetWorld, pool: int) -> bool:
        """Keep the replica that is there, if it is as the model wants it, or launch one; False: there is no capacity."""
        for spare in self.spares:
            if spare.machine.is_spot == (pool != ON_DEMAND):
                spare.hold_until_seconds = world.now_seconds + HOLD_SECONDS
                return True
        machine = self._launch(world, pool)
        if machine is not None:
            self.spares.append(Spare(machine, world.now_seconds + HOLD_SECONDS))
        return machine is not None

    def _stand_down(self, world: FleetWorld) -> None:
        for spare in [one for one in self.spares if one.hold_until_seconds <= world.now_seconds]:
            world.end(spare.machine)
            self.spares.remove(spare)


def _moment(world: FleetWorld) -> datetime:
    return EPOCH + timedelta(seconds=world.now_seconds)
