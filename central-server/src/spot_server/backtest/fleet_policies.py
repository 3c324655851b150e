"""Published policies for machines that serve side by side, and the plain ones."""

from __future__ import annotations

from collections.abc import Iterable

from spot_server.backtest.fleet import FleetWorld, Machine
from spot_server.backtest.terms import ON_DEMAND


class OnDemandFleet:
    """On demand alone."""

    def act(self, world: FleetWorld) -> None:
        """Launch what is missing."""
        for _ in range(world.terms.wanted - len(world.machines)):
            world.launch(ON_DEMAND)


class CheapestSpotFleet:
    """Spot in the first pool that has capacity (they cost the same), on demand where none has, back to spot as soon as one has again.

    On demand is given up when its successor can serve.
    """

    def act(self, world: FleetWorld) -> None:
        """Replace what is lost at once, and what is on demand as soon as that succeeds."""
        for _ in range(world.terms.wanted - len(world.machines)):
            if _launch_first(world, range(world.pool_count)) is None:
                world.launch(ON_DEMAND)
        spot = [machine for machine in world.machines.values() if machine.is_spot]
        for _ in range(world.terms.wanted - len(spot)):
            if _launch_first(world, range(world.pool_count)) is None:
                break
        _end_spare_on_demand(world)


class EvenSpreadFleet:
    """Spot alone, each machine bound to a pool, the pools in turn; one that is lost is asked for in its pool again and again.

    `extra` more than are wanted.
    """

    def __init__(self, extra: int = 1) -> None:
        """Spread `extra` more machines than are wanted."""
        self.extra = extra

    def act(self, world: FleetWorld) -> None:
        """Ask each pool for what it should have."""
        total = world.terms.wanted + self.extra
        for pool in range(world.pool_count):
            share = total // world.pool_count + (pool < total % world.pool_count)
            for _ in range(share - world.held(pool)):
                if world.launch(pool) is None:
                    break


class RoundRobinFleet:
    """Spot alone; one that is lost, or is refused, is asked for in the next pool, one try a tick. `extra` more than are wanted."""

    def __init__(self, extra: int = 1) -> None:
        """Hold `extra` more machines than are wanted."""
        self.extra, self._next = extra, 0

    def act(self, world: FleetWorld) -> None:
        """Ask the pools in turn."""
        for _ in range(world.terms.wanted + self.extra - len(world.machines)):
            world.launch(self._next)
            self._next = (self._next + 1) % world.pool_count


class SpotHedgeFleet:
    """SpotHedge (Mao et al., EuroSys 2025): spot in pools that were kind of late, and on demand for as many as are not ready.

    `extra` more spot machines than are wanted; a pool that refuses or takes a machine is left alone until fewer than two are left,
    then all are tried again; the least used first. On-demand machines: min(wanted, wanted + extra - spot machines that are ready).
    """

    def __init__(self, extra: int = 1) -> None:
        """Hold `extra` more spot machines than are wanted."""
        self.extra = extra
        self._kind: set[int] = set()

    def act(self, world: FleetWorld) -> None:
        """Hold what is to be held, on spot first."""
        for machine in world.lost:
            self._leave(world, machine.pool)
        if not self._kind:
            self._kind = set(range(world.pool_count))
        spot = [machine for machine in world.machines.values() if machine.is_spot]
        for _ in range(world.terms.wanted + self.extra - len(spot)):
            pool = min(self._kind, key=lambda one: (world.held(one), one))
            if world.launch(pool) is None:
                self._leave(world, pool)
        ready = sum(machine.is_spot for machine in world.ready())
        wanted = min(world.terms.wanted, world.terms.wanted + self.extra - ready)
        on_demand = [machine for machine in world.machines.values() if not machine.is_spot]
        for _ in range(wanted - len(on_demand)):
            world.launch(ON_DEMAND)
        for machine in on_demand[max(0, wanted) :]:
            world.end(machine)

    def _leave(self, world: FleetWorld, pool: int) -> None:
        self._kind.discard(pool)
        if len(self._kind) < min(2, world.pool_count):
            self._kind = set(range(world.pool_count))


def _launch_first(world: FleetWorld, pools: Iterable[int]) -> Machine | None:
    """Launch in the first of the pools that has capacity."""
    for pool in pools:
        machine = world.launch(pool)
        if machine is not None:
            return machine
    return None


def _end_spare_on_demand(world: FleetWorld) -> None:
    """End on-demand machines for which as many others could serve."""
    ready_spot = sum(machine.is_spot for machine in world.ready())
    on_demand = [machine for machine in world.machines.values() if not machine.is_spot]
    for machine in on_demand[max(0, world.terms.wanted - ready_spot) :]:
        world.end(machine)
