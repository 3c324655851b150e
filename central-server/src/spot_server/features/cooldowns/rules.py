"""For how long a pool is left alone that had no capacity, decided from values alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_COOLDOWN_SECONDS = 180.0
LONGEST_COOLDOWN_SECONDS = 3600.0
"""A pool without capacity is left alone for 3 minutes, then for twice as long each time, up to an hour. Source: Karpenter keeps an
offering that was short for 3 minutes; the doubling and the bound are ours."""

MEMORY_SECONDS = 3600.0
"""A pool that is refused again within this after its cool-down is short still, and not short anew."""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A pool's shortage: how often it was refused anew (>= 1), when last, and until when it is left alone."""

    shortage_count: int
    refused_at: datetime
    until_at: datetime


def cooldown_seconds(shortage_count: int) -> float:
    """Return how long a pool is left alone after its `shortage_count`-th shortage in a row (>= 1)."""
    return min(LONGEST_COOLDOWN_SECONDS, FIRST_COOLDOWN_SECONDS * 2.0 ** min(shortage_count - 1, 10))


def next_cooldown(earlier: Cooldown | None, now: datetime) -> Cooldown:
    """Return the cool-down that a refusal now leads to.

    What is refused while the pool cools down tells of the same shortage: many who asked at once, or who had nowhere else to go. It does
    not make the next one longer, only lets this one begin anew.
    """
    if earlier is None or now >= earlier.until_at + timedelta(seconds=MEMORY_SECONDS):
        count = 1
    elif now < earlier.until_at:
        count = earlier.shortage_count
    else:
        count = earlier.shortage_count + 1
    until_at = now + timedelta(seconds=cooldown_seconds(count))
    # Two servers' clocks may differ: nobody shortens what another has set.
    return Cooldown(count, now, until_at if earlier is None else max(until_at, earlier.until_at))


def is_answered_by(cooldown: Cooldown, launched_at: datetime) -> bool:
    """Tell whether an instance that was launched then shows that the shortage is over: one from before the refusal shows nothing."""
    return launched_at > cooldown.refused_at
