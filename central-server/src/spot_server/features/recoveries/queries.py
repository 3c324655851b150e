"""Finding workloads that stand still."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances
from spot_server.words import Role


def agents_at_a_standstill(tx: Transaction) -> list[str]:
    """Return the living agents whose PRIMARY is heard and says that it is quiesced, whether or not a move runs."""
    fresh_since = tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds)
    rows = tx.execute(
        select(agents.c.agent_id)
        .join_from(instances, agents)
        .where(
            instances.c.role == Role.PRIMARY,
            instances.c.last_heartbeat_at >= fresh_since,
            instances.c.quiesced.is_(True),
            agents.c.deleted_at.is_(None),
        )
        .order_by(agents.c.agent_id)
    )
    return [row.agent_id for row in rows]
