"""What is done about a new side that served before its move was taken back: forward again, or back, and a person is told what is lost."""

from __future__ import annotations

from spot_server.features.switches.decisions import CommandView, Loss, Resume, StepView, SwitchFacts, UndoSettle
from spot_server.words import CommandKind, CommandStatus, Role, StepName

MOST_RETURNS = 3
"""How often a move goes forward again. A new side that served and still does not confirm its start in time, four times, is not fit to
serve: the old one is told to, and what the new one acknowledged is told to be lost."""


def settle_new_side(step: StepView, facts: SwitchFacts) -> UndoSettle | Resume:
    """Decide what follows when the new side is known to serve no more (START), or to have no volume mounted (MOUNT).

    Forward only where it is sure that it served, that it has everything which the old side wrote, and that it can go on.
    """
    if step.name is not StepName.START:
        return UndoSettle(step.name)
    loss = _loss_by_going_back(step, facts)
    if loss is Loss.SURE and _can_return(step, facts):
        return Resume(is_return=True)
    return UndoSettle(step.name, loss=loss)


def _loss_by_going_back(step: StepView, facts: SwitchFacts) -> Loss | None:
    if not facts.leaves_new_writes:
        return None
    if facts.returns:
        return Loss.SURE
    if not _was_told_to_serve(step):
        return None
    demoted = _confirmation(step)
    if demoted is None or demoted.served is None:
        return Loss.POSSIBLE
    return Loss.SURE if demoted.served else None


def _was_told_to_serve(step: StepView) -> bool:
    """Whether its daemon may have been given an order to serve. Of an attempt before the last one that is taken for granted."""
    return step.attempt > 1 or (step.command is not None and step.command.was_delivered)


def _confirmation(step: StepView) -> CommandView | None:
    """Return the answer of its own daemon that it serves no more: only that tells what it did before."""
    command = step.undo_command
    is_confirmed = command is not None and command.kind is CommandKind.DEMOTE and command.status is CommandStatus.SUCCEEDED
    return command if is_confirmed else None


def _can_return(step: StepView, facts: SwitchFacts) -> bool:
    is_there = facts.new_role is Role.PRIMARY and not facts.is_new_past_its_end and not facts.is_new_going
    return _confirmation(step) is not None and is_there and not facts.leaves_old_writes and facts.returns < MOST_RETURNS
