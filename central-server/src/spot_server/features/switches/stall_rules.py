"""What becomes of a move that is taken back while the old side, which alone can go on, says nothing: the workload stands still meanwhile.

A person is told early. Then the move goes forward again where that is safe and brings everything along, or where a person wants silent
primaries to be moved; else it ends, so that the watch over silent primaries, or a person, can act.
"""

from __future__ import annotations

from spot_server.features.switches.decisions import Alarm, Decision, LeaveUndone, Resume, StepView, SwitchFacts, TurnForward
from spot_server.words import OPEN_COMMAND_STATUSES, CommandKind, CommandStatus, ReplicaStatus, Role, StepName, StepStatus

TELL_SECONDS = 120.0
"""How long the old side has been silent before a person hears that a move cannot be taken back: longer than a restart of its daemon."""

SILENT_SECONDS = 300.0
"""How long it has been silent before that is acted on: restarts and reboots are over by then, and the workload is down all the time."""

LOOKS_BEFORE_TURN = 3
"""Questions to EC2 about the old instance before its silence is acted on. They are 15 s apart, so a daemon that merely waits for a server
that was away has been heard by then."""

MOST_UNANSWERED_STARTS = 2
"""Orders to serve again that a daemon which is heard leaves without any answer, each for all of its time."""

MOST_TURNS = 3
"""How often a move goes forward again for its old side's silence. A new side that does not come to serve in as many tries is not fit to."""

_WAITS_FOR_OLD_SIDE = frozenset({StepName.TRAFFIC, StepName.QUIESCE, StepName.UNMOUNT, StepName.DETACH})
_TAKEN_AGAIN = frozenset({StepName.SYNC, StepName.FENCE, StepName.TRAFFIC})
"""What may lie between a confirmed QUIESCE and the promotion for the move to go forward again. With data volumes only their owner's daemon
knows what is mounted; a new side that is made after the QUIESCE has been given up by then."""

REMEDY = (
    "The workload stands still. Needed: the daemon on the old instance, which then serves again: restart it, or the instance. If it does "
    "not come, the move goes forward where the new side has everything, and else ends, so that another can begin"
)
_NO_NEW_SIDE = frozenset({None, Role.TERMINATED, Role.PRIMARY})


def decide_stalled(left: list[StepView], facts: SwitchFacts) -> Decision | None:
    """Say what follows where the old side does not take its part back; None: the undo goes on as it can.

    `left`: the steps that are still to be taken back, the last one first.
    """
    stuck = left[0]
    if stuck.name is StepName.PROMOTE and stuck.status is StepStatus.DONE:
        return _decide_before_restoring(facts)
    quiesce = next((step for step in left if step.name is StepName.QUIESCE), None)
    why = None if quiesce is None or stuck.name not in _WAITS_FOR_OLD_SIDE else _why_stalled(quiesce, facts)
    if quiesce is None or why is None:
        return None
    if not stuck.is_alarmed:
        return Alarm(stuck.name, why, stuck.part, remedy=REMEDY if facts.is_attended else "")
    if not _is_due(stuck, quiesce, facts):
        return None
    loses = not has_last_pass(facts) or facts.leaves_old_writes
    if can_turn_forward(quiesce, facts) and (facts.may_move_silent or not loses):
        return TurnForward(why, loses=loses)
    is_only_the_workload_left = stuck.name is StepName.QUIESCE
    return LeaveUndone(stuck.name, why, stuck.part, is_resumed=facts.is_rescue) if is_only_the_workload_left else None


def is_silent_for_long(facts: SwitchFacts) -> bool:
    """Tell whether the old daemon is taken to be gone for good."""
    return not facts.is_old_reachable and facts.old_silent_seconds >= SILENT_SECONDS


def has_last_pass(facts: SwitchFacts) -> bool:
    """Tell whether the new side has all that it was to get: the plan has no last pass, or it succeeded."""
    sync = facts.step(StepName.SYNC)
    return sync is None or (sync.command is not None and sync.command.status is CommandStatus.SUCCEEDED)


def can_turn_forward(quiesce: StepView, facts: SwitchFacts) -> bool:
    """Tell whether the new side may take over without another word of the old one, which confirmed that it serves no more.

    It serves only when it is told: its daemon keeps that in its journal, over restarts and reboots. One that was told meanwhile may serve.
    """
    names = [step.name for step in facts.steps]
    between = names[names.index(StepName.QUIESCE) + 1 : names.index(StepName.PROMOTE)]
    has_confirmed = quiesce.command is not None and quiesce.command.status is CommandStatus.SUCCEEDED
    is_new_there = facts.replica_status is ReplicaStatus.READY and facts.new_role not in _NO_NEW_SIDE and _is_new_fit(facts)
    is_same_new_side = all(name in _TAKEN_AGAIN for name in between)
    return has_confirmed and not facts.is_old_told_to_serve and is_new_there and is_same_new_side and facts.turns < MOST_TURNS


def _decide_before_restoring(facts: SwitchFacts) -> Resume | None:
    """The new side was promoted, and serves no more: it tries again before the promotion is given to an old side that nobody hears."""
    is_old_gone = is_silent_for_long(facts) and not facts.is_old_told_to_serve
    if not is_old_gone or facts.new_role is not Role.PRIMARY or not _is_new_fit(facts) or facts.turns >= MOST_TURNS:
        return None
    return Resume(is_return=True, reason=f"the daemon of the old instance has been silent for {facts.old_silent_seconds:.0f} s")


def _is_new_fit(facts: SwitchFacts) -> bool:
    return facts.is_new_heard and not facts.is_new_going and not facts.is_new_past_its_end


def _why_stalled(quiesce: StepView, facts: SwitchFacts) -> str | None:
    if not facts.is_old_reachable:
        is_long = facts.old_silent_seconds >= TELL_SECONDS
        return f"the daemon of the old instance has been silent for {facts.old_silent_seconds:.0f} s" if is_long else None
    unanswered = "the daemon of the old instance is heard, and does not answer the order to serve again"
    return unanswered if _is_unanswered(quiesce, facts) else None


def _is_unanswered(quiesce: StepView, facts: SwitchFacts) -> bool:
    order = quiesce.undo_command
    if order is None or order.kind is not CommandKind.START_SERVING:
        return False
    return order.status is CommandStatus.EXPIRED or order.is_overdue(facts.now)


def _is_due(stuck: StepView, quiesce: StepView, facts: SwitchFacts) -> bool:
    """Whether it was waited for long enough. EC2 must have been asked about a silent side: it may say that the instance ends, or has."""
    if facts.is_old_reachable:
        return quiesce.undo_attempt >= MOST_UNANSWERED_STARTS
    look = stuck.undo_command
    if not is_silent_for_long(facts) or look is None or stuck.undo_attempt < LOOKS_BEFORE_TURN:
        return False
    is_awaited = look.status in OPEN_COMMAND_STATUSES and not look.is_forsaken(facts.now)
    return not is_awaited and (look.kind is not CommandKind.DESCRIBE_INSTANCE or look.state in {None, "running"})
