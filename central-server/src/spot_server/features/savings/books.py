"""The account's own rows: one per agent and day, written again whenever the day is reckoned again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, func, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, clients, savings_snapshots
from spot_server.db.upsert import insert_or_update
from spot_server.features.savings.calendar_rules import ONE_DAY, begin_of_day
from spot_server.features.savings.due_rules import ENDS_LATE_BY, Progress, Window
from spot_server.features.savings.figure_rules import Amounts
from spot_server.features.savings.report_rules import PERIOD_CHARACTERS, DayRange, Granularity, GroupBy, Totals
from spot_server.features.savings.rules import INSTANCE_PURPOSES
from spot_server.words import Mode

_snapshot = savings_snapshots
_KEY = ("agent_id", "day")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stored day, with its lines as they were stored."""

    agent_id: str
    day: date
    time_zone: str
    since_at: datetime
    until_at: datetime
    comparison_instance_type: str
    on_demand_discount_ppm: int
    amounts: Amounts
    unsized_image_count: int
    switch_count: int
    interruption_count: int
    downtime_ms: int
    lines: list[dict[str, Any]]
    computed_at: datetime
    is_final: bool


@dataclass(frozen=True, slots=True)
class StoredTime:
    """What a stored day says of its time, and of what it is compared with."""

    agent_id: str
    day: date
    since_at: datetime
    until_at: datetime
    comparison_instance_type: str


