"""Changing roles: one instance's, or the promotion that changes two at once. The caller holds the agent's row (ADR 0004)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import update

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances
from spot_server.errors import StateConflict
from spot_server.features.agents.queries import Agent
from spot_server.features.audit.service import record
from spot_server.features.instances.queries import Instance, load_instance, primary_of
from spot_server.features.instances.rules import RoleEvent, next_role
from spot_server.features.tokens.service import revoke_agent_tokens
from spot_server.words import Role


def change_role(tx: Transaction, *, agent_id: str, instance_id: str, event: RoleEvent, reason: str, by: str) -> Role:
    """Apply `event` to one instance, with its audit row and the event `role_changed`; IllegalTransition if its role does not allow it.

    For a change of PRIMARY use `promote`: it is the only way to a new epoch.
    """
    instance = load_instance(tx, agent_id, instance_id)
    role = next_role(instance.role, event)
    _write_role(tx, instance, role, event)
    record(
        tx,
        client_id=instance.client_id,
        agent_id=agent_id,
        instance_id=instance_id,
        user_id=by,
        action=f"role.{event.value}",
        reason=reason,
        pre_state={"role": instance.role},
        post_state={"role": role},
    )
    data = {"from_role": instance.role, "to_role": role, "event": event, "reason": reason}
    tx.emit("role_changed", client_id=instance.client_id, agent_id=agent_id, instance_id=instance_id, data=data)
    return role


def promote(
    tx: Transaction,
    *,
    agent: Agent,
    new_instance_id: str,
    expected_epoch: int,
    by: str,
    reason: str,
    event: RoleEvent = RoleEvent.PROMOTED,
) -> int | None:
    """Make `new_instance_id` the PRIMARY and return the new epoch; None when the agent has changed since it was read.

    The agent's version and epoch are compared and set first, so a loser has written nothing. The old PRIMARY, if there still is one,
    becomes ZOMBIE before the new one becomes PRIMARY: the database allows one at a time. RESTORED and CALLED_BACK bring a ZOMBIE back:
    its handover is taken back, or a person went back to it. IllegalTransition if the new instance's role does not allow it.
    """
    if agent.epoch != expected_epoch or agent.is_deleted:
        return None
    new = load_instance(tx, agent.agent_id, new_instance_id)
    old = primary_of(tx, agent.agent_id)
    changes = [(new, next_role(new.role, event), event)]
    if old is not None:
        changes.insert(0, (old, next_role(old.role, RoleEvent.SUPERSEDED), RoleEvent.SUPERSEDED))
    if not _raise_epoch(tx, agent):
        return None
    for instance, role, role_event in changes:
        _write_role(tx, instance, role, role_event)
    _tell_promotion(tx, agent, old, new, event, by=by, reason=reason)
    return agent.epoch + 1


def _raise_epoch(tx: Transaction, agent: Agent) -> bool:
    statement = (
        update(agents)
        .where(
            agents.c.agent_id == agent.agent_id,
            agents.c.version == agent.version,
            agents.c.epoch == agent.epoch,
            agents.c.deleted_at.is_(None),
        )
        .values(epoch=agent.epoch + 1, config_version=agents.c.config_version + 1, version=agent.version + 1)
    )
    return tx.execute(statement).rowcount == 1


def _write_role(tx: Transaction, instance: Instance, role: Role, event: RoleEvent) -> None:
    values: dict[str, str | int | datetime | None] = {
        "role": role,
        "primary_of": instance.agent_id if role is Role.PRIMARY else None,
        "role_changed_at": tx.now,
        "version": instance.version + 1,
    }
    if role is Role.PRIMARY:
        values["last_primary_at"] = tx.now
    if role is Role.TERMINATED:
        values["terminated_at"] = tx.now
    if event is RoleEvent.RELEASED:
        values["released_at"] = tx.now
    statement = (
        update(instances)
        .where(
            instances.c.agent_id == instance.agent_id,
            instances.c.instance_id == instance.instance_id,
            instances.c.version == instance.version,
        )
        .values(values)
    )
    if tx.execute(statement).rowcount != 1:
        raise StateConflict(f"instance {instance.instance_id} changed meanwhile", instance_id=instance.instance_id)
    if role is Role.TERMINATED:
        revoke_agent_tokens(tx, instance.agent_id, instance_id=instance.instance_id)


def _tell_promotion(tx: Transaction, agent: Agent, old: Instance | None, new: Instance, event: RoleEvent, *, by: str, reason: str) -> None:
    before: dict[str, Any] = {new.instance_id: new.role}
    after: dict[str, Any] = {new.instance_id: Role.PRIMARY}
    if old is not None:
        before[old.instance_id] = old.role
        after[old.instance_id] = Role.ZOMBIE
    record(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=new.instance_id,
        user_id=by,
        action=f"agent.{event.value}",
        reason=reason,
        pre_state={"epoch": agent.epoch, "roles": before},
        post_state={"epoch": agent.epoch + 1, "roles": after},
    )
    tx.emit(
        "promoted",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=new.instance_id,
        data={
            "epoch": agent.epoch + 1,
            "from_instance_id": None if old is None else old.instance_id,
            "to_instance_id": new.instance_id,
            "is_undo": event is RoleEvent.RESTORED,
            "reason": reason,
        },
    )
