"""A smaller schedule that goes wrong in the same way: the history that a person can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spot_simulator.virtual.run import Result, play
from spot_simulator.virtual.schedule import Schedule

MOST_TRIES = 60


def shrink(failed: Result, play_one: Callable[[Schedule], Result] = play, most_tries: int = MOST_TRIES) -> Result:
    """Leave events out, half of them first and single ones last, for as long as the run still breaks an invariant of the same name."""
    best, size, tries = failed, max(1, len(failed.schedule.events) // 2), 0
    while size >= 1 and tries < most_tries:
        start = 0
        while start < len(best.schedule.events) and tries < most_tries:
            events = best.schedule.events
            tries += 1
            smaller = play_one(replace(best.schedule, events=events[:start] + events[start + size :]))
            if names_of(smaller) & names_of(failed):
                best = smaller
            else:
                start += size
        size //= 2
    return best


def names_of(result: Result) -> set[str]:
    """Return the names of the invariants that a run broke."""
    return {violation.invariant for violation in result.violations}
