"""An instance whose replica was given up before it came, when a rescue has nothing else to go to. The caller holds the agent's row.

A launch whose answer was lost is given up after its time. Without a control role, and with the PRIMARY gone, nobody is left who could
launch another, or end this one: turned away, it would run for ever beside a workload that nobody serves (ADR 0035).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign
from spot_server.features.replicas import queries
from spot_server.features.replicas.answers import emit_replica
from spot_server.features.replicas.image_queries import find_image
from spot_server.features.replicas.launching import choose_image, is_rescue, last_primary
from spot_server.features.replicas.progress import NewReplica, new_replica
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.termination import may_still_be_terminated, withdraw_termination
from spot_server.features.switches import queries as switch_queries
from spot_server.words import Carry, ReplicaKind

REASON = "it came when its replica had been given up, and a rescue had nothing to move to"

_STATE_IS_ELSEWHERE = frozenset({Carry.STATELESS, Carry.VOLUME})
"""Carries with which any image of the agent is as good as another: there is no state in it."""


def is_last_hope(tx: Transaction, agent: Agent, given_up_id: str, instance_id: str) -> bool:
    """Tell whether a rescue of the agent has nothing but this instance, launched for `given_up_id`, that it could move to.

    Not when somebody was told to end the instance: that may be done at any time, for all that is known here, and long after it serves.
    """
    if agent.is_deleted or not agent.enabled:
        return False
    is_free = not may_still_be_terminated(tx, agent, instance_id)
    return is_free and (_find_stuck(tx, agent, given_up_id) is not None or _is_given_up(tx, agent, given_up_id))


def take_after_all(tx: Transaction, agent: Agent, given_up_id: str, instance_id: str) -> str:
    """Give the instance to the replica that nobody can launch, else to a new one that a rescue goes to; return the id of that replica.

    Those that had the instance, or waited for it, are over; what was asked for its end is taken back.
    """
    withdraw_termination(tx, agent, instance_id)
    given_up = queries.load_replica(tx, agent.agent_id, given_up_id)
    earlier = [one for one in queries.list_replicas(tx, agent.agent_id) if one.instance_id == instance_id or one.replica_id == given_up_id]
    for one in earlier:
        # With the instance's id the nonce that it came with is its own, also when its daemon starts anew.
        queries.update_replica(tx, one, instance_id=instance_id, ended_at=one.ended_at or tx.now)
    ledger.settle_launches(tx, agent.agent_id, given_up_id, reason="its instance has registered")
    stuck = _find_stuck(tx, agent, given_up_id)
    taken = _new(tx, agent, given_up, instance_id, number=len(earlier)) if stuck is None else _give(tx, stuck, given_up, instance_id)
    emit_replica(tx, taken, "replica_launched", {"place": taken.place.key, "reason": REASON})
    switch_queries.resume_now(tx, agent.agent_id)
    return taken.replica_id


def _find_stuck(tx: Transaction, agent: Agent, given_up_id: str) -> Replica | None:
    """Return a rescue's replica that has no instance, that nobody was asked to launch, and that nobody can be asked to launch now."""
    live = queries.live_replicas(tx, agent.agent_id)
    if not live or any(one.instance_id is not None or one.launch_command_id is not None for one in live):
        return None
    primary = last_primary(tx, agent)
    if primary is None or assign(tx, agent, Act.LAUNCH_IN_EMERGENCY, primary.instance_id) is not None:
        return None
    given_up = queries.load_replica(tx, agent.agent_id, given_up_id)
    fitting = (one for one in live if is_rescue(one) and _has_as_much(tx, agent, given_up.image_id, one.image_id))
    return next(fitting, None)


def _is_given_up(tx: Transaction, agent: Agent, given_up_id: str) -> bool:
    if not switch_queries.is_given_up(tx, agent.agent_id) or switch_queries.active_switch(tx, agent.agent_id) is not None:
        return False
    image = choose_image(tx, agent, last_primary(tx, agent))
    given_up = queries.load_replica(tx, agent.agent_id, given_up_id)
    is_alone = not queries.live_replicas(tx, agent.agent_id)
    return is_alone and (image is None or _has_as_much(tx, agent, given_up.image_id, image.image_id))


def _has_as_much(tx: Transaction, agent: Agent, image_id: str | None, other_id: str | None) -> bool:
    """Tell whether what was launched from one image brings at least the state that another would."""
    if image_id == other_id or agent.carry in _STATE_IS_ELSEWHERE:
        return True
    image = None if image_id is None else find_image(tx, agent.agent_id, image_id)
    other = None if other_id is None else find_image(tx, agent.agent_id, other_id)
    return image is not None and (other is None or image.started_at >= other.started_at)


def _give(tx: Transaction, stuck: Replica, given_up: Replica, instance_id: str) -> Replica:
    return queries.update_replica(
        tx,
        stuck,
        instance_id=instance_id,
        instance_type=given_up.instance_type,
        az_id=given_up.az_id,
        mode=given_up.mode,
        image_id=given_up.image_id,
        launched_at=tx.now,  # the time in which it must become ready begins now
        status_reason=REASON,
    )


def _new(tx: Transaction, agent: Agent, given_up: Replica, instance_id: str, *, number: int) -> Replica:
    """Store a replica of its own. Should the rescue turn out not to be needed, it ends with the hold, as one for a recommendation does."""
    # Never shorter than it may take to become ready: an agent's hold may be 0.
    hold_until = tx.now + timedelta(seconds=max(agent.rebalance_hold_seconds, tx.policy.boot_bound_seconds))
    new = NewReplica(
        ReplicaKind.EMERGENCY,
        f"after_all/{instance_id}/{number}",
        given_up.image_id or "",
        REASON,
        wish=given_up.wish,
        hold_until=hold_until,
    )
    taken = replace(
        new_replica(tx, agent, new),
        instance_id=instance_id,
        instance_type=given_up.instance_type,
        az_id=given_up.az_id,
        mode=given_up.mode,
        attempt=given_up.attempt,
        launched_at=tx.now,
    )
    queries.insert_replica(tx, taken)
    emit_replica(tx, taken, "replica_wanted", {"kind": taken.kind, "reason": REASON})
    return taken
