"""Giving a step's command to its actor, and the small acts that every part of a switch shares. The caller holds the agent's row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.autonomy.queries import open_plans
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Assignment
from spot_server.features.commands.attempts import assign
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.instances.queries import load_instance
from spot_server.features.notifications.service import notify
from spot_server.features.switches import payloads, queries
from spot_server.features.switches.carry_payloads import carry_payload
from spot_server.features.switches.decisions import Issue
from spot_server.features.switches.plans import ACT_OF_KIND, Side
from spot_server.features.switches.queries import Step, Switch
from spot_server.features.switches.rivals import guard_claim, rivals_of
from spot_server.features.switches.volume_payloads import VOLUME_KINDS, volume_payload
from spot_server.features.switches.volume_rules import VOLUME_STEPS
from spot_server.moments import read_told_moment
from spot_server.words import (
    PRIORITY_DECISION,
    PRIORITY_EMERGENCY,
    PRIORITY_PERSON,
    Actor,
    CommandKind,
    CommandStatus,
    Severity,
    StepName,
    StepStatus,
    SwitchTrigger,
)

_PRIORITY_OF_TRIGGER = {
    SwitchTrigger.MANUAL: PRIORITY_PERSON,
    SwitchTrigger.PROMOTION: PRIORITY_PERSON,
    SwitchTrigger.ROLLBACK: PRIORITY_PERSON,
    SwitchTrigger.AUTOMATIC: PRIORITY_DECISION,
    SwitchTrigger.NOTICE: PRIORITY_EMERGENCY,
    SwitchTrigger.FAILOVER: PRIORITY_EMERGENCY,
}


def load_step(tx: Transaction, switch: Switch, name: StepName, part: int = 0) -> Step:
    """Return one step of the switch's plan; a TRAFFIC step is that of one handle."""
    return next(step for step in queries.list_steps(tx, switch.switch_id) if (step.name, step.part) == (name, part))


def step_request_id(switch: Switch, name: StepName, part: int, suffix: str) -> str:
    """Name a command of a step; of a TRAFFIC step after the first with the number of its handle."""
    return f"switch/{switch.switch_id}/{name}{f'.{part}' if part else ''}/{suffix}"


def issue_step(tx: Transaction, agent: Agent, switch: Switch, decision: Issue) -> bool:
    """Record the intent and give the command to its actor; False when nobody can be asked now."""
    step = load_step(tx, switch, decision.step, decision.part)
    values: dict[str, Any] = {"status": StepStatus.RUNNING}
    if step.intent_at is None:
        values["intent_at"] = tx.now
        emit_step(tx, switch, "step_started", decision.step, {}, part=decision.part)
    chosen = choose_step_actor(tx, agent, switch, decision.kind, decision.side, target=_target(switch, decision.step))
    if chosen is None:
        if step.status is not StepStatus.RUNNING or step.intent_at is None:
            queries.update_step(tx, switch.switch_id, decision.step, decision.part, **values)
        return False
    ledger.give_up(tx, step.command_id, status=CommandStatus.EXPIRED, reason="a new attempt takes its place")
    if decision.kind is CommandKind.QUIESCE:
        ledger.withdraw_orders_to_serve(tx, agent.agent_id, chosen.instance_id, reason="a move stops the workload")
    attempt = step.attempt + 1
    deadline_at = tx.now + timedelta(seconds=decision.bound_seconds + tx.policy.command_margin_seconds)
    order = Order(
        kind=decision.kind,
        step=decision.step,
        request_id=step_request_id(switch, decision.step, decision.part, str(attempt)),
        payload=_payload(tx, agent, switch, decision),
        deadline_at=deadline_at,
    )
    command_id = issue_order(tx, agent, switch, chosen, order)
    values |= {
        "attempt": attempt,
        "actor": chosen.actor,
        "actor_instance_id": chosen.instance_id,
        "command_id": command_id,
        "deadline_at": deadline_at,
    }
    queries.update_step(tx, switch.switch_id, decision.step, decision.part, **values)
    return True