def store(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Write days, in place of what was stored of the same agent and day."""
    if rows:
        replaced = [name for name in rows[0] if name not in _KEY]
        insert_or_update(tx.connection, _snapshot, sorted(rows, key=lambda row: row["agent_id"]), key=_KEY, replace=replaced)


_AMOUNTS = tuple(Amounts.__dataclass_fields__)
_STORED = select(_snapshot).where(_snapshot.c.agent_id == bindparam("agent_id"), _snapshot.c.day == bindparam("day"))


def find_snapshot(tx: Transaction, agent_id: str, day: date) -> Snapshot | None:
    """Return a stored day, or None."""
    row = tx.execute(_STORED, {"agent_id": agent_id, "day": day}).one_or_none()
    if row is None:
        return None
    values = row._asdict()
    amounts = Amounts(**{name: values.pop(name) for name in _AMOUNTS})
    return Snapshot(amounts=amounts, **{name: value for name, value in values.items() if name != "client_id"})


_PROGRESS = (
    select(
        agents.c.agent_id,
        agents.c.created_at,
        agents.c.deleted_at,
        func.count(_snapshot.c.day).label("stored_count"),
        func.min(_snapshot.c.day).label("oldest_day"),
        func.max(_snapshot.c.day).label("newest_day"),
    )
    .outerjoin(_snapshot, and_(_snapshot.c.agent_id == agents.c.agent_id, _snapshot.c.day >= bindparam("first")))
    .where(
        agents.c.client_id == bindparam("client_id"), or_(agents.c.deleted_at.is_(None), agents.c.deleted_at > bindparam("deleted_after"))
    )
    .group_by(agents.c.agent_id, agents.c.created_at, agents.c.deleted_at)
    .order_by(agents.c.agent_id)
)


_PROGRESS_OF_ONE = _PROGRESS.where(agents.c.agent_id == bindparam("agent_id"))


def progress_of(tx: Transaction, client_id: str, window: Window, agent_id: str | None = None) -> list[Progress]:
    """Return how far the account of each agent of the client is, or of one; those that were deleted since the window began included."""
    deleted_after = begin_of_day(window.first, window.time_zone) - ENDS_LATE_BY
    asked = {"client_id": client_id, "first": window.first, "deleted_after": deleted_after}
    if agent_id is not None:
        return [Progress(*row) for row in tx.execute(_PROGRESS_OF_ONE, {**asked, "agent_id": agent_id})]
    return [Progress(*row) for row in tx.execute(_PROGRESS, asked)]


_BEGINNINGS = select(_snapshot.c.agent_id, _snapshot.c.day, _snapshot.c.since_at).where(
    _snapshot.c.agent_id.in_(bindparam("agent_ids", expanding=True)), _snapshot.c.day >= bindparam("first")
)


def beginnings_of(tx: Transaction, agent_ids: Sequence[str], window: Window) -> dict[str, dict[date, datetime]]:
    """Return by agent when each of its stored days of the window begins."""
    found: dict[str, dict[date, datetime]] = defaultdict(dict)
    if agent_ids:
        for row in tx.execute(_BEGINNINGS, {"agent_ids": list(agent_ids), "first": window.first}):
            found[row.agent_id][row.day] = row.since_at
    return found


_PROVISIONAL = (
    select(_snapshot.c.agent_id, _snapshot.c.day)
    .where(
        _snapshot.c.client_id == bindparam("client_id"),
        _snapshot.c.is_final.is_(False),
        _snapshot.c.computed_at <= bindparam("computed_before"),
    )
    .order_by(_snapshot.c.computed_at)
    .limit(bindparam("most", type_=Integer))
)


def provisional_days(tx: Transaction, client_id: str, computed_before: datetime, most: int) -> list[tuple[str, date]]:
    """Return up to `most` (agent_id, day) that late prices may still change, and that were not reckoned since."""
    rows = tx.execute(_PROVISIONAL, {"client_id": client_id, "computed_before": computed_before, "most": most})
    return [(row.agent_id, row.day) for row in rows]


_TIMES = tuple(_snapshot.c[name] for name in StoredTime.__dataclass_fields__)
_of_agents = _snapshot.c.agent_id.in_(bindparam("agent_ids", expanding=True))
_THESE_TIMES = select(*_TIMES).where(_of_agents, _snapshot.c.day.in_(bindparam("days", expanding=True)))
_before = (
    select(_snapshot.c.agent_id, func.max(_snapshot.c.day).label("day"))
    .where(_of_agents, _snapshot.c.day < bindparam("day"))
    .group_by(_snapshot.c.agent_id)
    .subquery()
)
_TIMES_BEFORE = select(*_TIMES).join(_before, and_(_before.c.agent_id == _snapshot.c.agent_id, _before.c.day == _snapshot.c.day))


def stored_around(tx: Transaction, agent_ids: Sequence[str], day: date) -> list[StoredTime]:
    """Return what is stored of each agent's last day before this one, of the day itself, and of the day after it."""
    if not agent_ids:
        return []
    asked = {"agent_ids": list(agent_ids)}
    before = tx.execute(_TIMES_BEFORE, {**asked, "day": day})
    return [StoredTime(*row) for row in [*before, *tx.execute(_THESE_TIMES, {**asked, "days": [day, day + ONE_DAY]})]]


_LINES = select(_snapshot.c.agent_id, _snapshot.c.lines).where(_of_agents, _snapshot.c.day == bindparam("day"))


def stored_modes(tx: Transaction, agent_ids: Sequence[str], day: date) -> dict[tuple[str, str], Mode]:
    """Return by (agent_id, instance_id) the mode by which the instances of a stored day were reckoned, where it was known."""
    if not agent_ids:
        return {}
    rows = tx.execute(_LINES, {"agent_ids": list(agent_ids), "day": day})
    found = {(row.agent_id, line["what"]): line["mode"] for row in rows for line in row.lines if line["purpose"] in INSTANCE_PURPOSES}
    return {key: Mode(mode) for key, mode in found.items() if mode != Mode.UNKNOWN}


def list_client_ids(tx: Transaction) -> list[str]:
    """Return all clients."""
    return list(tx.execute(select(clients.c.client_id).order_by(clients.c.client_id)).scalars())


_paid = sum((_snapshot.c[name] for name in _AMOUNTS[1:6]), start=_snapshot.c[_AMOUNTS[0]])
_is_uncompared = _snapshot.c.comparison_usd.is_(None)
_COUNTS = ("unpriced_seconds", "unsized_image_count", "switch_count", "interruption_count", "downtime_ms")


def _sums() -> list[ColumnElement[Any]]:
    return [
        *[func.sum(_snapshot.c[name]).label(name) for name in _AMOUNTS[:6]],
        func.coalesce(func.sum(_snapshot.c.comparison_usd), 0).label("compared_usd"),
        func.sum(case((_is_uncompared, _paid), else_=0)).label("uncompared_paid_usd"),
        func.count().label("day_count"),
        func.sum(case((_is_uncompared, 1), else_=0)).label("uncompared_day_count"),
        *[func.sum(_snapshot.c[name]).label(name) for name in _COUNTS],
    ]


def sums(
    tx: Transaction, client_id: str, days: DayRange, granularity: Granularity, by: GroupBy, agent_id: str | None, most: int
) -> list[tuple[str, str | None, Totals]]:
    """Return up to `most` (period, agent_id or None, totals) of the stored days, in the order of periods and agents."""
    period = func.substr(_snapshot.c.day, 1, PERIOD_CHARACTERS[granularity]).label("period")
    groups: list[Any] = [period] if by is GroupBy.CLIENT else [period, _snapshot.c.agent_id]
    where = [_snapshot.c.client_id == client_id, _snapshot.c.day >= days.first, _snapshot.c.day <= days.last]
    if agent_id is not None:
        where.append(_snapshot.c.agent_id == agent_id)
    statement = select(*groups, *_sums()).where(*where).group_by(*groups).order_by(*groups).limit(most)
    found = []
    for row in tx.execute(statement):
        values = row._asdict()
        key = (str(values.pop("period")), values.pop("agent_id", None))
        found.append((*key, _totals(values)))
    return found


def _totals(values: dict[str, Any]) -> Totals:
    typed: dict[str, Any] = {name: Decimal(value) if name.endswith("_usd") else int(value) for name, value in values.items()}
    return Totals(**typed)


def names_of(tx: Transaction, client_id: str, agent_ids: Sequence[str]) -> dict[str, str]:
    """Return the logical ids of these agents of the client."""
    if not agent_ids:
        return {}
    where = and_(agents.c.client_id == client_id, or_(agents.c.agent_id.in_(agent_ids)))
    return {row.agent_id: row.logical_agent_id for row in tx.execute(select(agents.c.agent_id, agents.c.logical_agent_id).where(where))}
