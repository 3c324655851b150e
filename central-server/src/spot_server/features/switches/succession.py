"""The move that takes over from one that was abandoned: nothing to go back to, so there is only another way forward."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import load_instance, primary_of
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.launching import choose_image
from spot_server.features.switches import opening, queries
from spot_server.features.switches.queries import Switch
from spot_server.words import StepName, StepStatus, SwitchTrigger

MOST_RESCUES = 3
"""Moves one after the other, each with every place tried, before a person must look."""


def open_successor(tx: Transaction, agent: Agent, failed: Switch) -> Switch | None:
    """Open the move that takes over from `failed`; None when there is nothing to move to, or it was tried often enough.

    It starts from the instance that is PRIMARY, or was it last: that one is quiesced or fenced anew before anything else may serve.
    """
    number = int(failed.timing.get("rescue_number", 1)) + 1
    live = replica_queries.nearest_live_replicas(tx, agent.agent_id)
    image = choose_image(tx, agent, primary_of(tx, agent.agent_id))
    if number > MOST_RESCUES or agent.is_deleted or not agent.enabled or (image is None and not live):
        return None
    is_promoted = any(step.name is StepName.PROMOTE and step.status is StepStatus.DONE for step in queries.list_steps(tx, failed.switch_id))
    from_id = failed.to_instance_id if is_promoted and failed.to_instance_id is not None else failed.from_instance_id
    is_noticed = failed.deadline_at is not None and not is_promoted
    # An old instance that is lost without a notice is as good as past its end: nothing is taken back to it.
    action_at = None if is_promoted else failed.deadline_at or tx.now
    prepared = opening.rescue_opening(
        load_instance(tx, agent.agent_id, from_id),
        live[0] if live else None,
        trigger=SwitchTrigger.NOTICE if is_noticed else SwitchTrigger.FAILOVER,
        request_id=f"rescue/{failed.switch_id}",
        event_id=failed.interruption_event_id if is_noticed else None,
        image_id=None if image is None else image.image_id,
        action_at=action_at,
    )
    successor = opening.open_switch(tx, agent, prepared)
    return queries.update_switch(tx, successor, timing={"rescue_number": number, "takes_over_from": failed.switch_id})
