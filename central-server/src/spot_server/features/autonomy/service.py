"""Use cases of plans and claims. Each takes the agent's row first and may be repeated."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.errors import ClaimRefused
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.audit.service import record
from spot_server.features.autonomy import queries
from spot_server.features.autonomy.queries import Scene
from spot_server.features.autonomy.rules import (
    Adopt,
    Adopted,
    Claim,
    ClaimFacts,
    NoPlan,
    Plan,
    Refuse,
    decide_claim,
    decide_plan,
    is_same,
    is_spent,
)
from spot_server.features.instances.queries import load_instance, primary_of
from spot_server.features.notifications.service import notify
from spot_server.features.replicas.queries import load_replica
from spot_server.features.switches import ending, opening
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches.driving import drive
from spot_server.features.switches.opening import Opening
from spot_server.features.switches.queries import Switch
from spot_server.words import Severity, StepName, StepStatus, SwitchTrigger

ADOPTION = (StepName.PROMOTE, StepName.TRAFFIC, StepName.START, StepName.CONFIRM, StepName.RETIRE)
"""What is left of a handover that daemons made: the book follows, then EC2 and the workload are asked whether it is so."""


def find_changes(tx: Transaction) -> list[str]:
    """Return the agents whose daemons should be told something else than they are."""
    scenes = queries.list_scenes(tx, fresh_seconds=tx.policy.daemon_fresh_seconds)
    return [scene.agent_id for scene in scenes if _needs_change(scene)]


def keep_plan(tx: Transaction, *, agent_id: str) -> bool:
    """Put in force what the agent's daemons should go by; whether that changed anything."""
    agent = load_agent(tx, agent_id, for_update=True)
    [scene] = queries.list_scenes(tx, fresh_seconds=tx.policy.daemon_fresh_seconds, agent_id=agent_id)
    if not _needs_change(scene):
        return False
    wanted, in_force = decide_plan(scene.facts), scene.facts.in_force
    config_version = queries.raise_config_version(tx, agent_id)
    if in_force is not None:
        queries.withdraw_plan(tx, in_force.plan_id, config_version)
    if not isinstance(wanted, NoPlan):
        queries.insert_plan(tx, str(uuid.uuid4()), agent.client_id, agent_id, wanted)
    data = {"successor_instance_id": None if isinstance(wanted, NoPlan) else wanted.successor_instance_id}
    tx.emit("autonomy_plan_changed", client_id=agent.client_id, agent_id=agent_id, data=data)
    return True


def find_spent(tx: Transaction) -> list[tuple[str, str]]:
    """Return (agent, plan) of what no successor can act on any more."""
    withdrawn = queries.list_withdrawn(tx)
    return [
        (one.plan.agent_id, one.plan.plan_id)
        for one in withdrawn
        if is_spent(one.plan, one.successor_role, one.acknowledged_config_version)
    ]


def forget_plan(tx: Transaction, *, agent_id: str, plan_id: str) -> None:
    """Forget a plan that `find_spent` named: what is spent stays so."""
    load_agent(tx, agent_id, for_update=True)
    queries.delete_plan(tx, plan_id)


@dataclass(frozen=True, slots=True)
class ClaimReport:
    """What a successor's daemon tells of its claim."""

    claim: Claim
    claimed_at: datetime
    handed_over_at: datetime | None
    """When the predecessor said that it serves no more; None when EC2 said that it was terminated."""


@dataclass(frozen=True, slots=True)
class ClaimAnswer:
    """The claimant is the PRIMARY in the book too."""

    epoch: int
    switch_id: str | None


def adopt_claim(tx: Transaction, agent_id: str, report: ClaimReport) -> ClaimAnswer:
    """Make the holder of the claim the PRIMARY, as a move that is recorded like any other; ClaimRefused when it must step down.

    The book is re-checked here; where the address leads, and whether the workload serves, are asked as the move's own steps.
    """
    agent = load_agent(tx, agent_id, for_update=True)
    claim = report.claim
    match decide_claim(claim, _claim_facts(tx, agent, claim)):
        case Refuse(reason):
            raise ClaimRefused(reason, epoch=agent.epoch)
        case Adopted():
            return ClaimAnswer(agent.epoch, None)
        case Adopt(plan):
            switch = _adopt(tx, agent, plan, report)
            return ClaimAnswer(load_agent(tx, agent_id).epoch, switch.switch_id)


def _claim_facts(tx: Transaction, agent: Agent, claim: Claim) -> ClaimFacts:
    primary = primary_of(tx, agent.agent_id)
    return ClaimFacts(
        plan=queries.find_plan(tx, agent.agent_id, claim.plan_id),
        is_deleted=agent.is_deleted,
        epoch=agent.epoch,
        primary_instance_id=None if primary is None else primary.instance_id,
        claimant_role=load_instance(tx, agent.agent_id, claim.instance_id).role,
    )


def _adopt(tx: Transaction, agent: Agent, plan: Plan, report: ClaimReport) -> Switch:
    running = switch_queries.active_switch(tx, agent.agent_id)
    if running is not None:
        # It has promoted nobody: the epoch says so. What it was about to do, another has done.
        ending.supersede(tx, running, _present_step(tx, running), f"{plan.successor_instance_id} took over while the server was away")
    replica = load_replica(tx, agent.agent_id, plan.successor_replica_id)
    opened = opening.open_switch(
        tx,
        agent,
        Opening(
            trigger=SwitchTrigger.FAILOVER,
            request_id=f"claim/{plan.plan_id}",
            initiated_by="daemon",
            steps=ADOPTION,
            primary=load_instance(tx, agent.agent_id, plan.predecessor_instance_id),
            replica=replica,
            image_id=replica.image_id,
            deadline_at=tx.now,
        ),
    )
    timing = {**opened.timing, "plan_id": plan.plan_id, "claimed_at": report.claimed_at.isoformat()}
    noted = switch_queries.update_switch(tx, opened, quiesced_at=report.handed_over_at, timing=timing)
    _tell(tx, agent, plan, noted)
    return drive(tx, agent, noted)


def _tell(tx: Transaction, agent: Agent, plan: Plan, switch: Switch) -> None:
    record(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=plan.successor_instance_id,
        user_id="daemon",
        action="agent.claim_adopted",
        reason=f"plan {plan.plan_id}",
        pre_state={"epoch": agent.epoch, "primary": plan.predecessor_instance_id},
        post_state={"epoch": plan.epoch, "primary": plan.successor_instance_id, "switch_id": switch.switch_id},
    )
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="taken_over_alone",
        text=(
            f"{plan.successor_instance_id} took over {agent.logical_agent_id} from {plan.predecessor_instance_id} "
            f"while the server was not there; switch {switch.switch_id} records it"
        ),
        dedupe_key=f"taken_over_alone/{plan.plan_id}",
    )


def _present_step(tx: Transaction, switch: Switch) -> StepName:
    steps = switch_queries.list_steps(tx, switch.switch_id)
    over = {StepStatus.DONE, StepStatus.SKIPPED, StepStatus.UNDONE}
    return next((step.name for step in steps if step.status not in over), steps[-1].name)


def _needs_change(scene: Scene) -> bool:
    wanted, in_force = decide_plan(scene.facts), scene.facts.in_force
    if isinstance(wanted, NoPlan):
        return in_force is not None
    return in_force is None or not is_same(in_force, wanted)
