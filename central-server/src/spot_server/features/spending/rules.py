"""When a guard bites. What takes the place of a primary that is being taken away is never held back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Guard(StrEnum):
    """The bounds of an agent's spending."""

    MOST_REPLICAS = "most_replicas"
    LAUNCHES_PER_HOUR = "launches_per_hour"
    OVERLAP_HOURS = "overlap_hours"


@dataclass(frozen=True, slots=True)
class Spending:
    """What an agent has: other replicas that live and were asked for, and instances that were launched for it within the hour."""

    live_replicas: int
    launches_within_hour: int


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """The bounds of one agent. `most_replicas` >= 1; `launches_per_hour` 0: none but rescues."""

    most_replicas: int
    launches_per_hour: int


@dataclass(frozen=True, slots=True)
class Bite:
    """A guard that speaks against a launch, and why."""

    guard: Guard
    reason: str


def bite(spending: Spending, limits: SpendingLimits) -> Bite | None:
    """Return what speaks against one launch more; None when there is room."""
    if spending.live_replicas >= limits.most_replicas:
        reason = f"{spending.live_replicas} other replicas live, and the most is {limits.most_replicas}"
        return Bite(Guard.MOST_REPLICAS, reason)
    if spending.launches_within_hour >= limits.launches_per_hour:
        reason = f"{spending.launches_within_hour} instances were launched within the hour, and the most is {limits.launches_per_hour}"
        return Bite(Guard.LAUNCHES_PER_HOUR, reason)
    return None
