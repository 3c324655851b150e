"""Beginning a handover to a replica that is there: what a person must accept of it. The caller holds the agent's row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import MoveRefused
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance, find_instance
from spot_server.features.replicas.queries import Replica
from spot_server.features.switches import queries
from spot_server.features.switches.brought_volumes import find_brought
from spot_server.features.switches.configuration_rules import Difference, compare
from spot_server.features.switches.losses import writes_lost_since
from spot_server.features.switches.opening import Opening, handle_seconds, movable_primary
from spot_server.features.switches.plans import CARRY_STEPS, plan_promotion, steps_shown
from spot_server.features.switches.silent_primaries import require_end, silent_since
from spot_server.features.volumes.queries import primary_volumes
from spot_server.features.volumes.rules import devices_of, without_devices
from spot_server.words import ReplicaStatus, StepName, SwitchTrigger


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person who asks for a handover accepts: that writes are lost, that the new side is not like the primary.

    `is_forced`: that the replica is not known to be fit, for its standby check has not passed.
    """

    loss: bool = False
    differences: bool = False
    is_forced: bool = False


NOTHING_ACCEPTED = Accepted()


@dataclass(frozen=True, slots=True)
class PromotionPlan:
    """What a handover to a replica would do and lose, shown before anything is touched."""

    replica: Replica
    primary: Instance
    steps: tuple[StepName, ...]
    handle_seconds: int
    needs_force: bool
    """Whether the replica is not known to be fit, for its standby check has not passed, or the PRIMARY is silent and would be ended."""
    loses_writes_since: datetime | None
    loss_window_seconds: int | None
    differences: tuple[Difference, ...]
    """Where the replica is known not to be like the primary; what was not read yet is compared in the move."""
    silent_since: datetime | None = None
    """When the PRIMARY was heard last, if it is not heard any more: its instance is ended before the replica serves."""


def preview_promotion(tx: Transaction, agent: Agent, replica: Replica) -> PromotionPlan:
    """Say what a handover to `replica` would do, and touch nothing. Raises MoveRefused where it cannot be, whatever a person accepts."""
    if replica.status not in {ReplicaStatus.READY, ReplicaStatus.SYNCING}:
        raise MoveRefused(
            f"replica {replica.replica_id} is {replica.status}: no daemon of it is there that could serve, forced or not",
            replica_status=replica.status,
        )
    _require_no_copies(tx, agent, replica)
    primary = movable_primary(tx, agent)
    since = silent_since(tx, primary)
    # With the carries that copy, the last pass brings what the replica does not have yet; should it fail, the move is taken back.
    is_brought = agent.carry in CARRY_STEPS and since is None
    lost_since = None if is_brought else writes_lost_since(tx, agent, replica.image_id)
    standby = None if replica.instance_id is None else find_instance(tx, agent.agent_id, replica.instance_id)
    return PromotionPlan(
        replica=replica,
        primary=primary,
        steps=steps_shown(plan_promotion(agent.carry), agent.traffic_handles),
        handle_seconds=handle_seconds(agent),
        needs_force=replica.status is not ReplicaStatus.READY or since is not None,
        loses_writes_since=lost_since,
        loss_window_seconds=None if lost_since is None else max(0, round((tx.now - lost_since).total_seconds())),
        differences=known_differences(primary, standby, devices_of(primary_volumes(tx, agent, primary))),
        silent_since=since,
    )


def _require_no_copies(tx: Transaction, agent: Agent, replica: Replica) -> None:
    left = find_brought(tx, agent, replica.instance_id)
    if left is not None:
        raise MoveRefused(
            f"replica {replica.replica_id} has copies of the data volumes attached that switch {left.switch.switch_id} left, and no others "
            "can be attached beside them: end it, and promote another one",
            switch_id=left.switch.switch_id,
        )


def promotion_opening(tx: Transaction, agent: Agent, replica: Replica, *, request_id: str, initiated_by: str, accepts: Accepted) -> Opening:
    """Prepare a handover to a replica; MoveRefused, with what would be lost, over what the person would have to accept and did not."""
    plan = preview_promotion(tx, agent, replica)
    _require_acceptance(plan, accepts)
    is_silent = plan.silent_since is not None
    if plan.silent_since is not None:
        require_end(tx, agent, plan.primary, plan.silent_since, is_accepted=accepts.is_forced and accepts.loss)
    is_unfit = replica.status is not ReplicaStatus.READY
    return Opening(
        # Off a silent PRIMARY it is a rescue that a person begins: nothing is taken back to an instance that is being ended.
        trigger=SwitchTrigger.FAILOVER if is_silent else SwitchTrigger.PROMOTION,
        request_id=request_id,
        initiated_by=initiated_by,
        steps=plan_promotion(agent.carry),
        primary=plan.primary,
        replica=replica,
        image_id=replica.image_id,
        accepts_differences=accepts.differences,
        deadline_at=tx.now if is_silent else None,
        timing={
            queries.ACCEPTED: asdict(accepts),
            **({queries.IS_FORCED: True} if is_unfit else {}),
            **({queries.ENDS_SILENT: True} if is_silent else {}),
        },
    )


def _require_acceptance(plan: PromotionPlan, accepts: Accepted) -> None:
    replica, loss = plan.replica, _loss_of(plan)
    if replica.status is not ReplicaStatus.READY and not accepts.is_forced:
        raise MoveRefused(
            f"replica {replica.replica_id} is {replica.status}, not ready: its standby check has not passed, and only `force` goes on "
            f"without it; {loss.text}",
            replica_status=replica.status,
            **loss.members,
        )
    if plan.loses_writes_since is not None and not accepts.loss and plan.silent_since is None:
        raise MoveRefused(f"{loss.text}; say accept_data_loss to go on", **loss.members)
    if not accepts.differences:
        require_likeness(replica.instance_id, plan.differences)


def known_differences(primary: Instance, standby: Instance | None, moving: frozenset[str] = frozenset()) -> tuple[Difference, ...]:
    """Return where a new side is not like the primary, by EC2's word of both; empty while one of them was not read yet.

    `moving`: where the primary has data volumes, which come with the move.
    """
    if primary.configuration is None or standby is None or standby.configuration is None:
        return ()
    return compare(without_devices(primary.configuration, moving), without_devices(standby.configuration, moving))


def require_likeness(instance_id: str | None, differences: Sequence[Difference]) -> None:
    """Raise MoveRefused, with every field, for a new side that is known not to be like the primary."""
    if differences:
        raise MoveRefused(
            f"{instance_id} is not like the primary: {'; '.join(map(str, differences))}; say accept_differences to go on",
            differences=[asdict(one) for one in differences],
        )


@dataclass(frozen=True, slots=True)
class _Loss:
    """What a promotion would lose, for a person and for a program."""

    text: str
    members: dict[str, Any]


def _loss_of(plan: PromotionPlan) -> _Loss:
    if plan.loses_writes_since is None:
        return _Loss("no write would be lost", {})
    since = plan.loses_writes_since.isoformat()
    text = f"everything written since {since} ({plan.loss_window_seconds} s) would be lost"
    return _Loss(text, {"loses_writes_since": since, "loss_window_seconds": plan.loss_window_seconds})
