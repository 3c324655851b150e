"""What is too old, decided from values alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Record(StrEnum):
    """The kinds of rows that are deleted when they are old, by the names of their tables."""

    EVENTS = "events"
    AUDIT_LOGS = "audit_logs"
    NOTIFICATIONS = "notifications"
    CLEANUP_LOGS = "cleanup_logs"
    AGENT_REQUESTS = "agent_requests"
    SWITCHES = "switches"
    INTERRUPTIONS = "spot_interruption_events"
    INSTANCES = "instances"
    REPLICAS = "replica_instances"
    IMAGES = "agent_images"
    COMMANDS = "commands"
    GAME_DAYS = "game_days"
    CONSOLIDATIONS = "consolidation_jobs"
    POOL_RISKS = "pool_risk_analysis"
    DECISIONS = "decisions"
    DECISION_DOCUMENTS = "decision_documents"


KEEP_REQUESTS_DAYS = 30
"""A request that is repeated after this is a new one: far longer than anybody tries again."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """For how many days each kind of record is kept once it is over."""

    event_days: int
    audit_days: int
    notification_days: int
    cleanup_days: int
    decision_days: int
    switch_days: int
    interruption_days: int
    instance_days: int
    price_days: int
    risk_days: int


def cutoffs(policy: RetentionPolicy, now: datetime) -> dict[Record, datetime]:
    """Return for each kind the moment before which it is too old.

    What something else names is kept as long as that: a switch keeps its commands, replica, images and interruption event, so these are
    looked for no sooner. An instance's end is itself in the audit log, which names it.
    """
    switch_days = policy.switch_days
    days = {
        Record.EVENTS: policy.event_days,
        Record.AUDIT_LOGS: policy.audit_days,
        Record.NOTIFICATIONS: policy.notification_days,
        Record.CLEANUP_LOGS: policy.cleanup_days,
        Record.AGENT_REQUESTS: KEEP_REQUESTS_DAYS,
        Record.SWITCHES: switch_days,
        Record.INTERRUPTIONS: max(policy.interruption_days, switch_days),
        Record.INSTANCES: max(policy.instance_days, policy.audit_days, switch_days),
        Record.REPLICAS: switch_days,
        Record.IMAGES: switch_days,
        Record.COMMANDS: switch_days,
        Record.GAME_DAYS: switch_days,
        Record.CONSOLIDATIONS: policy.price_days,
        Record.POOL_RISKS: policy.risk_days,
        Record.DECISIONS: policy.decision_days,
        # A decision that stands is stored anew once an hour alone: its documents were last used earlier than it was last made.
        Record.DECISION_DOCUMENTS: policy.decision_days + 1,
    }
    return {record: now - timedelta(days=count) for record, count in days.items()}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event's place in its client's log, and its age."""

    client_id: str
    sequence: int
    at: datetime


def prunable_ends(entries: Sequence[LogEntry], before: datetime) -> dict[str, int]:
    """Return up to which number each client's log may be cut off, from the beginnings of the logs, in order.

    A log is only ever cut off at its beginning: a hole in the middle would be missed by a reader, who counts on there being none. So an
    event that is young (or whose server's clock was ahead) keeps all that comes after it.
    """
    ends: dict[str, int] = {}
    stopped: set[str] = set()
    for entry in entries:
        if entry.at >= before:
            stopped.add(entry.client_id)
        elif entry.client_id not in stopped:
            ends[entry.client_id] = entry.sequence
    return ends
