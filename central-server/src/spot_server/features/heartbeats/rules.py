"""What a heartbeat says beyond being alive, and when silence counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SKEW_NOTED_SECONDS = 300.0
"""A clock that is wrong by more than this makes deadlines and signatures (AWS allows 5 minutes) fail."""


@dataclass(frozen=True, slots=True)
class Offline:
    """Nothing was heard from an agent's primary since `cutoff`."""

    cutoff: datetime


@dataclass(frozen=True, slots=True)
class Grace:
    """The server itself was away: silence says nothing before `until`."""

    until: datetime


def judge_silence(now: datetime, listening_since: datetime, *, offline_after_seconds: float) -> Offline | Grace:
    """Return from when on silence counts. Before the server has listened for `offline_after_seconds` it counts for nobody."""
    patience = timedelta(seconds=offline_after_seconds)
    if now - listening_since < patience:
        return Grace(listening_since + patience)
    return Offline(now - patience)


def clock_skew_seconds(sent_at: datetime | None, received_at: datetime) -> float | None:
    """Return by how much the daemon's clock is ahead (> 0) or behind (< 0), the way there included; None if it did not say."""
    return None if sent_at is None else (sent_at - received_at).total_seconds()


def is_skew_noted(skew_seconds: float | None) -> bool:
    """Return whether a clock is so wrong that a person should know."""
    return skew_seconds is not None and abs(skew_seconds) > SKEW_NOTED_SECONDS
