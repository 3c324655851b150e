"""Telling that a primary is no longer what a new instance would be launched as."""

from __future__ import annotations

import json

from spot_server.db.runner import Transaction
from spot_server.features.agents.drift_rules import digest_of, drift_of
from spot_server.features.agents.queries import load_agent
from spot_server.features.instances.queries import primary_of
from spot_server.features.notifications.service import notify
from spot_server.words import Severity


def tell_drift(tx: Transaction, agent_id: str, instance_id: str) -> None:
    """Tell the client, once for each set of differences, if this instance is the PRIMARY and has moved away from the specification.

    For use when its daemon has told a new configuration. Takes no lock.
    """
    primary = primary_of(tx, agent_id)
    if primary is None or primary.instance_id != instance_id:
        return
    agent = load_agent(tx, agent_id)
    found = None if agent.is_deleted else drift_of(agent.launch_specification, primary.configuration)
    if not found:
        return
    words = (f"{one.field}: it has {json.dumps(one.old)}, a new one would get {json.dumps(one.new)}" for one in found)
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent_id,
        severity=Severity.WARNING,
        kind="specification_drifted",
        text=(
            f"the primary {instance_id} of {agent.logical_agent_id} is not what a new instance is launched as, so that planned moves are "
            f"taken back and a rescue brings back the old: {'; '.join(words)}. Take the primary's present configuration over "
            "(adopt-configuration), change the launch specification, or change the primary back."
        ),
        dedupe_key=f"specification_drifted/{agent_id}/{digest_of(found)}",
    )
