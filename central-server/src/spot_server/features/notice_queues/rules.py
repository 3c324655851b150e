"""What a message from EventBridge says, decided from values alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from spot_server.words import InterruptionKind

MOST_RECEIVES = 5
"""So often a message that cannot be taken in is tried; then it is removed, and a person is told."""

MOST_ENTITIES = 100
MOST_ID = 64

_ACTIONS = {
    "terminate": InterruptionKind.TERMINATE,
    "stop": InterruptionKind.STOP,
    "hibernate": InterruptionKind.HIBERNATE,
}
_CODES = (
    ("RETIREMENT", "instance-retirement"),
    ("INSTANCE_STOP", "instance-stop"),
    ("SYSTEM_REBOOT", "system-reboot"),
    ("REBOOT", "instance-reboot"),
    ("MAINTENANCE", "system-maintenance"),
)
"""What an AWS Health event type code holds, and the code of the EC2 event that it means; the first that fits."""

_STATES = frozenset({"pending", "running", "stopping", "stopped", "shutting-down", "terminated"})


@dataclass(frozen=True, slots=True)
class Word:
    """What a message says of one instance. `kind` None: only that it is in `state` now."""

    notice_id: str
    instance_id: str
    region: str
    announced_at: datetime
    kind: InterruptionKind | None = None
    action_at: datetime | None = None
    code: str | None = None
    state: str | None = None
    is_over: bool = False
    """Of scheduled maintenance: it is called off, or done."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message of EventBridge that is none of ours."""

    what: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A message that is not shaped as EventBridge documents it."""

    why: str


Reading = tuple[Word, ...] | Foreign | Broken


class _Misshapen(Exception):
    """A member is missing, or is not what it should be; the text names it."""


def read_message(body: str) -> Reading:
    """Return what the message says. Source of the shapes: the EC2 and AWS Health user guides, events for EventBridge."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return Broken("the body is not JSON")
    if not isinstance(event, dict):
        return Broken("the body is not a JSON object")
    try:
        return _read_event(event)
    except _Misshapen as misshapen:
        return Broken(str(misshapen))


def _read_event(event: Mapping[str, Any]) -> Reading:
    source, detail_type = _text(event, "source", 256), _text(event, "detail-type", 256)
    reader = _READERS.get((source, detail_type))
    if reader is None:
        return Foreign(f"{source}: {detail_type}")
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise _Misshapen("detail is not an object")
    return reader(event, detail)


def _read_warning(event: Mapping[str, Any], detail: Mapping[str, Any]) -> Reading:
    action = _text(detail, "instance-action", MOST_ID)
    if action not in _ACTIONS:
        raise _Misshapen(f"instance-action is {action!r}, not terminate, stop or hibernate")
    return (_word(event, detail, kind=_ACTIONS[action]),)


def _read_recommendation(event: Mapping[str, Any], detail: Mapping[str, Any]) -> Reading:
    return (_word(event, detail, kind=InterruptionKind.REBALANCE),)


def _read_state(event: Mapping[str, Any], detail: Mapping[str, Any]) -> Reading:
    state = _text(detail, "state", MOST_ID)
    if state not in _STATES:
        raise _Misshapen(f"state is {state!r}, which is none of EC2's")
    return (_word(event, detail, kind=None, state=state),)


def _word(event: Mapping[str, Any], detail: Mapping[str, Any], **members: Any) -> Word:  # noqa: ANN401 - members of Word
    return Word(
        notice_id=f"eventbridge/{_text(event, 'id', 100)}",
        # Not of `resources`: old samples lack the account there.
        instance_id=_text(detail, "instance-id", MOST_ID),
        region=_text(event, "region", MOST_ID),
        announced_at=_moment(event, "time"),
        **members,
    )


def _read_health(event: Mapping[str, Any], detail: Mapping[str, Any]) -> Reading:
    """Read scheduled maintenance. Updates of one event come under one ARN, each as a message of its own."""
    if detail.get("service") != "EC2" or detail.get("eventTypeCategory") != "scheduledChange":
        return Foreign(f"aws.health: {detail.get('service')!s:.64} {detail.get('eventTypeCategory')!s:.64}")
    entities = detail.get("affectedEntities")
    if not isinstance(entities, list) or not all(isinstance(one, dict) for one in entities):
        raise _Misshapen("affectedEntities is not a list of objects")
    arn, type_code = _text(detail, "eventArn", 1024), _text(detail, "eventTypeCode", 256)
    region, at, announced_at = _text(event, "region", MOST_ID), _moment(detail, "startTime"), _moment(event, "time")
    named = [one["entityValue"] for one in entities[:MOST_ENTITIES] if isinstance(one.get("entityValue"), str)]
    return tuple(
        Word(
            notice_id=f"health/{hashlib.sha256(f'{arn}/{instance_id}'.encode()).hexdigest()}",
            instance_id=instance_id,
            region=region,
            announced_at=announced_at,
            kind=InterruptionKind.SCHEDULED,
            action_at=at,
            code=next((code for part, code in _CODES if part in type_code), None),
            is_over=detail.get("statusCode") == "closed",
        )
        for instance_id in named
        if 0 < len(instance_id) <= MOST_ID
    )


_READERS = {
    ("aws.ec2", "EC2 Spot Instance Interruption Warning"): _read_warning,
    ("aws.ec2", "EC2 Instance Rebalance Recommendation"): _read_recommendation,
    ("aws.ec2", "EC2 Instance State-change Notification"): _read_state,
    ("aws.health", "AWS Health Event"): _read_health,
}


def _text(members: Mapping[str, Any], name: str, most: int) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise _Misshapen(f"{name} is not a text of 1 to {most} characters")
    return value


def _moment(members: Mapping[str, Any], name: str) -> datetime:
    """Read "2021-11-11T21:29:54Z" or "Sat, 05 Jun 2021 15:10:09 GMT": AWS Health uses both."""
    text = _text(members, name, MOST_ID)
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(text)
        except (ValueError, OverflowError):
            continue
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    raise _Misshapen(f"{name} is {text!r}, not a time")


def is_spent(receive_count: int) -> bool:
    """Tell whether a message that cannot be taken in has been tried often enough."""
    return receive_count >= MOST_RECEIVES
