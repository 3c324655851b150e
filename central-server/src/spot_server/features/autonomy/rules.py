"""Who may take over without the server, decided from values alone: who is named, when a plan is spent, whether a claim stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spot_server.words import Carry, HandleKind, Role

PLAN_VALID_SECONDS = 86_400
"""For how long after the server's last word a daemon acts on a plan: a day without a server is an outage that a person has heard of.

It bounds how stale a decision may be. That two never serve does not rest on it: no clock is trusted with that.
"""


@dataclass(frozen=True, slots=True)
class Successor:
    """A ready standby that could be named."""

    instance_id: str
    replica_id: str
    can_act: bool
    """Its daemon was heard of late, and says by which configuration it goes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One row of `autonomy_plans`: who may claim which address, under which epoch, once whom is out of the way."""

    plan_id: str
    client_id: str
    agent_id: str
    epoch: int
    predecessor_instance_id: str
    successor_instance_id: str
    successor_replica_id: str
    allocation_id: str
    withdrawn_config_version: int | None

    @property
    def is_in_force(self) -> bool:
        """Whether daemons are still told of it."""
        return self.withdrawn_config_version is None


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a plan rests on. `moving_to` is the replica of the move that runs; `ready` holds the newest standby first."""

    enabled: bool
    is_deleted: bool
    carry: Carry
    traffic_handles: Sequence[Mapping[str, Any]]
    epoch: int
    primary_instance_id: str | None
    can_primary_act: bool
    ready: Sequence[Successor]
    is_moving: bool
    moving_to: str | None
    in_force: Plan | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the plan in force should say."""

    epoch: int
    predecessor_instance_id: str
    successor_instance_id: str
    successor_replica_id: str
    allocation_id: str


@dataclass(frozen=True, slots=True)
class NoPlan:
    """Nobody may act without the server, and why, for a person."""

    reason: str


def decide_plan(facts: PlanFacts) -> Wanted | NoPlan:
    """Return what daemons are to be told. A plan that is in force stays while what it says is so, also when its parties fall silent.

    A daemon that the server does not hear may be hearing of its end at that moment, and has nothing but its plan.
    """
    if facts.is_deleted or not facts.enabled:
        return NoPlan("the agent is disabled or deleted")
    if facts.carry is not Carry.STATELESS:
        return NoPlan(f"the carry {facts.carry} needs the server: a successor that takes over alone would lack the latest writes")
    allocation_id = claimable_address(facts.traffic_handles)
    if allocation_id is None:
        return NoPlan("the claim to be primary is one Elastic IP, and the agent's traffic handles are not exactly that")
    if facts.primary_instance_id is None:
        return NoPlan("there is no primary now")
    named = _named(facts)
    if named is None and not facts.can_primary_act:
        return NoPlan("the primary's daemon is not heard, or is of a version that knows no plans")
    able = [one for one in facts.ready if one.can_act and _may_follow(one, facts)]
    chosen = named or (able[0] if able else None)
    if chosen is None:
        return NoPlan("a move takes the workload elsewhere" if facts.is_moving else "no standby is ready that could take over")
    return Wanted(facts.epoch + 1, facts.primary_instance_id, chosen.instance_id, chosen.replica_id, allocation_id)


def _named(facts: PlanFacts) -> Successor | None:
    """Return whom the plan in force names, if that one is still ready to follow the same primary."""
    plan = facts.in_force
    if plan is None or plan.predecessor_instance_id != facts.primary_instance_id:
        return None
    return next((one for one in facts.ready if one.instance_id == plan.successor_instance_id and _may_follow(one, facts)), None)


def _may_follow(one: Successor, facts: PlanFacts) -> bool:
    return not facts.is_moving or one.replica_id == facts.moving_to


def claimable_address(handles: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the address that serves as the claim; None where the handles are not exactly one Elastic IP.

    EC2 gives an Elastic IP to one instance and refuses a second that does not say it may take it away. Target groups and records have
    nothing like it, and an agent that is also reached in another way would be reached on the old side.
    """
    if len(handles) != 1 or handles[0].get("kind") != HandleKind.ELASTIC_IP:
        return None
    return str(handles[0]["allocation_id"])


def is_same(plan: Plan, wanted: Wanted) -> bool:
    """Tell whether the plan in force says what it should."""
    told = (plan.epoch, plan.predecessor_instance_id, plan.successor_instance_id, plan.successor_replica_id, plan.allocation_id)
    return told == (
        wanted.epoch,
        wanted.predecessor_instance_id,
        wanted.successor_instance_id,
        wanted.successor_replica_id,
        wanted.allocation_id,
    )


def is_spent(plan: Plan, successor_role: Role | None, acknowledged_config_version: int | None) -> bool:
    """Tell whether the successor can act on a plan no more: it says that it goes by something newer, or EC2 says that it is gone.

    `successor_role` is None when its row was deleted, which happens to what has been TERMINATED for long.
    """
    if plan.withdrawn_config_version is None:
        return False
    if successor_role in {None, Role.TERMINATED}:
        return True
    return acknowledged_config_version is not None and acknowledged_config_version >= plan.withdrawn_config_version


@dataclass(frozen=True, slots=True)
class Claim:
    """What a successor says that it did: which plan it acted on, and what it holds."""

    plan_id: str
    instance_id: str
    replica_id: str
    epoch: int
    allocation_id: str


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What the books say when a claim is told. `plan` is None when there is no such plan, or none any more."""

    plan: Plan | None
    is_deleted: bool
    epoch: int
    primary_instance_id: str | None
    claimant_role: Role


@dataclass(frozen=True, slots=True)
class Adopt:
    """The claimant becomes the PRIMARY in the book too."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Adopted:
    """It is the PRIMARY under that epoch already."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The claimant must step down, and why."""

    reason: str


def decide_claim(claim: Claim, facts: ClaimFacts) -> Adopt | Adopted | Refuse:
    """Return what becomes of a claim. Told again, it is adopted already."""
    if facts.epoch == claim.epoch and facts.primary_instance_id == claim.instance_id:
        return Adopted()
    if facts.epoch >= claim.epoch:
        return Refuse(f"epoch {facts.epoch} is not older than the claim's {claim.epoch}, and {facts.primary_instance_id} is its primary")
    plan = facts.plan
    named = None if plan is None else (plan.successor_instance_id, plan.successor_replica_id, plan.epoch, plan.allocation_id)
    if plan is None or named != (claim.instance_id, claim.replica_id, claim.epoch, claim.allocation_id):
        return Refuse(f"no plan {claim.plan_id} named {claim.instance_id} under epoch {claim.epoch}")
    if facts.is_deleted:
        return Refuse("the agent is deleted")
    if facts.primary_instance_id not in {None, plan.predecessor_instance_id} or facts.epoch != plan.epoch - 1:
        return Refuse(f"the plan is for the end of {plan.predecessor_instance_id} under epoch {plan.epoch - 1}")
    if facts.claimant_role is not Role.REPLICA:
        return Refuse(f"{claim.instance_id} is {facts.claimant_role}, and no standby any more")
    return Adopt(plan)
