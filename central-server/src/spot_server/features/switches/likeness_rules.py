"""What a difference between the new instance and the old one means for a move, decided from values alone."""

from __future__ import annotations

from spot_server.features.switches.decisions import BeginUndo, Comparison, Decision, NoteComparison, StepView, SwitchFacts, Wait
from spot_server.words import StepName, StepStatus

_FIRST_OF_HANDOVER = frozenset({StepName.RECEIVER, StepName.PREPARE})
"""With what a handover begins, once the new instance is ready: nothing of the old side is touched before it is like the old one."""


def decide_likeness(step: StepView, facts: SwitchFacts) -> Decision | None:
    """Return what the comparison asks for before this step; None: the step may go on.

    A planned move waits for the comparison, and is taken back over a difference that nobody accepted. A rescue waits for nothing and goes
    on all the same: what is known by the time of its promotion is recorded then, and a person is told (docs/adr/0020).
    """
    if not facts.is_replica_fit or step.status is not StepStatus.PENDING:
        return None
    if facts.is_rescue or facts.is_old_doomed:
        is_owed = facts.comparison in {Comparison.DUE, Comparison.AWAITED}
        return NoteComparison() if is_owed and step.name is StepName.PROMOTE else None
    if step.name not in _FIRST_OF_HANDOVER:
        return None
    match facts.comparison:
        case Comparison.DUE:
            return NoteComparison()
        case Comparison.AWAITED:
            return Wait("EC2's word of the new instance, which is compared with the old one")
        case Comparison.RECORDED if facts.differences and not facts.accepts_differences:
            return BeginUndo(step.name, f"the new instance is not like the old one: {'; '.join(facts.differences)}", step.part)
        case _:
            return None
