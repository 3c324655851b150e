"""What runs measured, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil


@dataclass(frozen=True, slots=True)
class Answer:
    """How a notice was answered, all in seconds; None where nothing came of it."""

    is_ready: bool
    """Whether a replica was ready when the notice came."""
    detection: float | None
    """Until a move of the instance began."""
    traffic: float | None
    """Until another instance gave the outside prober a good answer."""
    beyond: float | None
    """The same, without what the region itself took to launch, boot and start the one that answered."""
    is_hibernation: bool = False
    """Whether it was one that begins with its notice: no daemon lives to tell of it, and there is no time left."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run."""

    answers: tuple[Answer, ...] = ()
    """One for each notice of an instance that served."""
    downtimes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Each outage that the outside prober saw, in seconds, by trigger and carry of the move that it is of."""
    longest_outage_seconds: float = 0.0
    """Of those that came to an end, of all agents: one that nobody can help is left out."""


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed. ValueError when there are none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]