@dataclass(frozen=True, slots=True)
class Order:
    """A command of a switch, before it is given to anyone."""

    kind: CommandKind
    step: StepName
    request_id: str
    payload: dict[str, Any]
    deadline_at: datetime


def issue_order(tx: Transaction, agent: Agent, switch: Switch, chosen: Assignment, order: Order) -> str:
    """Queue the command for the party that was chosen, as urgent as the switch is, and return its id."""
    return ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=chosen.instance_id,
            actor=chosen.actor,
            request_id=order.request_id,
            kind=order.kind,
            priority=_PRIORITY_OF_TRIGGER[switch.trigger],
            epoch=agent.epoch,
            payload=order.payload,
            deadline_at=order.deadline_at,
            switch_id=switch.switch_id,
            step=order.step,
        ),
    )


def _target(switch: Switch, step: StepName) -> str:
    if step is StepName.TRAFFIC or step in VOLUME_STEPS:
        return switch.to_instance_id or ""
    return switch.from_instance_id


def choose_step_actor(tx: Transaction, agent: Agent, switch: Switch, kind: CommandKind, side: Side, *, target: str) -> Assignment | None:
    """Return who carries out a command of a step (or of its undo) on or for the instance `target`; None when nobody can now."""
    match side:
        case Side.OLD:
            return Assignment(Actor.DAEMON, switch.from_instance_id)
        case Side.NEW:
            return None if switch.to_instance_id is None else Assignment(Actor.DAEMON, switch.to_instance_id)
        case Side.BY_TABLE:
            return assign(tx, agent, ACT_OF_KIND[kind], target)


def _payload(tx: Transaction, agent: Agent, switch: Switch, decision: Issue) -> dict[str, Any]:
    """What a carry's command says needs what other steps brought; all else follows from the switch."""
    if decision.kind in VOLUME_KINDS:
        return volume_payload(tx, agent, switch, decision)
    is_carried = decision.kind in {CommandKind.MAKE_SYNC_KEY, CommandKind.OPEN_RECEIVER, CommandKind.SEND_STATE}
    if is_carried:
        return carry_payload(tx, switch, decision)
    if decision.kind is CommandKind.TERMINATE_INSTANCE:
        old = load_instance(tx, switch.agent_id, switch.from_instance_id)
        return payloads.fence_payload(agent, switch, was_launched_by_us=old.launched_by_server)
    return guarded(tx, switch, payloads.payload_of(agent, switch, decision))


def guarded(tx: Transaction, switch: Switch, payload: dict[str, Any]) -> dict[str, Any]:
    """Return an order of a move as it may be given while others could act without the server."""
    if "allocation_id" not in payload:
        return payload
    return guard_claim(payload, rivals_of(open_plans(tx, switch.agent_id), (switch.from_instance_id, switch.to_instance_id)))


def tell_end(
    tx: Transaction, agent: Agent, switch: Switch, severity: Severity, kind: str, text: str, *, once_for: str | None = None
) -> None:
    """Notify the client of how a switch ended: once for each switch, or for what `once_for` names."""
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=severity,
        kind=kind,
        text=text,
        dedupe_key=f"{kind}/{once_for or switch.switch_id}",
    )


def emit_step(tx: Transaction, switch: Switch, kind: str, name: StepName, data: dict[str, Any], *, part: int = 0) -> None:
    """Add a step's event to the client's log; that of a TRAFFIC step names its handle."""
    handle = payloads.handle_of(switch, name, part)
    tx.emit(
        kind,
        client_id=switch.client_id,
        agent_id=switch.agent_id,
        instance_id=switch.to_instance_id or switch.from_instance_id,
        data={"switch_id": switch.switch_id, "step": name, "trigger": switch.trigger, **({"handle": handle} if handle else {}), **data},
    )


def moment(text: object) -> datetime | None:
    """Parse a time from a command's result; None when there is none, or nothing that is one."""
    return read_told_moment(text)
