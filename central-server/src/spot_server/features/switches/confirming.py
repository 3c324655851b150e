"""Finding out, once a move is complete, that each handle leads to the new side. The caller holds the agent's row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.attempts import last_attempt
from spot_server.features.commands.demands import Demand, press, withdraw
from spot_server.features.instances.queries import load_instance
from spot_server.features.switches import queries
from spot_server.features.switches.alarms import ALARMED_AT
from spot_server.features.switches.issuing import emit_step, tell_end
from spot_server.features.switches.payloads import Handle, confirm_payload_of, handle_of
from spot_server.features.switches.plans import CONFIRM_SPECS
from spot_server.features.switches.queries import Step, Switch
from spot_server.words import CommandStatus, HandleKind, Role, Severity, StepName, StepStatus


def advance_confirmation(tx: Transaction, agent: Agent, switch: Switch, steps: Sequence[Step]) -> bool:
    """Ask about the handles that are not confirmed yet; return whether none of them is left. `steps` are all of the switch's.

    A handle that does not lead to the new side takes nothing back, because the new primary has served by then: a person is told, it is
    asked about again ever more rarely, and the old instance is kept meanwhile. Once the new side is PRIMARY no more, another move answers
    for the handles.
    """
    moved = {step.part: step for step in steps if step.name is StepName.TRAFFIC}
    due = [step for step in steps if step.name is StepName.CONFIRM and step.status in {StepStatus.PENDING, StepStatus.RUNNING}]
    is_open = [not _confirm(tx, agent, switch, step, moved[step.part]) for step in due]
    return not any(is_open)


def _confirm(tx: Transaction, agent: Agent, switch: Switch, step: Step, moved: Step) -> bool:
    """Take the next step for one handle, which the step `moved` moved; return whether its step is over."""
    handle = handle_of(switch, step.name, step.part)
    assert handle is not None  # noqa: S101 - the step is there for this handle
    prefix = f"confirm/{switch.switch_id}/{step.part}"
    note = _why_needless(tx, agent, switch, moved)
    if note is not None:
        withdraw(tx, agent, prefix, note)
        _settle(tx, switch, step, StepStatus.SKIPPED, {"note": note})
        return True
    if step.intent_at is None:
        queries.update_step(tx, switch.switch_id, step.name, step.part, status=StepStatus.RUNNING, intent_at=tx.now)
    answer = press(tx, agent, _question(tx, switch, moved, handle, prefix))
    if answer is not None:
        _settle(tx, switch, step, StepStatus.DONE, {**answer.result, "confirmed_at": (answer.finished_at or tx.now).isoformat()})
        return True
    _note_trouble(tx, agent, switch, step, prefix)
    return False


def _why_needless(tx: Transaction, agent: Agent, switch: Switch, moved: Step) -> str | None:
    if moved.status is not StepStatus.DONE:
        return "the handle was left behind"
    new = None if switch.to_instance_id is None else load_instance(tx, agent.agent_id, switch.to_instance_id)
    return None if new is not None and new.role is Role.PRIMARY else "the new instance is not the primary any more"


def _question(tx: Transaction, switch: Switch, moved: Step, handle: Handle, prefix: str) -> Demand:
    spec = CONFIRM_SPECS[HandleKind(handle["kind"])]
    assert spec.act is not None  # noqa: S101 - every question has an act, by the table
    bound_seconds = spec.bound_seconds(tx.policy)
    payload = confirm_payload_of(switch, handle, moved.outcome or {}, bound_seconds)
    return Demand(prefix, spec.act, spec.kind, switch.to_instance_id or "", payload, bound_seconds)


def _settle(tx: Transaction, switch: Switch, step: Step, status: StepStatus, outcome: dict[str, Any]) -> None:
    started_at = step.intent_at or tx.now
    values = {"intent_at": started_at, "finished_at": tx.now, "outcome": {**(step.outcome or {}), **outcome}}
    queries.update_step(tx, switch.switch_id, step.name, step.part, status=status, **values)
    data = {"status": status, "note": outcome.get("note", ""), "seconds": round((tx.now - started_at).total_seconds(), 3)}
    emit_step(tx, switch, "step_finished", step.name, data, part=step.part)


def _note_trouble(tx: Transaction, agent: Agent, switch: Switch, step: Step, prefix: str) -> None:
    """Show at the step why it is open, and tell a person once, when that has lasted."""
    _number, command = last_attempt(tx, agent.agent_id, prefix)
    failure = command.error_text if command is not None and command.status is CommandStatus.FAILED else None
    seen = step.outcome or {}
    outcome = {**seen, "note": f"asked again: {failure}"} if failure is not None else dict(seen)
    if ALARMED_AT not in seen and _is_late(switch.completed_at, tx.now, tx.policy.confirm_alarm_seconds):
        outcome[ALARMED_AT] = tx.now.isoformat()
        text = (
            f"clients of {agent.logical_agent_id} may not reach {switch.to_instance_id} by {handle_of(switch, step.name, step.part)}: "
            f"{failure or 'nobody could say whether they do'}. {switch.from_instance_id} is kept until they do"
        )
        once_for = f"{switch.switch_id}/{step.part}"
        tell_end(tx, agent, switch, Severity.CRITICAL, "handle_not_confirmed", text, once_for=once_for)
    if outcome != seen:
        queries.update_step(tx, switch.switch_id, step.name, step.part, outcome=outcome)


def _is_late(since: datetime | None, now: datetime, patience_seconds: float) -> bool:
    return since is not None and now - since > timedelta(seconds=patience_seconds)
