"""May a game day be played, is it over, and what does it show: decided from values alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spot_server.errors import StateConflict
from spot_server.words import (
    ACTIVE_SWITCH_STATUSES,
    DowntimeBasis,
    GameDayKind,
    GameDayStatus,
    Mode,
    PlayedBy,
    ReplicaStatus,
    SwitchStatus,
)


class GameDayEvent(StrEnum):
    """What can happen to a game day."""

    BEGUN = "begun"
    PLAYED = "played"
    OVER = "over"
    CLOSED_COMPLETED = "closed_completed"
    CLOSED_FAILED = "closed_failed"
    CLOSED_STOPPED = "closed_stopped"


GAME_DAY_MEANINGS: dict[GameDayStatus, str] = {
    GameDayStatus.REQUESTED: "The wish is recorded; nothing was touched.",
    GameDayStatus.INJECTING: "The player is being called; after a death the same call is made again, and finds what the first one did.",
    GameDayStatus.PLAYING: "The event is out; what the agent makes of it is measured.",
    GameDayStatus.CLOSING: "How it ended is known; what was made or taken away for it is being put back.",
    GameDayStatus.COMPLETED: "The agent came through, and the figures are kept.",
    GameDayStatus.FAILED: "The event could not be played, or the agent did not come through in time; the reason is kept.",
    GameDayStatus.STOPPED: "A person, an alarm, or a change of the agent put an end to it.",
}

GAME_DAY_EVENT_MEANINGS: dict[GameDayEvent, str] = {
    GameDayEvent.BEGUN: "Nothing stands in the way any more: the next thing is the call.",
    GameDayEvent.PLAYED: "The player's answer is recorded.",
    GameDayEvent.OVER: "Its end is decided.",
    GameDayEvent.CLOSED_COMPLETED: "Everything is put back after a good end.",
    GameDayEvent.CLOSED_FAILED: "Everything is put back after a bad one.",
    GameDayEvent.CLOSED_STOPPED: "Everything is put back after it was stopped.",
}

GAME_DAY_TRANSITIONS: dict[tuple[GameDayStatus, GameDayEvent], GameDayStatus] = {
    (GameDayStatus.REQUESTED, GameDayEvent.BEGUN): GameDayStatus.INJECTING,
    (GameDayStatus.REQUESTED, GameDayEvent.OVER): GameDayStatus.CLOSING,
    (GameDayStatus.INJECTING, GameDayEvent.PLAYED): GameDayStatus.PLAYING,
    (GameDayStatus.INJECTING, GameDayEvent.OVER): GameDayStatus.CLOSING,
    (GameDayStatus.PLAYING, GameDayEvent.OVER): GameDayStatus.CLOSING,
    (GameDayStatus.CLOSING, GameDayEvent.CLOSED_COMPLETED): GameDayStatus.COMPLETED,
    (GameDayStatus.CLOSING, GameDayEvent.CLOSED_FAILED): GameDayStatus.FAILED,
    (GameDayStatus.CLOSING, GameDayEvent.CLOSED_STOPPED): GameDayStatus.STOPPED,
}

CLOSED_EVENTS: dict[GameDayStatus, GameDayEvent] = {
    GameDayStatus.COMPLETED: GameDayEvent.CLOSED_COMPLETED,
    GameDayStatus.FAILED: GameDayEvent.CLOSED_FAILED,
    GameDayStatus.STOPPED: GameDayEvent.CLOSED_STOPPED,
}


def next_game_day_status(status: GameDayStatus, event: GameDayEvent) -> GameDayStatus:
    """Return the status after `event`; StateConflict for what the table does not list."""
    after = GAME_DAY_TRANSITIONS.get((status, event))
    if after is None:
        raise StateConflict(f"a game day that is {status} cannot take {event}", game_day_status=status)
    return after


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a game day would meet now."""

    kind: GameDayKind
    played_by: PlayedBy | None
    is_deleted: bool
    is_enabled: bool
    mode: Mode | None
    """Of the primary; None: there is none."""
    is_primary_heard: bool
    is_account_known: bool
    has_control_role: bool
    running_switch_id: str | None
    is_standing_notice: bool
    """The primary is being taken away in earnest."""
    has_way_out: bool
    """A replica is ready, or there is an image to launch from."""
    loses_writes_since: datetime | None
    accepts_loss: bool


def find_obstacle(conditions: Conditions) -> str | None:
    """Return why this game day must not be played now, for a person; None when nothing stands in the way."""
    checks = (
        (conditions.is_deleted, "the agent is deleted"),
        (not conditions.is_enabled, "the agent is disabled: nothing would be done about the event"),
        (conditions.running_switch_id is not None, f"the agent is being moved by switch {conditions.running_switch_id}"),
        (conditions.mode is None, "the agent has no primary instance now"),
        (conditions.mode is Mode.UNKNOWN, "metadata and the EC2 API disagree about the primary's mode"),
        (not conditions.is_primary_heard, "the primary's daemon is not heard: it is no time for an exercise"),
        (conditions.is_standing_notice, "the primary is being taken away in earnest"),
        (
            conditions.kind is not GameDayKind.LOSS and conditions.mode is not Mode.SPOT,
            f"the primary is on demand, which gets no {conditions.kind.value}; expected one on spot, or kind loss",
        ),
        (not conditions.has_way_out, "there is neither a replica that is ready nor an image to launch from: the workload would be gone"),
        (
            conditions.played_by is None,
            "neither AWS FIS is configured for this client (fis_role_arn) nor a simulated region for this server",
        ),
        (
            conditions.played_by is PlayedBy.FIS and not conditions.is_account_known,
            "the primary's AWS account is not known, which FIS needs to name the instance",
        ),
        (
            conditions.played_by is PlayedBy.FIS and conditions.kind is GameDayKind.CAPACITY_SHORTAGE and not conditions.has_control_role,
            "FIS refuses capacity to the control role, and this client gave none",
        ),
        (
            conditions.loses_writes_since is not None and not conditions.accepts_loss and _ends_the_primary(conditions),
            f"everything written since {_text(conditions.loses_writes_since)} would be lost; say accept_data_loss to go on",
        ),
    )
    return next((reason for is_so, reason in checks if is_so), None)


