"""Finding workloads that stand still."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import bindparam, exists, select, true

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, commands, instances, switches
from spot_server.words import CommandKind, CommandStatus, Role

_AT_A_STANDSTILL = (
    select(agents.c.agent_id)
    .join_from(instances, agents)
    .where(
        instances.c.role == Role.PRIMARY,
        instances.c.last_heartbeat_at >= bindparam("fresh_since"),
        instances.c.quiesced == true(),
        agents.c.deleted_at.is_(None),
    )
    .order_by(agents.c.agent_id)
)


def agents_at_a_standstill(tx: Transaction) -> list[str]:
    """Return the living agents whose PRIMARY is heard and says that it is quiesced, whether or not a move runs."""
    fresh_since = tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds)
    return list(tx.execute(_AT_A_STANDSTILL, {"fresh_since": fresh_since}).scalars())


_MOVING = switches.alias("moving")
_TO_RESUME = (
    select(switches.c.switch_id)
    .join_from(switches, agents)
    .where(
        switches.c.resume_at <= bindparam("now"),
        agents.c.deleted_at.is_(None),
        agents.c.enabled.is_(True),
        ~exists().where(_MOVING.c.active_key == switches.c.agent_id),
    )
    .order_by(switches.c.resume_at)
)


def rescues_to_resume(tx: Transaction) -> list[str]:
    """Return the rescues that gave up and whose pause is over, of agents that are enabled and that no move moves now."""
    return list(tx.execute(_TO_RESUME, {"now": tx.now}).scalars())


def has_been_started(tx: Transaction, agent_id: str, instance_id: str) -> bool:
    """Tell whether the instance's daemon ever confirmed that it serves because it was told to."""
    answered = exists().where(
        commands.c.agent_id == agent_id,
        commands.c.instance_id == instance_id,
        commands.c.kind == CommandKind.START_SERVING,
        commands.c.status == CommandStatus.SUCCEEDED,
    )
    return bool(tx.execute(select(answered)).scalar_one())
