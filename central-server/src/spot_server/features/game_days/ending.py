"""The end of a game day: decided first, then put back, then told. The caller holds the agent's row."""

from __future__ import annotations

from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.game_days import queries
from spot_server.features.game_days.queries import GameDay
from spot_server.features.game_days.rules import CLOSED_EVENTS, GameDayEvent, Over, next_game_day_status
from spot_server.features.notifications.service import notify
from spot_server.words import GameDayStatus, Severity


def end_game_day(tx: Transaction, game_day: GameDay, over: Over, *, stopped_by: str | None = None) -> GameDay:
    """Decide how it ended; what was made for it is still to be put back."""
    status = next_game_day_status(game_day.status, GameDayEvent.OVER)
    values: dict[str, Any] = {"status": status, "outcome": over.outcome, "failure": over.failure, "stopped_by": stopped_by}
    return queries.update_game_day(tx, game_day, **values, attempts=0, retry_at=None)


def finish_game_day(tx: Transaction, game_day: GameDay, leftover: str | None) -> GameDay:
    """Everything is put back, except what `leftover` tells: from now on another may be played."""
    outcome = game_day.outcome or GameDayStatus.FAILED
    status = next_game_day_status(game_day.status, CLOSED_EVENTS[outcome])
    failure = "; ".join(text for text in (game_day.failure, leftover) if text) or None
    finished = queries.update_game_day(tx, game_day, status=status, active_key=None, finished_at=tx.now, failure=failure)
    tx.emit(
        "game_day_finished",
        client_id=finished.client_id,
        agent_id=finished.agent_id,
        instance_id=finished.instance_id,
        data={
            "game_day_id": finished.game_day_id,
            "kind": finished.kind,
            "status": finished.status,
            "failure": finished.failure,
            "switch_id": finished.switch_id,
            "detection_ms": finished.detection_ms,
            "promotion_ms": finished.promotion_ms,
            "downtime_ms": finished.downtime_ms,
        },
    )
    if status is GameDayStatus.FAILED or leftover is not None:
        notify(
            tx,
            client_id=finished.client_id,
            agent_id=finished.agent_id,
            severity=Severity.WARNING,
            kind="game_day_failed",
            text=f"game day {finished.game_day_id} ({finished.kind}) is {finished.status}: {finished.failure}",
            dedupe_key=f"game_day_failed/{finished.game_day_id}",
        )
    return finished
