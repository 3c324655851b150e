"""How long an instance takes to be ready where, from what earlier ones took; decided from values alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

LEAST_BOOTS = 3
"""Of fewer a median says little: one slow disk decides it."""

BOOT_WINDOW_DAYS = 30
"""What was longer ago says little of today's hardware and images."""

MOST_BOOTS = 500
"""Of the window the newest: enough for every pool of an agent, and a bound on what an emergency reads."""

Pool = tuple[str, str]
"""An instance type and an AZ id."""


@dataclass(frozen=True, slots=True)
class Boot:
    """One replica that got ready, on spot or on demand: the machines are the same."""

    instance_type: str
    az_id: str
    seconds: float


def expected_boot_seconds(boots: Iterable[Boot], pools: Iterable[Pool]) -> dict[Pool, float]:
    """Return the median time from launch to ready of each pool, or of its type where it has too few; a pool with neither is no key.

    Times that are not above 0 come of two clocks, and are left out.
    """
    of_pool, of_type = defaultdict[Pool, list[float]](list), defaultdict[str, list[float]](list)
    for boot in boots:
        if boot.seconds > 0:
            of_pool[boot.instance_type, boot.az_id].append(boot.seconds)
            of_type[boot.instance_type].append(boot.seconds)
    enough = {pool: next((told for told in (of_pool[pool], of_type[pool[0]]) if len(told) >= LEAST_BOOTS), None) for pool in pools}
    return {pool: median(told) for pool, told in enough.items() if told is not None}
