"""Reading and writing game days, and what they led to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, or_, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import game_days, spot_interruption_events, switches
from spot_server.errors import NotFound, StateConflict
from spot_server.words import DowntimeBasis, GameDayKind, GameDayStatus, InterruptionKind, PlayedBy


@dataclass(frozen=True, slots=True)
class GameDay:
    """One game day, from the wish to its figures."""

    game_day_id: str
    client_id: str
    agent_id: str
    active_key: str | None
    request_id: str
    kind: GameDayKind
    options: dict[str, Any]
    played_by: PlayedBy
    status: GameDayStatus
    outcome: GameDayStatus | None
    failure: str | None
    initiated_by: str
    stopped_by: str | None
    instance_id: str
    region: str
    plan: dict[str, Any]
    reference: dict[str, Any]
    attempts: int
    retry_at: datetime | None
    requested_at: datetime
    begun_at: datetime | None
    played_at: datetime | None
    finished_at: datetime | None
    interruption_event_id: str | None
    switch_id: str | None
    replica_id: str | None
    detection_ms: int | None
    ready_ms: int | None
    promotion_ms: int | None
    serving_ms: int | None
    downtime_ms: int | None
    downtime_basis: DowntimeBasis | None
    loss_window_seconds: int | None
    probe: dict[str, Any] | None
    version: int

    @property
    def is_active(self) -> bool:
        """Whether it is not over yet."""
        return self.active_key is not None


_COLUMNS = [game_days.c[name] for name in GameDay.__dataclass_fields__]


def find_game_day(tx: Transaction, game_day_id: str) -> GameDay | None:
    """Return the game day, or None."""
    row = tx.execute(select(*_COLUMNS).where(game_days.c.game_day_id == game_day_id)).one_or_none()
    return None if row is None else GameDay(**row._asdict())


def load_game_day(tx: Transaction, agent_id: str, game_day_id: str) -> GameDay:
    """Return the agent's game day; NotFound for an unknown one and for another agent's."""
    found = find_game_day(tx, game_day_id)
    if found is None or found.agent_id != agent_id:
        raise NotFound(f"there is no game day {game_day_id}")
    return found


def find_by_request(tx: Transaction, agent_id: str, request_id: str) -> GameDay | None:
    """Return the game day that an earlier identical request asked for, or None."""
    where = (game_days.c.agent_id == agent_id, game_days.c.request_id == request_id)
    row = tx.execute(select(*_COLUMNS).where(*where)).one_or_none()
    return None if row is None else GameDay(**row._asdict())


def active_game_day(tx: Transaction, agent_id: str) -> GameDay | None:
    """Return the agent's game day that is not over, or None; there is at most one, by the database."""
    row = tx.execute(select(*_COLUMNS).where(game_days.c.active_key == agent_id)).one_or_none()
    return None if row is None else GameDay(**row._asdict())


def open_game_days(tx: Transaction) -> list[GameDay]:
    """Return every game day that is not over, oldest first."""
    # IS NOT NULL would read every row on SQLite.
    rows = tx.execute(select(*_COLUMNS).where(game_days.c.active_key > "").order_by(game_days.c.requested_at))
    return [GameDay(**row._asdict()) for row in rows]


def list_game_days(tx: Transaction, agent_id: str, *, before: tuple[datetime, str] | None, limit: int) -> list[GameDay]:
    """Return up to `limit` of the agent's game days, newest first; `before` is the position of the last one seen."""
    statement = select(*_COLUMNS).where(game_days.c.agent_id == agent_id)
    if before is not None:
        moment, game_day_id = before
        same_moment = and_(game_days.c.requested_at == moment, game_days.c.game_day_id < game_day_id)
        statement = statement.where(or_(game_days.c.requested_at < moment, same_moment))
    rows = tx.execute(statement.order_by(game_days.c.requested_at.desc(), game_days.c.game_day_id.desc()).limit(limit))
    return [GameDay(**row._asdict()) for row in rows]


def insert_game_day(tx: Transaction, game_day: GameDay) -> None:
    """Store a new game day."""
    tx.execute(insert(game_days).values({name: getattr(game_day, name) for name in GameDay.__dataclass_fields__}))


def update_game_day(tx: Transaction, game_day: GameDay, **values: Any) -> GameDay:  # noqa: ANN401 - column values
    """Compare-and-set: change `values` if nobody changed it since it was read, and return it as it is now."""
    where = (game_days.c.game_day_id == game_day.game_day_id, game_days.c.version == game_day.version)
    if tx.execute(update(game_days).where(*where).values(**values, version=game_day.version + 1)).rowcount != 1:
        raise StateConflict(f"game day {game_day.game_day_id} changed meanwhile")
    return load_game_day(tx, game_day.agent_id, game_day.game_day_id)


def first_event_since(tx: Transaction, agent_id: str, instance_id: str, since: datetime) -> str | None:
    """Return the first interruption event of this instance that came after `since`, or None."""
    table = spot_interruption_events
    where = (
        table.c.agent_id == agent_id,
        table.c.instance_id == instance_id,
        table.c.received_at >= since,
        # What befalls others is not what is played here.
        table.c.kind != InterruptionKind.POOL_WARNING,
    )
    found: str | None = tx.execute(
        select(table.c.event_id).where(*where).order_by(table.c.received_at, table.c.event_id).limit(1)
    ).scalar_one_or_none()
    return found


def last_switch_from(tx: Transaction, agent_id: str, instance_id: str, since: datetime) -> str | None:
    """Return the newest move away from this instance that began after `since`, or None: a rescue that fails is followed by another."""
    where = (switches.c.agent_id == agent_id, switches.c.from_instance_id == instance_id, switches.c.initiated_at >= since)
    found: str | None = tx.execute(
        select(switches.c.switch_id).where(*where).order_by(switches.c.initiated_at.desc(), switches.c.switch_id.desc()).limit(1)
    ).scalar_one_or_none()
    return found
