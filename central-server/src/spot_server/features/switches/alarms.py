"""Telling a person, once, that a move waits for something that may never come. The caller holds the agent's row."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.switches import queries
from spot_server.features.switches.decisions import Alarm
from spot_server.features.switches.issuing import emit_step, load_step, tell_end
from spot_server.features.switches.queries import Switch
from spot_server.words import Severity

ALARMED_AT = "alarmed_at"
"""The key of a step's outcome by which it is known that a person was told."""


def raise_alarm(tx: Transaction, agent: Agent, switch: Switch, alarm: Alarm) -> None:
    """Note on the step that a person is told, and tell: the move goes on waiting."""
    step = load_step(tx, switch, alarm.step)
    outcome = {**(step.outcome or {}), ALARMED_AT: tx.now.isoformat(), "waiting_reason": alarm.reason}
    queries.update_step(tx, switch.switch_id, alarm.step, outcome=outcome)
    waited_seconds = round((tx.now - (step.intent_at or tx.now)).total_seconds())
    emit_step(tx, switch, "switch_waiting", alarm.step, {"reason": alarm.reason, "seconds": waited_seconds})
    text = (
        f"the handover of {agent.logical_agent_id} has waited {waited_seconds} s for the end of {switch.from_instance_id}: {alarm.reason}. "
        f"It goes on when EC2 says that {switch.from_instance_id} is terminated or stopped: end it there if it does not serve any more."
    )
    tell_end(tx, agent, switch, Severity.CRITICAL, "fence_waits", text)
