"""What follows from a verdict: each act once, with event, audit row and a line among the cleanups. The caller holds the agent's row."""

from __future__ import annotations

from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.audit.service import record
from spot_server.features.cleanups.queries import Cleanup, find_cleanup, insert_cleanup
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.answers import note_instance
from spot_server.features.replicas.progress import advance_replica
from spot_server.features.replicas.strays import own_nobodys
from spot_server.features.sweeper.queries import RETIRED_PREFIX
from spot_server.features.sweeper.rules import Doubt, Quarantine, SweepPolicy
from spot_server.features.sweeper.sightings import Seen
from spot_server.features.switches.service import advance_switch_of_agent
from spot_server.words import Severity

BY = "sweeper"


def adopt(tx: Transaction, agent: Agent, seen: Seen, replica_id: str) -> None:
    """Give the instance to the replica that waits for it, as the answer to its launch would have."""
    sighting = seen.sighting
    replica = replica_queries.load_replica(tx, agent.agent_id, replica_id)
    note_instance(tx, replica, sighting.instance_id, None, launched_at=sighting.launched_at)
    reason = f"the answer to its launch for replica {replica_id} was lost"
    _log(tx, agent, f"sweep/adopted/{sighting.instance_id}/{replica_id}", seen.reporter_id, kept=[_item(sighting.instance_id, reason)])
    _audit(tx, agent, sighting.instance_id, "sweeper.adopted", reason, {"replica_id": replica_id})
    tx.emit(
        "launch_adopted",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=sighting.instance_id,
        data={"replica_id": replica_id, "seen_by": seen.reporter_id},
    )
    advance_replica(tx, replica_id)
    advance_switch_of_agent(tx, agent.agent_id)


def retire(tx: Transaction, agent: Agent, seen: Seen, reason: str) -> None:
    """Own the instance as a replica that has ended: its termination is asked for, and repeated until EC2 says that it is gone."""
    sighting = seen.sighting
    named = None if sighting.replica_id is None else replica_queries.find_replica(tx, sighting.replica_id)
    ours = named if named is not None and named.agent_id == agent.agent_id else None
    number = own_nobodys(tx, agent, sighting.instance_id, launched_at=sighting.launched_at, like=ours, reason=reason)
    key = f"{RETIRED_PREFIX}{sighting.instance_id}/{number}"
    _log(tx, agent, key, seen.reporter_id, deleted=[_item(sighting.instance_id, reason)])
    _audit(tx, agent, sighting.instance_id, "sweeper.retired", reason, {"replica_id": sighting.replica_id, "seen_by": seen.reporter_id})
    tx.emit(
        "stray_retired",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=sighting.instance_id,
        data={"replica_id": sighting.replica_id, "reason": reason, "seen_by": seen.reporter_id},
    )


def is_told(tx: Transaction, agent: Agent, resource_id: str, doubt: Doubt) -> bool:
    """Tell whether a person was told of this doubt about this resource."""
    return find_cleanup(tx, agent.agent_id, _kept_key(resource_id, doubt)) is not None


def quarantine(tx: Transaction, agent: Agent, kind: str, resource_id: str, reporter_id: str, verdict: Quarantine) -> bool:
    """Leave it alone and tell, once for each doubt; False when that was told before. `kind` is instance or volume."""
    if is_told(tx, agent, resource_id, verdict.doubt):
        return False
    item = {**_item(resource_id, verdict.reason), "kind": kind}
    _log(tx, agent, _kept_key(resource_id, verdict.doubt), reporter_id, kept=[item])
    data = {"kind": kind, "id": resource_id, "doubt": verdict.doubt, "reason": verdict.reason}
    instance_id = resource_id if kind == "instance" else None
    _audit(tx, agent, instance_id, "sweeper.quarantined", verdict.reason, {**data, "seen_by": reporter_id})
    tx.emit("stray_quarantined", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=instance_id, data=data)
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="stray_quarantined",
        text=f"{kind} {resource_id} carries the tags of {agent.logical_agent_id}, and is left alone: {verdict.reason}. A person must look.",
        dedupe_key=f"stray_quarantined/{agent.agent_id}/{resource_id}/{verdict.doubt}",
    )
    return True


def tell_limit(tx: Transaction, agent: Agent, policy: SweepPolicy) -> None:
    """Tell, once an hour, that more is left behind than may be terminated in one."""
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL,
        kind="sweeper_limit_reached",
        text=(
            f"More instances of {agent.logical_agent_id} are left behind than the sweeper terminates in an hour "
            f"({policy.agent_retirements_per_hour} of an agent, {policy.client_retirements_per_hour} of a client): "
            "look why before it goes on."
        ),
        dedupe_key=f"sweeper_limit/{agent.agent_id}/{tx.now:%Y-%m-%dT%H}",
    )


def _kept_key(resource_id: str, doubt: Doubt) -> str:
    return f"sweep/kept/{resource_id}/{doubt}"


def _item(instance_id: str, reason: str) -> dict[str, str]:
    return {"kind": "instance", "id": instance_id, "reason": reason}


def _log(
    tx: Transaction,
    agent: Agent,
    request_id: str,
    reporter_id: str,
    *,
    deleted: list[dict[str, str]] | None = None,
    kept: list[dict[str, str]] | None = None,
) -> None:
    """Add to the history of cleanups, beside what daemons clean up by age."""
    cleanup = Cleanup(agent.agent_id, request_id, agent.client_id, reporter_id, tx.now, deleted or [], kept or [], [])
    insert_cleanup(tx, cleanup)


def _audit(tx: Transaction, agent: Agent, instance_id: str | None, action: str, reason: str, after: dict[str, Any]) -> None:
    record(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=instance_id,
        user_id=BY,
        action=action,
        reason=reason,
        pre_state=None,
        post_state=after,
    )
