"""What to do about a scheduled event of EC2, decided from values alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from spot_server.moments import is_believable

ACTIVE_STATE = "active"
EFFECTS: dict[str, str] = {
    "instance-stop": "stop it",
    "instance-retirement": "stop or terminate it for good",
    "instance-reboot": "reboot it",
    "system-reboot": "reboot its host, and it with it",
    "system-maintenance": "take its network or power away for a moment",
}
"""What each code does to an instance. Source: the EC2 user guide, scheduled events for your instances."""

LEAD_SECONDS = 86_400.0
"""How long before its time an event is answered with a move: early enough for some more tries, late enough that EC2 may call it off."""

OVERDUE_SECONDS = 86_400.0
"""How long after its time an event that nobody called off is still answered: EC2 begins at some moment after it."""

MOST_TRIES = 5
TRY_PAUSE_SECONDS = 1800.0
MOST_TEXT = 64


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A scheduled event as a daemon's metadata tells it. `event_id` is EC2's own, the same in every channel."""

    event_id: str
    code: str
    not_before: datetime


def read_scheduled(listed: Sequence[Mapping[str, Any]]) -> list[Scheduled]:
    """Return the active ones of what a daemon listed, in EC2's own words; what is not shaped as EC2 shapes it is left out."""
    found = [_read_one(one) for one in listed]
    return [one for one in found if one is not None]


def _read_one(listed: Mapping[str, Any]) -> Scheduled | None:
    event_id, code, not_before = (listed.get(name) for name in ("EventId", "Code", "NotBefore"))
    if not (isinstance(event_id, str) and isinstance(code, str) and isinstance(not_before, str)):
        return None
    if listed.get("State", ACTIVE_STATE) != ACTIVE_STATE or not 0 < len(event_id) <= MOST_TEXT:
        return None
    try:
        # "21 Jan 2019 09:00:43 GMT": the month is English wherever the server runs.
        at = parsedate_to_datetime(not_before)
        aware = at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return Scheduled(event_id, code[:MOST_TEXT], aware) if is_believable(aware) else None


@dataclass(frozen=True, slots=True)
class MaintenanceFacts:
    """An event that EC2 has scheduled for a PRIMARY. `tried_at`: when a move because of it began last."""

    not_before: datetime
    is_enabled: bool
    allows_move: bool
    is_moving: bool
    tries: int
    tried_at: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """Begin a planned move; `number` (>= 1) is the try."""

    number: int


@dataclass(frozen=True, slots=True)
class Tell:
    """A person should know: nothing is done, and why."""

    reason: str
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing now."""


Decision = Move | Tell | Wait


def decide_maintenance(facts: MaintenanceFacts) -> Decision:
    """Say what to do about it now. A move is only ever made for an agent that decisions may move."""
    if facts.now >= facts.not_before + timedelta(seconds=OVERDUE_SECONDS):
        return Wait()
    if not facts.is_enabled:
        return Tell("it is not moved: the agent is disabled")
    if not facts.allows_move:
        return Tell("it is not moved: auto_switch_enabled is off")
    if facts.is_moving or facts.now < facts.not_before - timedelta(seconds=LEAD_SECONDS):
        return Wait()
    if facts.tries >= MOST_TRIES:
        return Tell(f"it was not moved: {facts.tries} moves failed", is_urgent=True)
    if facts.tried_at is not None and facts.now < facts.tried_at + timedelta(seconds=TRY_PAUSE_SECONDS):
        return Wait()
    return Move(facts.tries + 1)
