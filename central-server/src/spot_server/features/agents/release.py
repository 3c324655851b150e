"""Letting a deleted agent's primary go: its daemon stops only when nothing that we made needs it any more."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import exists, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, commands, instances, replica_instances, switch_steps, switches
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands.attempts import release_of, release_request_id
from spot_server.features.commands.ledger import NewCommand, issue
from spot_server.words import (
    PRIORITY_PERSON,
    CommandKind,
    ReplicaStatus,
    Role,
    StepName,
    StepStatus,
    SwitchStatus,
)

RELEASED_TAG = {"spot-optimizer:managed": "released"}


_IS_TOLD = exists().where(commands.c.agent_id == agents.c.agent_id, release_of(commands, agents.c.agent_id))
_UNRELEASED = (
    select(agents.c.agent_id)
    .join(instances, instances.c.agent_id == agents.c.agent_id)
    .where(
        agents.c.deleted_at.is_not(None),
        instances.c.released_at.is_not(None),
        instances.c.role != Role.TERMINATED,
        ~_IS_TOLD,
    )
    .order_by(agents.c.agent_id)
)


def unreleased_agents(tx: Transaction) -> list[str]:
    """Return the deleted agents whose released instance was not yet told to stop its daemon."""
    return list(tx.execute(_UNRELEASED).scalars())


def release_primary(tx: Transaction, *, agent_id: str) -> bool:
    """Tell the released instance's daemon to tag it, clean up and stop, once no other instance of the agent is left to terminate.

    That wait is bounded (`release_wait_seconds`): a person who deleted the agent must not wait on EC2 for ever.
    """
    agent = load_agent(tx, agent_id, for_update=True)
    released = tx.execute(
        select(instances.c.instance_id).where(instances.c.agent_id == agent_id, instances.c.released_at.is_not(None))
    ).scalar_one_or_none()
    if released is None or agent.deleted_at is None:
        return False
    has_waited = tx.now - agent.deleted_at > timedelta(seconds=tx.policy.release_wait_seconds)
    if _is_needed(tx, agent_id) and not has_waited:
        return False
    issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent_id,
            instance_id=released,
            request_id=release_request_id(agent_id),
            kind=CommandKind.RELEASE,
            priority=PRIORITY_PERSON,
            epoch=agent.epoch,
            payload={"instance_id": released, "tags": RELEASED_TAG},
        ),
    )
    return True


def _is_needed(tx: Transaction, agent_id: str) -> bool:
    """Whether an instance of the agent is still to be terminated, which only the released one's daemon may be able to do."""
    unfinished_replica = select(replica_instances.c.replica_id).where(
        replica_instances.c.agent_id == agent_id,
        replica_instances.c.ended_at.is_(None),
        replica_instances.c.status.in_({ReplicaStatus.TERMINATED, ReplicaStatus.FAILED}),
    )
    retiring = (
        select(switches.c.switch_id)
        .join(switch_steps, switch_steps.c.switch_id == switches.c.switch_id)
        .where(
            switches.c.agent_id == agent_id,
            switches.c.status == SwitchStatus.COMPLETED,
            switch_steps.c.name == StepName.RETIRE,
            switch_steps.c.status.in_({StepStatus.PENDING, StepStatus.RUNNING}),
        )
    )
    return any(tx.execute(query.limit(1)).first() is not None for query in (unfinished_replica, retiring))
