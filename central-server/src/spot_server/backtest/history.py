"""What was known of a pool's capacity at each tick: never of what came after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

HALF_LIFE_HOURS = 48.0
PRIOR_HOURS, PRIOR_SHARE, PRIOR_SPELLS_PER_HOUR = 6.0, 0.5, 0.2
"""What stands for the past where there is none: it weighs as much as six recorded hours. Means of the training parts, rounded."""


class Known(NamedTuple):
    """A pool at one tick."""

    has_capacity: bool
    spell_seconds: float
    """How long it has been so, by what was recorded."""
    share: float
    """Of the time with capacity, what is longer ago counting less."""
    spells_per_hour: float
    """How often it began to have capacity, likewise."""


class JobTick(NamedTuple):
    """What a job may know at one tick."""

    zones: tuple[Known, ...]
    """Each zone in which it may run."""
    together: Known
    """Of all of them as one: has capacity where any has."""


@dataclass(slots=True)
class _Sums:
    hours: float = PRIOR_HOURS
    with_capacity: float = PRIOR_SHARE * PRIOR_HOURS
    spells: float = PRIOR_SPELLS_PER_HOUR * PRIOR_HOURS

    def decay(self, factor: float) -> None:
        self.hours *= factor
        self.with_capacity *= factor
        self.spells *= factor


def known_series(has_capacity: Sequence[bool], gap_seconds: float) -> list[Known]:
    """Return what is known at each tick of a stretch without gaps, that tick included; nothing of before the stretch counts."""
    gap_hours = gap_seconds / 3600
    factor = 0.5 ** (gap_hours / HALF_LIFE_HOURS)
    sums, spell_seconds = _Sums(), 0.0
    found: list[Known] = []
    for place, now in enumerate(has_capacity):
        is_new = place > 0 and now != has_capacity[place - 1]
        spell_seconds = 0.0 if is_new or place == 0 else spell_seconds + gap_seconds
        sums.decay(factor)
        sums.hours += gap_hours
        sums.with_capacity += gap_hours if now else 0.0
        sums.spells += 1.0 if is_new and now else 0.0
        found.append(Known(now, spell_seconds, sums.with_capacity / sums.hours, sums.spells / sums.hours))
    return found


def job_ticks(zones: Sequence[Sequence[bool]], gap_seconds: float) -> list[JobTick]:
    """Return what is known at each tick of zones that were recorded side by side: of each, and of all together."""
    apart = [known_series(zone, gap_seconds) for zone in zones]
    together = apart[0] if len(apart) == 1 else known_series([any(tick) for tick in zip(*zones, strict=True)], gap_seconds)
    return [JobTick(seen, whole) for seen, whole in zip(zip(*apart, strict=True), together, strict=True)]
