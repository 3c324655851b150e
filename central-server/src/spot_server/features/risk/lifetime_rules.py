"""When a spot instance was there to be lost, from what the books say of it; decided from values alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.features.risk.evidence_rules import LOOKBACK_HOURS, Lifetime

SILENT_AFTER_SECONDS = 3600.0
"""An instance that was not heard of for this long may be gone: it counts until it was last heard."""

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Presence:
    """An instance's beginning, and what may have ended its time in a pool; None: that did not happen.

    `watched_at`: from when on the server would have heard of its loss; None: from its beginning, as of one that the server had launched.
    What came to us later had outlived the time before, or it would not have come: those hours say nothing of its pool.
    """

    began_at: datetime
    last_heartbeat_at: datetime
    lost_at: datetime | None
    terminated_at: datetime | None
    released_at: datetime | None
    watched_at: datetime | None = None


def lifetime_of(seen: Presence, now: datetime) -> Lifetime:
    """Return the instance's lifetime. It was lost if EC2 took it, and censored if it lives, was ended by us, released, or fell silent."""
    if seen.lost_at is not None:
        ended_at = seen.lost_at
    else:
        ends = [moment for moment in (seen.terminated_at, seen.released_at) if moment is not None]
        is_silent = now - seen.last_heartbeat_at > timedelta(seconds=SILENT_AFTER_SECONDS)
        ended_at = min(ends) if ends else seen.last_heartbeat_at if is_silent else now
    # Clocks of machines differ: nothing ends before it began, and nothing lies ahead.
    ended_at = min(ended_at, now)
    began_at = min(seen.began_at, ended_at)
    found = Lifetime((now - began_at) / HOUR, (now - ended_at) / HOUR, seen.lost_at is not None)
    return found if seen.watched_at is None else found._replace(watched_hours_ago=(now - min(seen.watched_at, ended_at)) / HOUR)


@dataclass(frozen=True, slots=True)
class Record:
    """What was seen of a pool in the lookback, in figures for people: hours of instances, losses, and the hours since the newest loss."""

    instance_hours: float
    losses: int
    newest_loss_hours_ago: float | None


def record_of(lifetimes: Iterable[Lifetime]) -> Record:
    """Add lifetimes up."""
    hours, losses, newest = 0.0, 0, None
    for one in lifetimes:
        hours += max(0.0, one.counted_hours_ago - one.ended_hours_ago)
        if one.was_lost and one.ended_hours_ago <= LOOKBACK_HOURS:
            losses += 1
            newest = one.ended_hours_ago if newest is None else min(newest, one.ended_hours_ago)
    return Record(hours, losses, newest)
