"""Beginning a handover to a replica that is there: what a person must accept of it. The caller holds the agent's row."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import MoveRefused
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance, find_instance
from spot_server.features.replicas.queries import Replica
from spot_server.features.switches import queries
from spot_server.features.switches.configuration_rules import compare
from spot_server.features.switches.losses import writes_lost_since
from spot_server.features.switches.opening import Opening, movable_primary
from spot_server.features.switches.plans import CARRY_STEPS, plan_promotion
from spot_server.words import ReplicaStatus, SwitchTrigger


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person who asks for a handover accepts: that writes are lost, that the new side is not like the primary.

    `is_forced`: that the replica is not known to be fit, for its standby check has not passed.
    """

    loss: bool = False
    differences: bool = False
    is_forced: bool = False


NOTHING_ACCEPTED = Accepted()


def promotion_opening(tx: Transaction, agent: Agent, replica: Replica, *, request_id: str, initiated_by: str, accepts: Accepted) -> Opening:
    """Prepare a handover to a replica; MoveRefused, with what would be lost, over what the person would have to accept and did not."""
    # With the carries that copy, the last pass brings what the replica does not have yet; should it fail, the move is taken back.
    lost_since = None if agent.carry in CARRY_STEPS else writes_lost_since(tx, agent, replica.image_id)
    loss = _loss_of(tx, lost_since)
    _require_fit(replica, loss, is_forced=accepts.is_forced)
    if lost_since is not None and not accepts.loss:
        raise MoveRefused(f"{loss.text}; say accept_data_loss to go on", **loss.members)
    primary = movable_primary(tx, agent)
    if not accepts.differences:
        standby = None if replica.instance_id is None else find_instance(tx, agent.agent_id, replica.instance_id)
        require_likeness(primary, standby)
    return Opening(
        trigger=SwitchTrigger.PROMOTION,
        request_id=request_id,
        initiated_by=initiated_by,
        steps=plan_promotion(agent.carry),
        primary=primary,
        replica=replica,
        image_id=replica.image_id,
        accepts_differences=accepts.differences,
        timing={} if replica.status is ReplicaStatus.READY else {queries.IS_FORCED: True},
    )


def require_likeness(primary: Instance, standby: Instance | None) -> None:
    """Raise MoveRefused for a new side that is known not to be like the primary; one that was not read yet is compared in the move."""
    if primary.configuration is None or standby is None or standby.configuration is None:
        return
    found = compare(primary.configuration, standby.configuration)
    if found:
        raise MoveRefused(
            f"{standby.instance_id} is not like the primary: {'; '.join(map(str, found))}; say accept_differences to go on",
            differences=[asdict(one) for one in found],
        )


@dataclass(frozen=True, slots=True)
class _Loss:
    """What a promotion would lose, for a person and for a program."""

    text: str
    members: dict[str, Any]


def _loss_of(tx: Transaction, since: datetime | None) -> _Loss:
    if since is None:
        return _Loss("no write would be lost", {})
    window_seconds = max(0, round((tx.now - since).total_seconds()))
    text = f"everything written since {since.isoformat()} ({window_seconds} s) would be lost"
    return _Loss(text, {"loses_writes_since": since.isoformat(), "loss_window_seconds": window_seconds})


def _require_fit(replica: Replica, loss: _Loss, *, is_forced: bool) -> None:
    """Refuse a replica that is not ready, unless a person forces one whose daemon is there."""
    if replica.status is not ReplicaStatus.READY and not is_forced:
        raise MoveRefused(
            f"replica {replica.replica_id} is {replica.status}, not ready: {_why_unready(replica)}; {loss.text}",
            replica_status=replica.status,
            **loss.members,
        )
    if replica.status not in {ReplicaStatus.READY, ReplicaStatus.SYNCING}:
        raise MoveRefused(
            f"replica {replica.replica_id} is {replica.status}: no daemon of it is there that could serve, forced or not",
            replica_status=replica.status,
        )


def _why_unready(replica: Replica) -> str:
    if replica.status is ReplicaStatus.SYNCING:
        return "its standby check has not passed, and only `force` goes on without it"
    return "its daemon is not there yet" if replica.status is ReplicaStatus.LAUNCHING else "it is no standby any more"
