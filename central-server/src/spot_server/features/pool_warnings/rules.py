"""Who is warned that its pool was interrupted, decided from values alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FRESH_SECONDS = 600.0
"""An interruption that was longer ago warns nobody: after a server that was away, of what is over."""

QUIET_SECONDS = 6 * 3600.0
"""After a warning, and after the hold that it may begin: a pool that goes on losing instances is not told of again and again, nor does it
make one replica after the other."""

MOST_AT_ONCE = 10
"""Agents warned in one round: what a large pool's agents launch is spread in time, and does not empty the next pool at once."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A PRIMARY in a pool where another instance was taken, at `interrupted_at`; `cause_id` is that event, `warned_at` its last warning."""

    agent_id: str
    instance_id: str
    cause_id: str
    interrupted_at: datetime
    warned_at: datetime | None = None


def is_due(neighbour: Neighbour, *, hold_seconds: float, now: datetime) -> bool:
    """Tell whether it is warned: of something fresh, and not again within the hold and the quiet after its last warning."""
    if now - neighbour.interrupted_at > timedelta(seconds=FRESH_SECONDS):
        return False
    quiet = timedelta(seconds=hold_seconds + QUIET_SECONDS)
    return neighbour.warned_at is None or now - neighbour.warned_at >= quiet


def choose_warned(neighbours: list[Neighbour]) -> list[Neighbour]:
    """Return whom to warn in this round: each agent once, of what was first, those that wait longest before the others."""
    first: dict[str, Neighbour] = {}
    for one in sorted(neighbours, key=lambda one: (one.interrupted_at, one.cause_id, one.agent_id)):
        first.setdefault(one.agent_id, one)
    return list(first.values())[:MOST_AT_ONCE]
