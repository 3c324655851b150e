"""What the metadata service's notices say, and what makes two of them the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from spot_agent.model import JsonObject
from spot_agent.timestamps import optional_from_wire

TERMINATION = "termination-imminent"
REBALANCE = "rebalance-recommendation"
ACTIONS = ("terminate", "stop", "hibernate")


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice. `at` is when EC2 acts (termination; approximate, may be past) or when it was noticed (rebalance)."""

    kind: str
    notice_id: str
    action: str | None
    at: datetime


def notice_id_of(instance_id: str, body: str) -> str:
    """The same notice has the same id after any number of repeats and restarts."""
    return hashlib.sha256(f"{instance_id}\n{body}".encode()).hexdigest()


def parse_termination(instance_id: str, body: str) -> Notice | None:
    """None when the body is not a whole notice: then nothing is known, and it must be read again."""
    fields = _object(body)
    at = optional_from_wire(fields.get("time"))
    action = fields.get("action")
    if at is None or action not in ACTIONS:
        return None
    return Notice(TERMINATION, notice_id_of(instance_id, body), str(action), at)


def parse_rebalance(instance_id: str, body: str) -> Notice | None:
    """None as above."""
    at = optional_from_wire(_object(body).get("noticeTime"))
    return None if at is None else Notice(REBALANCE, notice_id_of(instance_id, body), None, at)


def parse_scheduled(body: str) -> tuple[JsonObject, ...] | None:
    """The scheduled maintenance events as EC2 words them; None when the body is not a list of objects."""
    try:
        events = json.loads(body)
    except ValueError:
        return None
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        return None
    return tuple(events)


def _object(body: str) -> JsonObject:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
