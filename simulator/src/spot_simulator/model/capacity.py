"""Which pools have no capacity, on order; everything else has some."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    """How an instance is bought."""

    SPOT = "spot"
    ON_DEMAND = "on_demand"


@dataclass(frozen=True, slots=True, order=True)
class CapacityPool:
    """One market in one zone; on demand is a mode of it."""

    instance_type: str
    az_id: str
    mode: Mode


@dataclass(slots=True)
class CapacityTable:
    """The pools that are empty now."""

    _empty: set[CapacityPool] = field(default_factory=set)

    def set_available(self, pool: CapacityPool, *, is_available: bool) -> None:
        """Fill or empty a pool; repeating it changes nothing."""
        (self._empty.discard if is_available else self._empty.add)(pool)

    def fill_all(self) -> None:
        """Let every pool have capacity."""
        self._empty.clear()

    def is_available(self, pool: CapacityPool) -> bool:
        """Whether a launch in the pool finds capacity."""
        return pool not in self._empty

    def empty_pools(self) -> list[CapacityPool]:
        """List the pools without capacity, sorted."""
        return sorted(self._empty)
