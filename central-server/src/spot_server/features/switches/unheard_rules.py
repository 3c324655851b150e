"""How long a new side that was told to serve may be unheard: it may serve meanwhile, and what it acknowledges is lost by going back."""

from __future__ import annotations

from datetime import timedelta

from spot_server.features.switches.decisions import CommandView, StepView, SwitchFacts, UndoIssue, Wait
from spot_server.features.switches.plans import undo_spec_of
from spot_server.policy import MovePolicy
from spot_server.words import CommandKind, CommandStatus, Role, StepName

UNHEARD = Wait("the new daemon is silent, and the workload may serve there already")

MOST_DEMOTES = 3
"""How often a new side that is heard is asked whether it served, before its instance is ended without an answer."""


def decide_unheard_start(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Wait | None:
    """Decide about a START whose time is over: wait while nobody can have said how it went; None: what is decided of any other step."""
    command = step.command
    is_at_stake = step.name is StepName.START and command is not None and command.was_delivered and _may_serve(facts)
    return UNHEARD if is_at_stake and command is not None and _is_unheard(command, facts, policy) else None


def decide_unheard_demote(step: StepView, facts: SwitchFacts, policy: MovePolicy) -> Wait | UndoIssue | None:
    """Decide about a DEMOTE of a START that is taken back, whose time is over: wait while the daemon is silent, and ask again then.

    None: it was answered, or nothing can be lost, or it was waited for long enough: the instance is ended without an answer.
    """
    asked, told = step.undo_command, step.command
    if step.name is not StepName.START or asked is None or asked.kind is not CommandKind.DEMOTE or told is None or not told.was_delivered:
        return None
    if asked.status in {CommandStatus.FAILED, CommandStatus.SUCCEEDED} or not _may_serve(facts):
        return None
    if _is_unheard(asked, facts, policy):
        return UNHEARD
    if not asked.is_actor_reachable or step.undo_attempt >= MOST_DEMOTES:
        return None
    spec = undo_spec_of(step.name, step.handle)
    return UndoIssue(step.name, spec.kind, spec.side, spec.bound_seconds(policy), step.part)


def _may_serve(facts: SwitchFacts) -> bool:
    return facts.leaves_new_writes and not facts.is_new_going and not facts.is_new_past_its_end and facts.new_role is not Role.TERMINATED


def _is_unheard(command: CommandView, facts: SwitchFacts, policy: MovePolicy) -> bool:
    return not command.is_actor_reachable and facts.now - command.issued_at < timedelta(seconds=policy.unheard_start_seconds)
