"""The facts that a registration is decided on, and the rows that it leaves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import (
    agents,
    commands,
    instances,
    replica_instances,
    spot_interruption_events,
    switches,
    tokens,
)
from spot_server.db.upsert import insert_or_ignore
from spot_server.features.registration.rules import Enrolment, Launcher, LaunchNonce
from spot_server.words import ACTIVE_SWITCH_STATUSES, LIVE_REPLICA_STATUSES, Role, TokenKind


def find_enrolment(tx: Transaction, token_sha256: str) -> Enrolment | None:
    """Return the enrolment token with this digest, usable or not."""
    statement = select(
        tokens.c.token_id,
        tokens.c.client_id,
        tokens.c.logical_agent_id_pattern,
        tokens.c.uses_left,
        tokens.c.expires_at,
        tokens.c.revoked_at,
    ).where(tokens.c.token_sha256 == token_sha256, tokens.c.kind == TokenKind.ENROLMENT)
    row = tx.execute(statement).one_or_none()
    if row is None:
        return None
    pattern = row.logical_agent_id_pattern or ""
    return Enrolment(row.token_id, row.client_id, pattern, row.uses_left, row.expires_at, row.revoked_at)


def find_nonce(tx: Transaction, nonce_sha256: str) -> LaunchNonce | None:
    """Return the launch nonce with this digest, its replica, and what is known of the actor that launches it."""
    actor, event = instances, spot_interruption_events
    statement = (
        select(
            replica_instances,
            commands.c.status.label("command_status"),
            commands.c.deadline_at.label("command_deadline_at"),
            actor.c.role.label("actor_role"),
            event.c.action_at,
        )
        .select_from(replica_instances)
        .outerjoin(commands, commands.c.command_id == replica_instances.c.launch_command_id)
        .outerjoin(actor, (actor.c.agent_id == commands.c.agent_id) & (actor.c.instance_id == commands.c.instance_id))
        .outerjoin(
            event,
            (event.c.event_id == replica_instances.c.interruption_event_id)
            # Only the instance that the notice is for stops being able to report at that time.
            & (event.c.instance_id == commands.c.instance_id),
        )
        .where(replica_instances.c.nonce_sha256 == nonce_sha256)
    )
    row = tx.execute(statement).one_or_none()
    if row is None:
        return None
    return LaunchNonce(
        replica_id=row.replica_id,
        client_id=row.client_id,
        agent_id=row.agent_id,
        replica_status=row.status,
        instance_type=row.instance_type,
        az_id=row.az_id,
        recorded_instance_id=row.instance_id,
        used_at=row.nonce_used_at,
        launcher=Launcher(row.actor_role, row.command_status, row.command_deadline_at, row.action_at),
    )


def are_others_gone(tx: Transaction, agent_id: str) -> bool:
    """Return whether all instances of the agent are TERMINATED, no replica of it lives and no move is under way."""
    pending = (
        select(instances.c.instance_id).where(instances.c.agent_id == agent_id, instances.c.role != Role.TERMINATED),
        select(replica_instances.c.replica_id).where(
            replica_instances.c.agent_id == agent_id, replica_instances.c.status.in_(LIVE_REPLICA_STATUSES)
        ),
        select(switches.c.switch_id).where(switches.c.agent_id == agent_id, switches.c.status.in_(ACTIVE_SWITCH_STATUSES)),
    )
    return all(tx.execute(statement.limit(1)).one_or_none() is None for statement in pending)


def insert_agent(tx: Transaction, values: dict[str, Any]) -> bool:
    """Insert an agent; False when another registration under the same live key came first, even one that committed only now."""
    insert_or_ignore(tx.connection, agents, [values], key=["live_key"])
    statement = select(agents.c.agent_id).where(agents.c.live_key == values["live_key"])
    winner: str = tx.execute(statement).scalar_one()
    return winner == str(values["agent_id"])


def insert_instance(tx: Transaction, values: dict[str, Any]) -> None:
    """Insert an instance that its agent does not have yet."""
    tx.execute(insert(instances).values(values))


def launch_moment_of(tx: Transaction, replica_id: str) -> datetime | None:
    """Return when EC2 launched the replica, as far as that is recorded."""
    found: datetime | None = tx.execute(_LAUNCHED, {"replica_id": replica_id}).scalar_one_or_none()
    return found


_LAUNCHED = select(replica_instances.c.launched_at).where(replica_instances.c.replica_id == bindparam("replica_id"))


def touch_instance(tx: Transaction, agent_id: str, instance_id: str, values: dict[str, Any]) -> None:
    """Store what a known instance says of itself now."""
    statement = update(instances).where(instances.c.agent_id == agent_id, instances.c.instance_id == instance_id)
    tx.execute(statement.values(values))


def take_use(tx: Transaction, token_id: str) -> bool:
    """Count one use of an enrolment token down; False when none is left. Unlimited tokens have no count."""
    statement = (
        update(tokens)
        .where(tokens.c.token_id == token_id, (tokens.c.uses_left > 0) | tokens.c.uses_left.is_(None))
        .values(uses_left=tokens.c.uses_left - 1)
    )
    return tx.execute(statement).rowcount == 1


def use_nonce(tx: Transaction, replica_id: str, instance_id: str) -> bool:
    """Spend the launch nonce on this instance; False when it was spent, or another instance was recorded, meanwhile.

    The instance's id is recorded by the replica's own use case (`replicas.service.on_registered`), with the time of its launch.
    """
    recorded = replica_instances.c.instance_id
    statement = (
        update(replica_instances)
        .where(
            replica_instances.c.replica_id == replica_id,
            replica_instances.c.nonce_used_at.is_(None),
            recorded.is_(None) | (recorded == instance_id),
        )
        .values(nonce_used_at=tx.now)
    )
    return tx.execute(statement).rowcount == 1


def raise_epoch(tx: Transaction, agent_id: str) -> None:
    """Count a change of PRIMARY that is no promotion. The caller holds the agent's row."""
    statement = (
        update(agents)
        .where(agents.c.agent_id == agent_id)
        .values(
            epoch=agents.c.epoch + 1,
            config_version=agents.c.config_version + 1,
            version=agents.c.version + 1,
            is_offline=False,
        )
    )
    tx.execute(statement)
