"""When the server as a whole is well."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Health(StrEnum):
    """How a part is doing."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


_ORDER = (Health.OK, Health.DEGRADED, Health.FAILING)

SLOW_DATABASE_MS = 250.0
"""A trivial query that takes longer than this slows every heartbeat."""


def worst(parts: Iterable[Health]) -> Health:
    """Return the health of the whole: that of its worst part."""
    return max(parts, key=_ORDER.index, default=Health.OK)


def judge_database(latency_ms: float | None) -> Health:
    """Judge by the time of a trivial query; None: it failed."""
    if latency_ms is None:
        return Health.FAILING
    return Health.DEGRADED if latency_ms > SLOW_DATABASE_MS else Health.OK


def judge_lease(seconds_left: float | None) -> Health:
    """Judge the jobs by the time that is left on their lease; None: nobody ever led. Without jobs nothing is decided."""
    return Health.OK if seconds_left is not None and seconds_left > 0 else Health.FAILING


def judge_agents(online: int, offline: int) -> Health:
    """Judge by who is silent. All of several silent is our fault more likely than theirs."""
    if offline == 0:
        return Health.OK
    return Health.FAILING if online == 0 and offline > 1 else Health.DEGRADED


def judge_commands(oldest_seconds: float | None, limit_seconds: float) -> Health:
    """Judge by the oldest command that no daemon has fetched yet; None: there is none."""
    return Health.DEGRADED if oldest_seconds is not None and oldest_seconds > limit_seconds else Health.OK


def judge_room(occupied: int, seats: int) -> Health:
    """Judge the waiting room: full means that daemons poll plainly and commands come later."""
    return Health.DEGRADED if occupied >= seats else Health.OK
