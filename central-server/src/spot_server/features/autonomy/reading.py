"""What a person is shown of plans."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.autonomy import queries
from spot_server.features.autonomy.rules import NoPlan, decide_plan


def why_no_plan(tx: Transaction, agent: Agent) -> str | None:
    """Return why the agent's workload stays where it is if a notice comes while the server is away; None while a successor is named."""
    [scene] = queries.list_scenes(tx, fresh_seconds=tx.policy.daemon_fresh_seconds, agent_id=agent.agent_id)
    wanted = decide_plan(scene.facts)
    return wanted.reason if isinstance(wanted, NoPlan) else None
