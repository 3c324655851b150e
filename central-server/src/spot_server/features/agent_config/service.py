"""Reading and saving an agent's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents
from spot_server.errors import NotFound, StateConflict
from spot_server.features.agent_config.rules import SETTING_NAMES, SettingsChange, decide_change, plain_settings
from spot_server.features.agents.drift_rules import taken_over
from spot_server.features.agents.queries import Agent, find_agent_of_client, load_agent
from spot_server.features.audit.service import record
from spot_server.features.autonomy.queries import plan_in_force
from spot_server.features.autonomy.rules import PLAN_VALID_SECONDS, Plan
from spot_server.features.clients.queries import has_control_role
from spot_server.features.instances.queries import Instance, load_instance, primary_of
from spot_server.features.interruptions.service import judge_again
from spot_server.features.replicas.image_queries import available_images
from spot_server.features.replicas.image_rules import images_to_keep
from spot_server.features.replicas.queries import live_replicas
from spot_server.features.requests.service import is_repeated
from spot_server.features.switches.queries import active_switch
from spot_server.settings import Settings
from spot_server.words import InstanceStatus


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often a daemon does things; the same for all daemons of a server."""

    heartbeat_interval_seconds: int = 30
    pending_commands_check_interval_seconds: int = 15
    command_wait_seconds: int = 50
    pricing_report_interval_seconds: int = 300


def intervals_of(settings: Settings) -> Intervals:
    """Return the intervals that the server's settings ask for."""
    return Intervals(
        heartbeat_interval_seconds=settings.heartbeat_interval_seconds,
        pending_commands_check_interval_seconds=settings.pending_commands_check_interval_seconds,
        command_wait_seconds=settings.command_wait_seconds,
        pricing_report_interval_seconds=settings.pricing_report_interval_seconds,
    )


@dataclass(frozen=True, slots=True)
class ToldPlan:
    """What a daemon may do while the server is away, and for how long after the server's last word."""

    plan: Plan
    valid_seconds: int = PLAN_VALID_SECONDS


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """All that a daemon is told of its agent and of itself."""

    agent: Agent
    instance_id: str
    instance_status: InstanceStatus
    is_primary: bool
    has_control_role: bool
    images_to_keep: list[str]
    intervals: Intervals
    plan: ToldPlan | None


def make_daemon_config(tx: Transaction, agent: Agent, instance: Instance, intervals: Intervals) -> DaemonConfig:
    """Return what this instance's daemon is to work by. `agent` was read before: its version is never newer than the plan beside it."""
    by_role = has_control_role(tx, agent.client_id)
    return DaemonConfig(
        agent=agent,
        instance_id=instance.instance_id,
        instance_status=instance.instance_status,
        is_primary=instance.is_primary,
        has_control_role=by_role,
        images_to_keep=_images_to_keep(tx, agent),
        intervals=intervals,
        plan=_plan_of(tx, agent.agent_id, instance.instance_id),
    )


def _images_to_keep(tx: Transaction, agent: Agent) -> list[str]:
    """Return what no cleanup may take: what would be launched from now, and what a launch or a move under way is made from."""
    running = active_switch(tx, agent.agent_id)
    used = {agent.base_image_id, None if running is None else running.image_id}
    used |= {replica.image_id for replica in live_replicas(tx, agent.agent_id)}
    kept = images_to_keep(available_images(tx, agent.agent_id))
    return sorted(kept | {image_id for image_id in used if image_id is not None})


def _plan_of(tx: Transaction, agent_id: str, instance_id: str) -> ToldPlan | None:
    plan = plan_in_force(tx, agent_id)
    if plan is None or instance_id not in {plan.predecessor_instance_id, plan.successor_instance_id}:
        return None
    return ToldPlan(plan)


def read_daemon_config(tx: Transaction, agent_id: str, instance_id: str, intervals: Intervals) -> DaemonConfig:
    """Return the configuration for one instance of the agent; NotFound if it never had that instance."""
    return make_daemon_config(tx, load_agent(tx, agent_id), load_instance(tx, agent_id, instance_id), intervals)


