"""Whether the server itself could hear: nothing is concluded from silence that may be its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LONGEST_PAUSE_SECONDS = 30.0
"""Between two looks. After a longer one this process stood still, and heard nothing meanwhile."""

CLOCK_STEP_SECONDS = 5.0
"""By how much the time of day may differ from the steady clock between two looks; more is a clock that was set."""


@dataclass(frozen=True, slots=True)
class Ear:
    """Since when (steady seconds) this process has listened without a break, and since when it has heard somebody all the time."""

    listening_since_seconds: float
    hearing_since_seconds: float | None
    looked_at: datetime
    looked_at_seconds: float

    @property
    def listened_seconds(self) -> float:
        """How long it has listened."""
        return self.looked_at_seconds - self.listening_since_seconds

    @property
    def heard_seconds(self) -> float:
        """How long it has heard somebody all the time; 0 while it hears nobody."""
        return 0.0 if self.hearing_since_seconds is None else self.looked_at_seconds - self.hearing_since_seconds


def listen(ear: Ear | None, *, now: datetime, now_seconds: float, hears_somebody: bool) -> Ear:
    """Return what is known after another look. A pause, or a clock that was set, begins anew."""
    if ear is None or _is_broken(ear, now, now_seconds):
        return Ear(now_seconds, now_seconds if hears_somebody else None, now, now_seconds)
    since_seconds = now_seconds if ear.hearing_since_seconds is None else ear.hearing_since_seconds
    return Ear(ear.listening_since_seconds, since_seconds if hears_somebody else None, now, now_seconds)


def _is_broken(ear: Ear, now: datetime, now_seconds: float) -> bool:
    passed_seconds = now_seconds - ear.looked_at_seconds
    is_set = abs((now - ear.looked_at).total_seconds() - passed_seconds) > CLOCK_STEP_SECONDS
    return is_set or passed_seconds > LONGEST_PAUSE_SECONDS
