"""The loop that moves a switch along: read, decide, apply, until nothing is left to do now. The caller holds the agent's row."""

from __future__ import annotations

from typing import assert_never

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.switches import alarms, comparing, ending, issuing, outcomes, queries, turning, undoing
from spot_server.features.switches.decisions import (
    Abandon,
    Alarm,
    BeginUndo,
    Complete,
    Decision,
    FinishUndo,
    Issue,
    LeaveUndone,
    MakeReplica,
    NoteAttendance,
    NoteComparison,
    PromoteNew,
    Resume,
    Settle,
    TurnForward,
    UndoIssue,
    UndoPromote,
    UndoReplica,
    UndoSettle,
    Wait,
)
from spot_server.features.switches.facts import load_facts
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.rules import decide
from spot_server.words import SwitchStatus

MAX_DECISIONS_AT_ONCE = 60
"""More than a move and its undo have together: the loop below cannot run away."""


def drive(tx: Transaction, agent: Agent, switch: Switch) -> Switch:
    """Apply decisions until one says wait, and return the switch as it is then; one that takes over from it is driven too.

    `agent` and `switch` were read under the agent's lock: they are current until a decision is applied, and come back as they are, the
    same objects, when none was.
    """
    for _ in range(MAX_DECISIONS_AT_ONCE):
        if not switch.is_active:
            break
        decision = decide(load_facts(tx, agent, switch), tx.policy)
        if isinstance(decision, Wait):
            break
        goes_on = _apply(tx, agent, switch, decision)
        agent = load_agent(tx, agent.agent_id)
        switch = queries.load_switch(tx, switch.switch_id)
        if not goes_on:
            break
    if switch.status is SwitchStatus.FAILED:
        successor = queries.active_switch(tx, agent.agent_id)
        if successor is not None:
            drive(tx, load_agent(tx, agent.agent_id), successor)
    return switch


def _apply(tx: Transaction, agent: Agent, switch: Switch, decision: Decision) -> bool:
    """Carry out one decision; False when nothing more can be done now."""
    match decision:
        case Wait():  # nothing to carry out
            return False
        case Issue():
            return issuing.issue_step(tx, agent, switch, decision)
        case Alarm() | Settle() | NoteComparison() | NoteAttendance():
            _record(tx, agent, switch, decision)
        case MakeReplica(step):
            if outcomes.make_replica(tx, agent, switch) is None:
                ending.stop_without_image(tx, agent, switch, step)
        case PromoteNew():
            return outcomes.promote_new(tx, agent, switch) is not None
        case BeginUndo() | Abandon() | LeaveUndone() | Resume() | Complete():
            ending.apply_ending(tx, agent, switch, decision)
        case TurnForward():
            return turning.turn_forward(tx, agent, switch, decision)
        case UndoIssue() | UndoSettle() | UndoPromote() | UndoReplica() | FinishUndo():
            return undoing.apply_undo(tx, agent, switch, decision)
        case _:
            assert_never(decision)
    return True


def _record(tx: Transaction, agent: Agent, switch: Switch, decision: Alarm | Settle | NoteComparison | NoteAttendance) -> None:
    """Write down what is known now; nobody is asked for anything."""
    match decision:
        case Alarm():
            alarms.raise_alarm(tx, agent, switch, decision)
        case Settle():
            outcomes.settle_step(tx, agent, switch, decision)
        case NoteComparison():
            comparing.note_comparison(tx, agent, switch)
        case NoteAttendance(since):
            noted = {name: value for name, value in switch.timing.items() if name != queries.UNATTENDED_SINCE}
            noted |= {} if since is None else {queries.UNATTENDED_SINCE: since.isoformat()}
            queries.update_switch(tx, switch, timing=noted)