def read_settings(agent: Agent) -> dict[str, Any]:
    """Return every setting of the agent by name."""
    return {name: getattr(agent, name) for name in SETTING_NAMES}


def change_settings(
    tx: Transaction,
    client_id: str,
    agent_id: str,
    requested: Mapping[str, Any],
    *,
    by: str,
    reason: str = "",
    request_id: str | None = None,
) -> Agent:
    """Save settings and return the agent as it now is. The same request again saves nothing, whatever was changed meanwhile.

    Raises NotFound for a deleted agent too, SettingsConflict, and RequestIdReused.
    """
    agent = _lock_living(tx, client_id, agent_id)
    if is_repeated(tx, agent_id, request_id, page="config", body={**plain_settings(requested), "reason": reason}):
        return agent
    return _change(tx, agent, requested, by=by, reason=reason, request_id=request_id)


def toggle_enabled(
    tx: Transaction,
    client_id: str,
    agent_id: str,
    *,
    enabled: bool,
    by: str,
    reason: str = "",
    request_id: str | None = None,
) -> Agent:
    """Turn the agent on or off, once for each `request_id`. Raises NotFound and RequestIdReused."""
    agent = _lock_living(tx, client_id, agent_id)
    if is_repeated(tx, agent_id, request_id, page="toggle-enabled", body={"enabled": enabled, "reason": reason}):
        return agent
    return _change(tx, agent, {"enabled": enabled}, by=by, reason=reason, request_id=request_id)


def adopt_configuration(
    tx: Transaction, client_id: str, agent_id: str, *, by: str, reason: str = "", request_id: str | None = None
) -> Agent:
    """Make what the primary is now what new instances are launched as, once for each `request_id`.

    Raises NotFound, RequestIdReused, and StateConflict where the specification or the primary's configuration is not known.
    """
    agent = _lock_living(tx, client_id, agent_id)
    if is_repeated(tx, agent_id, request_id, page="adopt-configuration", body={"reason": reason}):
        return agent
    if agent.launch_specification is None:
        raise StateConflict(
            f"{agent.logical_agent_id} has no launch specification to bring up to date: save one with its subnets", agent_id=agent_id
        )
    primary = primary_of(tx, agent_id)
    if primary is None or primary.configuration is None:
        raise StateConflict(
            f"what the primary of {agent.logical_agent_id} is like is not known: its daemon reads that in EC2, every three minutes",
            agent_id=agent_id,
        )
    specification = taken_over(agent.launch_specification, primary.configuration)
    return _change(tx, agent, {"launch_specification": specification}, by=by, reason=reason, request_id=request_id)


def _lock_living(tx: Transaction, client_id: str, agent_id: str) -> Agent:
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    if agent.is_deleted:
        raise NotFound(f"agent {agent_id} is deleted", deleted_at=agent.deleted_at)
    return agent


def _change(tx: Transaction, agent: Agent, requested: Mapping[str, Any], *, by: str, reason: str, request_id: str | None) -> Agent:
    """Save what differs; a request that changes nothing leaves no trace in the audit log."""
    change = decide_change(read_settings(agent), requested)
    if not change.after:
        return agent
    _save(tx, agent, change, by=by, reason=reason, request_id=request_id)
    saved = load_agent(tx, agent.agent_id)
    if change.after.get("enabled") is not True:
        return saved
    judge_again(tx, saved)
    return load_agent(tx, agent.agent_id)


def _save(tx: Transaction, agent: Agent, change: SettingsChange, *, by: str, reason: str, request_id: str | None) -> None:
    config_version = agent.config_version + 1
    statement = update(agents).where(agents.c.agent_id == agent.agent_id)
    tx.execute(statement.values(**change.after, config_version=config_version, version=agent.version + 1))
    record(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=None,
        user_id=by,
        action="agent.config_changed",
        reason=reason,
        pre_state=plain_settings(change.before),
        post_state=plain_settings(change.after),
        request_id=request_id,
    )
    data = {"config_version": config_version, "settings": plain_settings(change.after)}
    tx.emit("config_changed", client_id=agent.client_id, agent_id=agent.agent_id, data=data)
