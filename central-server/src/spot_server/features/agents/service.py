"""Deleting an agent: soft, told, and reversible only as a new agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, switches
from spot_server.errors import SwitchInProgress
from spot_server.features.activity import queries as activity
from spot_server.features.agent_config.rules import settings_differences
from spot_server.features.agent_config.service import read_settings
from spot_server.features.agents.drift_rules import drift_of
from spot_server.features.agents.guarantee_rules import Guarantee
from spot_server.features.agents.guarantees import read_guarantee
from spot_server.features.agents.overviews import AgentOverview, make_overviews
from spot_server.features.agents.queries import Agent, find_agent_of_client, load_agent
from spot_server.features.agents.release import release_primary
from spot_server.features.audit.service import record
from spot_server.features.instances.queries import Instance, list_instances, primary_of
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import change_role
from spot_server.features.notifications.service import notify
from spot_server.features.replicas.service import retire_all
from spot_server.features.switches.configuration_rules import Difference
from spot_server.words import Severity, SwitchStatus


@dataclass(frozen=True, slots=True)
class AgentDetail:
    """One agent with all its instances, the oldest first, and the settings in which its primary's daemon differs."""

    overview: AgentOverview
    instances: list[Instance]
    settings_differences: dict[str, dict[str, Any]]
    guarantee: Guarantee
    specification_differences: tuple[Difference, ...] | None
    """In what a new instance (`new`) would not be like the primary (`old`); None where one of them is not known."""


def read_agent(tx: Transaction, client_id: str, agent_id: str) -> AgentDetail:
    """Return the client's agent, deleted or not; NotFound otherwise."""
    agent = find_agent_of_client(tx, client_id, agent_id)
    (overview,) = make_overviews(tx, [agent])
    reported = {} if overview.primary is None else overview.primary.effective_settings
    differences = settings_differences(read_settings(agent), reported)
    drift = None if overview.primary is None else drift_of(agent.launch_specification, overview.primary.configuration)
    return AgentDetail(overview, list_instances(tx, agent_id), differences, read_guarantee(tx, agent), drift)


def delete_agent(tx: Transaction, client_id: str, agent_id: str, *, by: str, reason: str) -> Agent:
    """Delete the agent and return it as history keeps it; again is fine. Its PRIMARY keeps running and is released.

    Raises SwitchInProgress while it is being moved: two instances may be half-way, and neither is the one to release.
    """
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    if agent.is_deleted:
        return agent
    _refuse_while_moving(tx, agent)
    primary = primary_of(tx, agent_id)
    retire_all(tx, agent_id=agent_id, reason="the agent is deleted")
    activity.forget(tx, agent_id)
    _hasten_retirements(tx, agent_id)
    _close(tx, agent)
    if primary is not None:
        _release(tx, agent, primary, by=by, reason=reason)
    _tell(tx, agent, primary, by=by, reason=reason)
    return load_agent(tx, agent_id)


def _refuse_while_moving(tx: Transaction, agent: Agent) -> None:
    switch_id = tx.execute(select(switches.c.switch_id).where(switches.c.active_key == agent.agent_id)).scalar_one_or_none()
    if switch_id is not None:
        raise SwitchInProgress(f"{agent.logical_agent_id} is being moved; cancel or await the switch first", switch_id=switch_id)


def _hasten_retirements(tx: Transaction, agent_id: str) -> None:
    """An old instance that waits to be retired waits no longer: soon nobody is left who could terminate it."""
    tx.execute(
        update(switches)
        .where(switches.c.agent_id == agent_id, switches.c.status == SwitchStatus.COMPLETED, switches.c.retire_at > tx.now)
        .values(retire_at=tx.now, version=switches.c.version + 1)
    )


def _close(tx: Transaction, agent: Agent) -> None:
    statement = update(agents).where(agents.c.agent_id == agent.agent_id)
    tx.execute(
        statement.values(
            live_key=None,
            deleted_at=tx.now,
            auto_switch_enabled=False,
            manual_replica_enabled=False,
            replica_count=0,
            is_offline=False,
            config_version=agents.c.config_version + 1,
            # Counted from what is stored: retiring replicas may have raised it already.
            version=agents.c.version + 1,
        )
    )


def _release(tx: Transaction, agent: Agent, primary: Instance, *, by: str, reason: str) -> None:
    change_role(
        tx,
        agent_id=agent.agent_id,
        instance_id=primary.instance_id,
        event=RoleEvent.RELEASED,
        reason=reason or "the agent is deleted",
        by=by,
    )
    release_primary(tx, agent_id=agent.agent_id)


def _tell(tx: Transaction, agent: Agent, primary: Instance | None, *, by: str, reason: str) -> None:
    left = "no instance was left" if primary is None else f"{primary.instance_id} keeps running and is no longer managed"
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="agent_deleted",
        text=f"{by} deleted {agent.logical_agent_id}: {left}. Its history stays.",
        dedupe_key=f"agent_deleted/{agent.agent_id}",
    )
    before: dict[str, Any] = {
        "auto_switch_enabled": agent.auto_switch_enabled,
        "manual_replica_enabled": agent.manual_replica_enabled,
        "replica_count": agent.replica_count,
        "is_deleted": False,
    }
    after = {"auto_switch_enabled": False, "manual_replica_enabled": False, "replica_count": 0, "is_deleted": True}
    primary_id = None if primary is None else primary.instance_id
    record(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=primary_id,
        user_id=by,
        action="agent.deleted",
        reason=reason,
        pre_state=before,
        post_state=after,
    )
    data = {"logical_agent_id": agent.logical_agent_id, "released_instance_id": primary_id}
    tx.emit("agent_deleted", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=primary_id, data=data)
