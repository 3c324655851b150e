"""What EC2's answers say about instances that are being taken away, decided from values alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.aws.ports import InstanceStatusFacts, SpotRequestFacts
from spot_server.words import InterruptionKind

TAKEN_BY: dict[str, InterruptionKind] = {
    "marked-for-termination": InterruptionKind.TERMINATE,
    "instance-terminated-no-capacity": InterruptionKind.TERMINATE,
    "instance-terminated-by-price": InterruptionKind.TERMINATE,
    "instance-terminated-by-service": InterruptionKind.TERMINATE,
    "instance-terminated-by-schedule": InterruptionKind.TERMINATE,
    "instance-terminated-by-experiment": InterruptionKind.TERMINATE,
    "marked-for-stop": InterruptionKind.STOP,
    "instance-stopped-no-capacity": InterruptionKind.STOP,
    "instance-stopped-by-price": InterruptionKind.STOP,
    "instance-stopped-by-experiment": InterruptionKind.STOP,
}
"""The codes of a spot request with which EC2 takes its instance. What a user ended is nobody's notice.

A request that ends by termination has its last code from the notice on, while the instance still runs for two minutes.
Source: the EC2 user guide, spot request status.
"""

OVER = ("[Completed]", "[Canceled]")
"""How the description of a scheduled event begins that asks for nothing any more. Source: the EC2 API reference, InstanceStatusEvent."""

IMPAIRED = "impaired"

FIRST_PAUSE_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A notice that EC2's answers show. `action_at` is None where they do not name the end."""

    notice_id: str
    instance_id: str
    kind: InterruptionKind
    action_at: datetime | None
    announced_at: datetime | None
    code: str | None = None
    """Of scheduled maintenance: what EC2 will do."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """An instance whose status checks fail; `checks` names which."""

    instance_id: str
    checks: tuple[str, ...]
    since: datetime | None


def notices_of_requests(requests: Iterable[SpotRequestFacts]) -> list[Finding]:
    """Return a notice for each request whose instance EC2 takes away."""
    return [found for found in map(_notice_of_request, requests) if found is not None]


def _notice_of_request(request: SpotRequestFacts) -> Finding | None:
    kind = TAKEN_BY.get(request.status_code)
    if kind is None:
        return None
    if kind is InterruptionKind.STOP and request.interruption_behavior == "hibernate":
        kind = InterruptionKind.HIBERNATE
    # An instance is terminated once, and stopped any number of times; the code may change between the notice and its end.
    episode = "" if kind is InterruptionKind.TERMINATE or request.updated_at is None else f"/{request.updated_at.timestamp():.0f}"
    notice_id = f"spot-request/{request.request_id}/{request.instance_id}/{kind}{episode}"
    return Finding(notice_id, request.instance_id, kind, action_at=None, announced_at=request.updated_at)


def events_of_statuses(statuses: Iterable[InstanceStatusFacts]) -> list[Finding]:
    """Return each scheduled event that is not over. Its id at EC2 is its name in every channel."""
    return [
        Finding(scheduled_notice_id(event.event_id), status.instance_id, InterruptionKind.SCHEDULED, event.not_before, None, event.code)
        for status in statuses
        for event in status.scheduled_events
        if event.event_id and not event.description.startswith(OVER)
    ]


def over_events_of_statuses(statuses: Iterable[InstanceStatusFacts]) -> list[tuple[str, str]]:
    """Return (instance, name) of each scheduled event that is called off or done."""
    return [
        (status.instance_id, scheduled_notice_id(event.event_id))
        for status in statuses
        for event in status.scheduled_events
        if event.event_id and event.description.startswith(OVER)
    ]


def scheduled_notice_id(event_id: str) -> str:
    """Return the name of a scheduled event; metadata and API give the same id."""
    return f"scheduled/{event_id}"


def impairments_of(statuses: Iterable[InstanceStatusFacts]) -> list[Impairment]:
    """Return the instances with a status check that fails."""
    failing = [(status, tuple(sorted(check for check, said in status.checks.items() if said == IMPAIRED))) for status in statuses]
    return [Impairment(status.instance_id, checks, status.impaired_since) for status, checks in failing if checks]


def is_outlived(end_at: datetime | None, last_heard_at: datetime, *, outlived_seconds: float) -> bool:
    """Tell whether an instance was heard so long after its notice's end that the notice counts for nothing."""
    return end_at is not None and last_heard_at >= end_at + timedelta(seconds=outlived_seconds)


def pause_seconds(tries: int, draw: float) -> float:
    """Return how long an account is left alone after the `tries`-th trouble in a row (>= 1); `draw` (0..1) spreads many over half of it."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 10))
    return longest * (0.5 + 0.5 * draw)
