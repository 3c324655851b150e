"""What may happen to a command, decided from values alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from spot_server.errors import StateConflict
from spot_server.words import Actor, ClosedBecause, CommandKind, CommandStatus, Role


class CommandEvent(StrEnum):
    """What can happen to a command."""

    DELIVERED = "delivered"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ANSWERED_LATE = "answered_late"


COMMAND_MEANINGS: dict[CommandStatus, str] = {
    CommandStatus.QUEUED: "Nobody was given it yet.",
    CommandStatus.DELIVERED: "It was in an answer to its daemon, which may or may not have arrived.",
    CommandStatus.SUCCEEDED: "The daemon says that it took effect.",
    CommandStatus.FAILED: "The daemon says that it did not.",
    CommandStatus.EXPIRED: "Its time is over, or another attempt took its place. It may have taken effect.",
    CommandStatus.CANCELLED: "It is no longer wanted. If it was delivered, it may have taken effect.",
}

COMMAND_EVENT_MEANINGS: dict[CommandEvent, str] = {
    CommandEvent.DELIVERED: "Its daemon asks for commands; again after a few seconds without an answer.",
    CommandEvent.SUCCEEDED: "The daemon answers that it took effect.",
    CommandEvent.FAILED: "The daemon answers that it did not.",
    CommandEvent.EXPIRED: "No answer came in time, or a new attempt takes its place.",
    CommandEvent.CANCELLED: "What it was for is taken back.",
    CommandEvent.ANSWERED_LATE: "The daemon answers one that was given up: evidence, kept and acted on, not a change of status.",
}

COMMAND_TRANSITIONS: dict[tuple[CommandStatus, CommandEvent], CommandStatus] = {
    (CommandStatus.QUEUED, CommandEvent.DELIVERED): CommandStatus.DELIVERED,
    (CommandStatus.QUEUED, CommandEvent.SUCCEEDED): CommandStatus.SUCCEEDED,
    (CommandStatus.QUEUED, CommandEvent.FAILED): CommandStatus.FAILED,
    (CommandStatus.QUEUED, CommandEvent.EXPIRED): CommandStatus.EXPIRED,
    (CommandStatus.QUEUED, CommandEvent.CANCELLED): CommandStatus.CANCELLED,
    (CommandStatus.DELIVERED, CommandEvent.DELIVERED): CommandStatus.DELIVERED,
    (CommandStatus.DELIVERED, CommandEvent.SUCCEEDED): CommandStatus.SUCCEEDED,
    (CommandStatus.DELIVERED, CommandEvent.FAILED): CommandStatus.FAILED,
    (CommandStatus.DELIVERED, CommandEvent.EXPIRED): CommandStatus.EXPIRED,
    (CommandStatus.DELIVERED, CommandEvent.CANCELLED): CommandStatus.CANCELLED,
    (CommandStatus.EXPIRED, CommandEvent.ANSWERED_LATE): CommandStatus.EXPIRED,
    (CommandStatus.CANCELLED, CommandEvent.ANSWERED_LATE): CommandStatus.CANCELLED,
}


def next_command_status(status: CommandStatus, event: CommandEvent) -> CommandStatus:
    """Return the status after `event`; StateConflict for a pair that the table does not hold."""
    try:
        return COMMAND_TRANSITIONS[(status, event)]
    except KeyError as missing:
        raise StateConflict(f"a command that is {status} cannot be {event}", status=status, event=event) from missing


REDELIVERY_AFTER_SECONDS = 5
"""An answer that takes longer may be lost: the command is handed out again, and the daemon knows it by its request_id."""

SECRET_PAYLOAD_KEYS = frozenset({"user_data"})
"""Removed from a command that is finished: user data holds a launch nonce."""

TRANSIENT_ERRORS = frozenset({"throttled", "race", "unreachable", "unexpected", "stale_epoch"})
"""Classes of failure that may pass, and after which the same thing is asked for again. The act may have happened all the same."""

ASKED_AGAIN_ERRORS = TRANSIENT_ERRORS | {"refused"}
"""Classes after which the same launch is asked for again, with the same payload. What reached a daemon too late is refused."""


QUIESCED_AFTER: dict[CommandKind, bool] = {CommandKind.QUIESCE: True, CommandKind.DEMOTE: True, CommandKind.START_SERVING: False}
"""Whether a daemon that carried out such a command waits to be told before it lets its workload serve again."""


def payload_digest(kind: str, payload: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what a command asks for: the same request_id with another digest is another request."""
    text = json.dumps({"kind": kind, "payload": payload}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def is_deliverable(status: CommandStatus, last_delivered_at: datetime | None, now: datetime) -> bool:
    """Tell whether a daemon that asks now should be given this command."""
    if (status, CommandEvent.DELIVERED) not in COMMAND_TRANSITIONS:
        return False
    if last_delivered_at is None:
        return True
    return now - last_delivered_at >= timedelta(seconds=REDELIVERY_AFTER_SECONDS)


def is_past_end(end_at: datetime | None, last_heard_at: datetime, now: datetime, *, outlived_seconds: float) -> bool:
    """Tell whether the time has come at which a notice takes an instance away, and nothing was heard of it long after that time."""
    return end_at is not None and end_at <= now and last_heard_at < end_at + timedelta(seconds=outlived_seconds)


REMOVED = "removed"
"""Stands in the place of a secret that is kept no longer."""


def has_secrets(payload: Mapping[str, Any]) -> bool:
    """Tell whether a payload holds what must not be kept after the command is finished."""
    return any(payload.get(key, REMOVED) != REMOVED for key in SECRET_PAYLOAD_KEYS)


def without_secrets(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload as it may be kept after the command is finished."""
    return {key: (REMOVED if key in SECRET_PAYLOAD_KEYS else value) for key, value in payload.items()}


def payload_to_keep(payload: Mapping[str, Any], outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a payload that was answered: the whole of it only while the same thing may be asked for again."""
    error_class = (outcome.get("error") or {}).get("class")
    return dict(payload) if error_class in ASKED_AGAIN_ERRORS else without_secrets(payload)


def is_same_outcome(recorded: Mapping[str, Any] | None, reported: Mapping[str, Any]) -> bool:
    """Tell whether a second report says what the first one said; times may differ, a daemon may not have kept them."""
    if recorded is None:
        return False
    return all(recorded.get(key) == reported.get(key) for key in ("outcome", "error", "result"))


CLOSED_MEANINGS: dict[ClosedBecause, str] = {
    ClosedBecause.INSTANCE_TERMINATED: "EC2 says that its instance is gone.",
    ClosedBecause.AGENT_DELETED: "Its agent is deleted, and its daemon has stopped or stayed away for a month.",
    ClosedBecause.NOBODY_WAITS: "What it was for is over: the move ended, or the replica registered or ended without this answer.",
    ClosedBecause.DEADLINE_PASSED: "Its deadline passed a day ago, and nobody looks after it.",
}

RELEASE_PATIENCE = timedelta(days=30)
"""How long a deleted agent's daemon may stay away and still be told to stop when it comes back."""

DEADLINE_PATIENCE = timedelta(days=1)
"""How long after its deadline a command that nobody looks after is still handed out: its daemon would refuse it."""

_WITHOUT_DEADLINE = frozenset({CommandKind.RELEASE, CommandKind.DEMOTE})
"""What a daemon carries out however late it comes."""


@dataclass(frozen=True, slots=True)
class OpenCommandFacts:
    """An open command, and what it was for."""

    kind: CommandKind
    actor: Actor
    issued_at: datetime
    deadline_at: datetime | None
    instance_role: Role | None
    """None where its actor is no instance of the agent."""
    is_owner_waiting: bool
    """A move that is not over, or a replica that has neither registered nor ended, waits for the answer, and asks anew without it."""
    had_owner: bool
    """It was issued for a move or a replica."""
    is_daemon_dismissed: bool
    """Its agent is deleted, and its daemon has answered that it stops."""


def why_to_close(facts: OpenCommandFacts, now: datetime) -> ClosedBecause | None:
    """Say why nobody will answer an open command, or waits for its answer; None while somebody may and somebody does.

    Silence alone is no reason: a daemon that comes back is given what waits for it. Its own end is, and so is the end of what asked.
    """
    if facts.is_owner_waiting:
        return None
    if facts.instance_role is Role.TERMINATED and facts.actor is Actor.DAEMON:
        return ClosedBecause.INSTANCE_TERMINATED
    if facts.is_daemon_dismissed:
        return ClosedBecause.AGENT_DELETED
    if facts.kind is CommandKind.RELEASE:
        return ClosedBecause.AGENT_DELETED if now - facts.issued_at >= RELEASE_PATIENCE else None
    if facts.had_owner:
        return ClosedBecause.NOBODY_WAITS
    is_late = facts.deadline_at is not None and now - facts.deadline_at >= DEADLINE_PATIENCE
    return ClosedBecause.DEADLINE_PASSED if is_late and facts.kind not in _WITHOUT_DEADLINE else None
