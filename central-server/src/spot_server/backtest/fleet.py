"""Machines that serve side by side: what a policy makes of the recorded capacity, in ticks of half a minute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from spot_server.backtest.terms import MOST_PRICE_RATIO, ON_DEMAND, SECONDS_PER_HOUR, require

MOST_MACHINES = 100


@dataclass(frozen=True, slots=True)
class FleetTerms:
    """What is wanted, and what machines cost; on demand costs 1 an hour."""

    wanted: int = 3
    """Machines that serve side by side; 1: a single instance that always serves."""
    price_ratio: float = 3.0
    cold_start_seconds: float = 120.0
    """From a launch to a machine that can serve; it is paid."""
    step_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what cannot be played. ImpossibleTerms names the value."""
        require(1 <= self.wanted <= MOST_MACHINES, "replicas", self.wanted, f"a whole number from 1 to {MOST_MACHINES}")
        require(1.0 <= self.price_ratio <= MOST_PRICE_RATIO, "price ratio", self.price_ratio, f"a number from 1 to {MOST_PRICE_RATIO:g}")
        require(
            0.0 <= self.cold_start_seconds <= SECONDS_PER_HOUR, "cold start seconds", self.cold_start_seconds, "a number from 0 to 3600"
        )
        require(0.0 < self.step_seconds <= SECONDS_PER_HOUR, "step seconds", self.step_seconds, "a number above 0, to 3600")

    @property
    def spot_price(self) -> float:
        """Of an hour, by that on demand."""
        return 1.0 / self.price_ratio


@dataclass(slots=True)
class Machine:
    """One machine. It serves, or could, from `ready_seconds` on."""

    number: int
    pool: int
    launched_seconds: float
    ready_seconds: float

    def is_ready(self, now_seconds: float) -> bool:
        """Whether it could serve now."""
        return now_seconds >= self.ready_seconds

    @property
    def is_spot(self) -> bool:
        """Whether it can be lost."""
        return self.pool != ON_DEMAND


class FleetPolicy(Protocol):
    """What a policy does at each tick, after losses: it launches and ends machines of the world."""

    def act(self, world: FleetWorld) -> None:
        """Look at the world, and change it."""


@dataclass(slots=True)
class FleetWorld:
    """The pools at one moment, and the machines of one service in them."""

    terms: FleetTerms
    pool_count: int
    now_seconds: float = 0.0
    capacity: Sequence[int] = ()
    """Of each pool, ours included. A policy learns of it by launches that fail alone."""
    machines: dict[int, Machine] = field(default_factory=dict)
    lost: tuple[Machine, ...] = ()
    """Since the tick before."""
    launches: int = 0
    refusals: int = 0
    losses: int = 0
    _next_number: int = 0

    def launch(self, pool: int) -> Machine | None:
        """Launch there; None when there is no capacity, which costs nothing."""
        if pool != ON_DEMAND and self.held(pool) >= self.capacity[pool]:
            self.refusals += 1
            return None
        self._next_number += 1
        self.launches += 1
        ready = self.now_seconds + self.terms.cold_start_seconds
        machine = Machine(self._next_number, pool, self.now_seconds, ready)
        self.machines[machine.number] = machine
        return machine

    def end(self, machine: Machine) -> None:
        """End a machine; one that is gone already stays so."""
        self.machines.pop(machine.number, None)

    def held(self, pool: int) -> int:
        """Return how many of ours are in the pool."""
        return sum(machine.pool == pool for machine in self.machines.values())

    def ready(self) -> list[Machine]:
        """Return the machines that could serve now."""
        return [machine for machine in self.machines.values() if machine.is_ready(self.now_seconds)]

    def take(self, capacity: Sequence[int]) -> None:
        """Let the pools have this capacity from now on: of a pool that has less than ours the youngest are lost."""
        self.capacity = capacity
        lost: list[Machine] = []
        for pool in {machine.pool for machine in self.machines.values() if machine.is_spot}:
            ours = sorted((one for one in self.machines.values() if one.pool == pool), key=lambda one: one.number)
            lost += ours[capacity[pool] :]
        for machine in lost:
            del self.machines[machine.number]
        self.lost = (*self.lost, *lost)
        self.losses += len(lost)


@dataclass(frozen=True, slots=True)
class FleetResult:
    """What a policy came to. `cost` and `optimum` are by that of the wanted machines on demand."""

    cost: float
    optimum: float
    """What the machines that served would have cost with all of the capacity known beforehand; cost is never below."""
    availability: float
    """Share of the time in which all that are wanted could serve."""
    served: float
    """Of what is wanted, how much could serve on average."""
    launches: int
    losses: int
    losses_survived: int
    """Those after which all that are wanted could serve nevertheless, at once."""
    hours: float


def play_fleet(policy: FleetPolicy, terms: FleetTerms, capacities: Sequence[Sequence[int]], gap_seconds: float) -> FleetResult:
    """Play a stretch without gaps; `capacities` are those of the pools, tick by tick of the trace. Its first cold start counts as time."""
    world = FleetWorld(terms, pool_count=len(capacities[0]))
    spot_step, on_demand_step = terms.spot_price * terms.step_seconds, terms.step_seconds
    paid = least = 0.0
    serving = full = survived = steps = 0
    place, capacity = -1, 0
    for steps in range(1, int(len(capacities) * gap_seconds / terms.step_seconds) + 1):
        world.now_seconds = (steps - 1) * terms.step_seconds
        world.lost = ()
        due = min(int(world.now_seconds / gap_seconds), len(capacities) - 1)
        if due != place:
            place, capacity = due, sum(capacities[due])
            world.take(capacities[place])
        policy.act(world)
        able = min(terms.wanted, len(world.ready()))
        serving += able
        full += able == terms.wanted
        survived += len(world.lost) if able == terms.wanted else 0
        spot_able = min(able, capacity)
        least += spot_able * spot_step + (able - spot_able) * on_demand_step
        paid += sum(spot_step if machine.is_spot else on_demand_step for machine in world.machines.values())
    wanted_seconds = steps * terms.step_seconds * terms.wanted
    return FleetResult(
        cost=paid / wanted_seconds,
        optimum=least / wanted_seconds,
        availability=full / steps,
        served=serving / (steps * terms.wanted),
        launches=world.launches,
        losses=world.losses,
        losses_survived=survived,
        hours=steps * terms.step_seconds / SECONDS_PER_HOUR,
    )


def join(results: Sequence[FleetResult]) -> FleetResult:
    """Return the results of several stretches as one, each by its length."""
    hours = sum(one.hours for one in results)

    def mean(values: Iterable[float]) -> float:
        return sum(value * one.hours for value, one in zip(values, results, strict=True)) / hours

    return FleetResult(
        cost=mean(one.cost for one in results),
        optimum=mean(one.optimum for one in results),
        availability=mean(one.availability for one in results),
        served=mean(one.served for one in results),
        launches=sum(one.launches for one in results),
        losses=sum(one.losses for one in results),
        losses_survived=sum(one.losses_survived for one in results),
        hours=hours,
    )
