"""Telling a person, once, that a move waits for something that may never come. The caller holds the agent's row."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.switches import queries
from spot_server.features.switches.decisions import Alarm
from spot_server.features.switches.issuing import emit_step, load_step, tell_end
from spot_server.features.switches.queries import Switch
from spot_server.words import Severity, StepName, SwitchStatus

ALARMED_AT = "alarmed_at"
"""The key of a step's outcome by which it is known that a person was told."""


def raise_alarm(tx: Transaction, agent: Agent, switch: Switch, alarm: Alarm) -> None:
    """Note on the step that a person is told, and tell: the move goes on waiting."""
    step = load_step(tx, switch, alarm.step, alarm.part)
    outcome = {**(step.outcome or {}), ALARMED_AT: tx.now.isoformat(), "waiting_reason": alarm.reason}
    queries.update_step(tx, switch.switch_id, alarm.step, alarm.part, outcome=outcome)
    if switch.status is SwitchStatus.ROLLING_BACK:
        _tell_of_undo(tx, agent, switch, alarm)
        return
    waited_seconds = round((tx.now - (step.intent_at or tx.now)).total_seconds())
    emit_step(tx, switch, "switch_waiting", alarm.step, {"reason": alarm.reason, "seconds": waited_seconds}, part=alarm.part)
    if alarm.step is not StepName.FENCE:
        text = (
            f"the rescue of {agent.logical_agent_id} has waited {waited_seconds} s for somebody to carry out its step {alarm.step}: "
            f"{alarm.reason}. It goes on when a daemon of one of its instances is heard again, or the control role may act."
        )
        tell_end(tx, agent, switch, Severity.CRITICAL, "rescue_waits", text)
        return
    text = (
        f"the handover of {agent.logical_agent_id} has waited {waited_seconds} s for the end of {switch.from_instance_id}: {alarm.reason}. "
        f"It goes on when EC2 says that {switch.from_instance_id} is terminated or stopped: end it there if it does not serve any more."
    )
    tell_end(tx, agent, switch, Severity.CRITICAL, "fence_waits", text)


def _tell_of_undo(tx: Transaction, agent: Agent, switch: Switch, alarm: Alarm) -> None:
    emit_step(tx, switch, "switch_waiting", alarm.step, {"reason": alarm.reason}, part=alarm.part)
    remedy = alarm.remedy or what_is_needed(switch)
    text = f"the move of {agent.logical_agent_id} cannot be taken back further than {alarm.step}: {alarm.reason}. {remedy}"
    tell_end(tx, agent, switch, Severity.CRITICAL, "undo_waits", text)


def what_is_needed(switch: Switch) -> str:
    """Say what a person can do about a move that nobody can take back."""
    return (
        f"Needed: the daemon on {switch.from_instance_id} or on any other instance of the agent, or a control role. "
        "It goes on by itself when there is one"
    )
