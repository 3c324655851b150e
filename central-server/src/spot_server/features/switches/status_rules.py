"""The life of a switch: one table, one function."""

from __future__ import annotations

from enum import StrEnum

from spot_server.errors import StateConflict
from spot_server.words import StepStatus, SwitchStatus


class SwitchEvent(StrEnum):
    """What can happen to a switch."""

    COMPLETED = "completed"
    UNDO_BEGUN = "undo_begun"
    CANCEL_ASKED = "cancel_asked"
    RESUMED = "resumed"
    UNDONE = "undone"
    CANCEL_DONE = "cancel_done"
    ABANDONED = "abandoned"


SWITCH_MEANINGS: dict[SwitchStatus, str] = {
    SwitchStatus.RUNNING: "Its steps are carried out, one after the other.",
    SwitchStatus.ROLLING_BACK: "Its steps are taken back, the last one first.",
    SwitchStatus.COMPLETED: "The new primary serves; the old instance waits for its retirement.",
    SwitchStatus.ROLLED_BACK: "A step failed and everything is taken back: the old primary serves as before, or is told to until it does.",
    SwitchStatus.FAILED: "It could neither be finished nor taken back: another takes over, at once or after a pause; a person is told.",
    SwitchStatus.CANCELLED: "A person took it back.",
}

SWITCH_EVENT_MEANINGS: dict[SwitchEvent, str] = {
    SwitchEvent.COMPLETED: "The new primary passed its serving check.",
    SwitchEvent.UNDO_BEGUN: "A step failed for good while the old instance can go on, or the new one is being taken away.",
    SwitchEvent.CANCEL_ASKED: "A person cancels it before the promotion.",
    SwitchEvent.RESUMED: (
        "While the promotion still stands: the old instance is being taken away, or the new one served and the old one would lack what "
        "it acknowledged. Before it: the old side stopped the workload and is silent, and the new one is ready."
    ),
    SwitchEvent.UNDONE: "The last step is taken back after a failure.",
    SwitchEvent.CANCEL_DONE: "The last step is taken back after a person's wish.",
    SwitchEvent.ABANDONED: "There is no way on and none back: the old instance is lost or being taken away, or nobody is there to act.",
}

SWITCH_TRANSITIONS: dict[tuple[SwitchStatus, SwitchEvent], SwitchStatus] = {
    (SwitchStatus.RUNNING, SwitchEvent.COMPLETED): SwitchStatus.COMPLETED,
    (SwitchStatus.RUNNING, SwitchEvent.UNDO_BEGUN): SwitchStatus.ROLLING_BACK,
    (SwitchStatus.RUNNING, SwitchEvent.CANCEL_ASKED): SwitchStatus.ROLLING_BACK,
    (SwitchStatus.RUNNING, SwitchEvent.ABANDONED): SwitchStatus.FAILED,
    (SwitchStatus.ROLLING_BACK, SwitchEvent.RESUMED): SwitchStatus.RUNNING,
    (SwitchStatus.ROLLING_BACK, SwitchEvent.UNDONE): SwitchStatus.ROLLED_BACK,
    (SwitchStatus.ROLLING_BACK, SwitchEvent.CANCEL_DONE): SwitchStatus.CANCELLED,
    (SwitchStatus.ROLLING_BACK, SwitchEvent.ABANDONED): SwitchStatus.FAILED,
}

STEP_STATUS_MEANINGS: dict[StepStatus, str] = {
    StepStatus.PENDING: "Not begun.",
    StepStatus.RUNNING: "The intent is recorded; a command is out, or something is awaited.",
    StepStatus.DONE: "It took effect.",
    StepStatus.SKIPPED: "Left out, for the reason in its outcome; it counts as settled.",
    StepStatus.FAILED: "It failed for good; it may have taken effect in part, so it is taken back like one that is done.",
    StepStatus.UNDOING: "The command that takes it back is out.",
    StepStatus.UNDONE: "It is taken back.",
}


def next_switch_status(status: SwitchStatus, event: SwitchEvent) -> SwitchStatus:
    """Return the status after `event`; StateConflict for a pair that the table does not hold."""
    try:
        return SWITCH_TRANSITIONS[(status, event)]
    except KeyError as missing:
        raise StateConflict(f"a switch that is {status} cannot be {event}", switch_status=status, event=event) from missing
