"""What may happen to a command, decided from values alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from spot_server.words import OPEN_COMMAND_STATUSES, CommandStatus

REDELIVERY_AFTER_SECONDS = 5
"""An answer that takes longer may be lost: the command is handed out again, and the daemon knows it by its request_id."""

SECRET_PAYLOAD_KEYS = frozenset({"user_data"})
"""Removed from a command that is finished: user data holds a launch nonce."""


def payload_digest(kind: str, payload: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what a command asks for: the same request_id with another digest is another request."""
    text = json.dumps({"kind": kind, "payload": payload}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def is_deliverable(status: CommandStatus, last_delivered_at: datetime | None, now: datetime) -> bool:
    """Tell whether a daemon that asks now should be given this command."""
    if status not in OPEN_COMMAND_STATUSES:
        return False
    if last_delivered_at is None:
        return True
    return now - last_delivered_at >= timedelta(seconds=REDELIVERY_AFTER_SECONDS)


def without_secrets(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload as it may be kept after the command is finished."""
    return {key: ("removed" if key in SECRET_PAYLOAD_KEYS else value) for key, value in payload.items()}


def is_same_outcome(recorded: Mapping[str, Any] | None, reported: Mapping[str, Any]) -> bool:
    """Tell whether a second report says what the first one said; times may differ, a daemon may not have kept them."""
    if recorded is None:
        return False
    return all(recorded.get(key) == reported.get(key) for key in ("outcome", "error", "result"))
