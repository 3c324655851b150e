"""Hearing a daemon: two statements on the hot path, more only when an agent comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import NotFound
from spot_server.features.agents.drift import tell_drift
from spot_server.features.heartbeats import queries
from spot_server.features.heartbeats.queries import HeartbeatFacts, Odd, Silent
from spot_server.features.heartbeats.rules import Grace, clock_skew_seconds, is_skew_noted, judge_silence
from spot_server.features.notifications.service import notify
from spot_server.words import STATUS_OF_ROLE, InstanceStatus, Mode, Role, Severity

MARKED_AT_ONCE = 200
"""Agents marked in one transaction, so that a mass silence does not make one long transaction."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a daemon sees now; None where it does not know."""

    epoch: int | None
    serving: bool | None
    quiesced: bool | None
    mode: Mode
    daemon_version: str
    sent_at: datetime | None
    settings: dict[str, Any]
    metadata_failures: int
    unknown_fields: int
    resources: dict[str, Any]
    scheduled_events: list[dict[str, Any]] | None = None
    configuration: dict[str, Any] | None = None
    """What a move must bring along; None: as it was told before."""
    attached_volumes: list[dict[str, Any]] | None = None
    config_version: int | None = None
    """By which configuration it goes; None while it acts, or may act, on the plan of an older one."""
    cpu_busy_ratio: float | None = None
    """Share (0..1) of its processors' time that was not idle since the heartbeat before; None: not known."""


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the daemon learns: whether to fetch its configuration or commands, and whether it is still primary."""

    server_time: datetime
    config_version: int
    epoch: int
    instance_status: InstanceStatus
    is_primary: bool
    commands_waiting: bool


def record_heartbeat(tx: Transaction, agent_id: str, instance_id: str, heartbeat: Heartbeat) -> HeartbeatAnswer:
    """Store a heartbeat of an instance in any role, and return the answer. Takes no lock but the instance's own row.

    NotFound if the agent never had that instance.
    """
    values = _values(heartbeat, tx.now)
    if not queries.store_heartbeat(tx, agent_id, instance_id, values, cpu_busy_ratio=heartbeat.cpu_busy_ratio):
        raise NotFound(f"agent {agent_id} has no instance {instance_id}")
    facts = queries.read_facts(tx, agent_id, instance_id)
    if facts.is_offline and facts.role is Role.PRIMARY:
        _welcome_back(tx, agent_id, instance_id, facts)
    if heartbeat.configuration is not None and facts.role is Role.PRIMARY:
        tell_drift(tx, agent_id, instance_id)
    return HeartbeatAnswer(
        server_time=tx.now,
        config_version=facts.config_version,
        epoch=facts.epoch,
        instance_status=STATUS_OF_ROLE[facts.role],
        is_primary=facts.role is Role.PRIMARY,
        commands_waiting=facts.commands_waiting,
    )


def mark_offline(tx: Transaction, listening_since: datetime, *, offline_after_seconds: float) -> int:
    """Mark agents whose primary is silent, and tell; return how many. Offline is a mark and a message: nothing is done to an instance."""
    verdict = judge_silence(tx.now, listening_since, offline_after_seconds=offline_after_seconds)
    if isinstance(verdict, Grace):
        return 0
    silent = queries.list_silent(tx, verdict.cutoff, most=MARKED_AT_ONCE)
    return sum(_mark_offline(tx, agent) for agent in silent)


def warn_of_odd_instances(tx: Transaction, *, heard_within_seconds: float) -> int:
    """Tell, once per instance and trouble, of clocks that are wrong and modes that are unknown; return how many were told now."""
    odd = queries.list_odd(tx, heard_within_seconds=heard_within_seconds)
    return sum(_warn_of_mode(tx, instance) + _warn_of_clock(tx, instance) for instance in odd)


def _values(heartbeat: Heartbeat, now: datetime) -> dict[str, Any]:
    # A daemon that does not say leaves standing what its answers to commands said.
    told = {
        "quiesced": heartbeat.quiesced,
        "scheduled_events": heartbeat.scheduled_events,
        "attached_volumes": heartbeat.attached_volumes,
        "configuration": heartbeat.configuration,
        "acknowledged_config_version": heartbeat.config_version,
    }
    said = {name: value for name, value in told.items() if value is not None}
    return {
        **said,
        "last_heartbeat_at": now,
        "daemon_epoch": heartbeat.epoch,
        "serving": heartbeat.serving,
        "mode": heartbeat.mode,
        "daemon_version": heartbeat.daemon_version,
        "effective_settings": heartbeat.settings,
        "metadata_failures": heartbeat.metadata_failures,
        "unknown_fields": heartbeat.unknown_fields,
        "reported_resources": heartbeat.resources,
        "clock_skew_seconds": clock_skew_seconds(heartbeat.sent_at, now),
    }


def _welcome_back(tx: Transaction, agent_id: str, instance_id: str, facts: HeartbeatFacts) -> None:
    if not queries.set_offline(tx, agent_id, is_offline=False):
        return
    notify(
        tx,
        client_id=facts.client_id,
        agent_id=agent_id,
        severity=Severity.INFO,
        kind="agent_online",
        text=f"{facts.logical_agent_id} is heard again.",
    )
    tx.emit("agent_online", client_id=facts.client_id, agent_id=agent_id, instance_id=instance_id)


def _mark_offline(tx: Transaction, agent: Silent) -> bool:
    if not queries.set_offline(tx, agent.agent_id, is_offline=True):
        return False
    last = agent.last_heartbeat_at.isoformat(timespec="seconds")
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="agent_offline",
        text=f"{agent.logical_agent_id} was last heard at {last}. Offline is not terminated: its instance is left alone.",
        dedupe_key=f"agent_offline/{agent.agent_id}/{agent.last_heartbeat_at.isoformat()}",
    )
    data = {"last_heartbeat_at": agent.last_heartbeat_at.isoformat()}
    tx.emit("agent_offline", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=agent.instance_id, data=data)
    return True


def _warn_of_mode(tx: Transaction, instance: Odd) -> bool:
    if instance.mode is not Mode.UNKNOWN:
        return False
    return notify(
        tx,
        client_id=instance.client_id,
        agent_id=instance.agent_id,
        severity=Severity.WARNING,
        kind="mode_unknown",
        text=(
            f"Whether {instance.instance_id} is spot or on-demand is not known: metadata and the EC2 API disagree, or do not say it. "
            "No move is made."
        ),
        dedupe_key=f"mode_unknown/{instance.agent_id}/{instance.instance_id}",
    )


def _warn_of_clock(tx: Transaction, instance: Odd) -> bool:
    if not is_skew_noted(instance.clock_skew_seconds):
        return False
    is_new = notify(
        tx,
        client_id=instance.client_id,
        agent_id=instance.agent_id,
        severity=Severity.WARNING,
        kind="clock_skew",
        text=(
            f"The clock of {instance.instance_id} is off by {instance.clock_skew_seconds:.0f} s "
            "(ahead if positive): deadlines and AWS signatures may fail."
        ),
        dedupe_key=f"clock_skew/{instance.agent_id}/{instance.instance_id}",
    )
    if is_new:
        data = {"clock_skew_seconds": instance.clock_skew_seconds}
        tx.emit("clock_skewed", client_id=instance.client_id, agent_id=instance.agent_id, instance_id=instance.instance_id, data=data)
    return is_new