def _ends_the_primary(conditions: Conditions) -> bool:
    """FIS follows a recommendation with the notice itself; the simulated region does not."""
    return conditions.kind is not GameDayKind.RECOMMENDATION or conditions.played_by is PlayedBy.FIS


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


@dataclass(frozen=True, slots=True)
class Progress:
    """How a game day stands whose event is out."""

    kind: GameDayKind
    played_by: PlayedBy
    is_deleted: bool
    is_enabled: bool
    seconds_since_begun: float
    bound_seconds: float
    switch_status: SwitchStatus | None = None
    is_rescue_to_be_resumed: bool = False
    replica_status: ReplicaStatus | None = None
    is_detected: bool = False
    experiment_failure: str | None = None
    """The player's own reason, when it gave up or was stopped."""
    is_experiment_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """A game day has come to its end: `outcome` is completed, failed or stopped."""

    outcome: GameDayStatus
    failure: str | None = None


READY_STATUSES = frozenset({ReplicaStatus.READY, ReplicaStatus.PROMOTED})


def judge(progress: Progress) -> Over | None:
    """Return the end of a game day, or None while it goes on."""
    if progress.is_deleted:
        return Over(GameDayStatus.STOPPED, "the agent was deleted meanwhile")
    if progress.switch_status is SwitchStatus.COMPLETED or (is_replica_enough(progress) and progress.replica_status in READY_STATUSES):
        return Over(GameDayStatus.COMPLETED)
    if not progress.is_enabled:
        return Over(GameDayStatus.STOPPED, "the agent was disabled meanwhile")
    has_ended = progress.switch_status is not None and progress.switch_status not in ACTIVE_SWITCH_STATUSES
    if has_ended and not progress.is_rescue_to_be_resumed:
        return Over(GameDayStatus.FAILED, f"the move that it led to is {progress.switch_status}")
    if progress.experiment_failure is not None and not progress.is_detected:
        outcome = GameDayStatus.STOPPED if progress.is_experiment_stopped else GameDayStatus.FAILED
        return Over(outcome, f"the player gave up: {progress.experiment_failure}")
    if progress.seconds_since_begun > progress.bound_seconds:
        what = "did not come through" if progress.is_detected else "heard nothing of the event"
        return Over(GameDayStatus.FAILED, f"the agent {what} within {progress.bound_seconds:g} s")
    return None


def is_replica_enough(progress: Progress) -> bool:
    """Tell whether a ready replica is the end. FIS follows a recommendation with the notice itself; the simulated region does not."""
    return progress.kind is GameDayKind.RECOMMENDATION and progress.played_by is PlayedBy.SIMULATED_REGION


@dataclass(frozen=True, slots=True)
class Moments:
    """What happened when; None where it did not, or nobody knows."""

    kind: GameDayKind
    begun_at: datetime
    detected_at: datetime | None = None
    instance_end_at: datetime | None = None
    """When the instance went, or was named to go."""
    replica_ready_at: datetime | None = None
    promoted_at: datetime | None = None
    serving_at: datetime | None = None
    downtime_ms: int | None = None
    """Of the move that it led to, by `downtime_basis`."""
    downtime_basis: DowntimeBasis | None = None
    loss_window_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a game day measured; None where there is nothing to measure. All but the downtime are counted from before the call."""

    detection_ms: int | None = None
    ready_ms: int | None = None
    promotion_ms: int | None = None
    serving_ms: int | None = None
    downtime_ms: int | None = None
    downtime_basis: DowntimeBasis | None = None
    loss_window_seconds: int | None = None


def measure(moments: Moments) -> Figures:
    """Return the figures. The downtime is the move's; but who plays a loss knows the instance's end, better than who saw it last."""
    downtime_ms, basis = moments.downtime_ms, moments.downtime_basis
    end = moments.begun_at if moments.kind is GameDayKind.LOSS else moments.instance_end_at
    is_end_played = moments.kind is GameDayKind.LOSS and basis is not DowntimeBasis.QUIESCED
    if (is_end_played or downtime_ms is None) and end is not None and moments.serving_at is not None:
        downtime_ms, basis = _between_ms(end, moments.serving_at), DowntimeBasis.INSTANCE_END
    return Figures(
        detection_ms=_between_ms(moments.begun_at, moments.detected_at),
        ready_ms=_between_ms(moments.begun_at, moments.replica_ready_at),
        promotion_ms=_between_ms(moments.begun_at, moments.promoted_at),
        serving_ms=_between_ms(moments.begun_at, moments.serving_at),
        downtime_ms=downtime_ms,
        downtime_basis=None if downtime_ms is None else basis,
        loss_window_seconds=moments.loss_window_seconds,
    )


def _between_ms(begin: datetime | None, end: datetime | None) -> int | None:
    """Return 0 for an end before the beginning: a replica may have been ready before the event."""
    return None if begin is None or end is None else max(0, round((end - begin).total_seconds() * 1000))


MOST_ATTEMPTS = 5

WISH_SECONDS = 300.0
"""A wish that nobody could carry out for so long is not played any more: whoever asked may not look at it now."""


def pause_seconds(attempts: int) -> float:
    """Return how long to wait before a call is tried again: 1 s, then twice as long each time, up to a minute."""
    return float(min(60, 2 ** max(0, attempts - 1)))
