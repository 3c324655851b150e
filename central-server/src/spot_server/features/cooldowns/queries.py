"""Reading and writing the cool-downs of pools: one row for each pool that had no capacity of late."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, delete, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import pool_cooldowns
from spot_server.db.upsert import insert_or_ignore
from spot_server.features.cooldowns.rules import Cooldown

_KEY = ("region", "az_id", "instance_type")


@dataclass(frozen=True, slots=True)
class PoolKey:
    """A stock of machines that EC2 sells as spot capacity; which product runs on them does not matter to it."""

    region: str
    az_id: str
    instance_type: str


def cooling_pools(tx: Transaction, region: str, instance_types: Collection[str]) -> dict[tuple[str, str], datetime]:
    """Return until when pools of these types are left alone, by (type, AZ id); those that are not are no key."""
    table = pool_cooldowns
    where = (table.c.region == region, table.c.instance_type.in_(instance_types), table.c.until_at > tx.now)
    rows = tx.execute(select(table.c.instance_type, table.c.az_id, table.c.until_at).where(*where))
    return {(row.instance_type, row.az_id): row.until_at for row in rows}


def find_cooldown(tx: Transaction, pool: PoolKey) -> Cooldown | None:
    """Return what is remembered of the pool's shortage, over or not, or None."""
    table = pool_cooldowns
    row = tx.execute(select(table.c.shortage_count, table.c.refused_at, table.c.until_at).where(*_is(pool))).one_or_none()
    return None if row is None else Cooldown(**row._asdict())


def hold_cooldown(tx: Transaction, pool: PoolKey, first: Cooldown, code: str) -> Cooldown | None:
    """Take the pool's row until the end of the transaction; return what it held, None when `first` was stored just now."""
    mine = _values(first, code)
    insert_or_ignore(tx.connection, pool_cooldowns, [{**_key_of(pool), **mine}], key=_KEY)
    table = pool_cooldowns
    statement = select(table.c.shortage_count, table.c.refused_at, table.c.until_at).where(*_is(pool)).with_for_update()
    found = Cooldown(**tx.execute(statement).one()._asdict())
    return None if found == first else found


def store_cooldown(tx: Transaction, pool: PoolKey, cooldown: Cooldown, code: str) -> None:
    """Change the pool's row; the caller holds it."""
    tx.execute(update(pool_cooldowns).where(*_is(pool)).values(_values(cooldown, code)))


def forget_cooldown(tx: Transaction, pool: PoolKey) -> None:
    """Delete the pool's row, if there is one."""
    tx.execute(delete(pool_cooldowns).where(*_is(pool)))


def forget_before(tx: Transaction, until: datetime) -> int:
    """Delete the rows whose cool-down ended before then, and return how many."""
    return tx.execute(delete(pool_cooldowns).where(pool_cooldowns.c.until_at < until)).rowcount


_ENDED = select(pool_cooldowns.c.region).where(pool_cooldowns.c.until_at < bindparam("until")).limit(1)


def has_ended_before(tx: Transaction, until: datetime) -> bool:
    """Tell whether some cool-down ended before then. Reads only."""
    return tx.execute(_ENDED, {"until": until}).first() is not None


def _is(pool: PoolKey) -> tuple[ColumnElement[bool], ...]:
    return tuple(pool_cooldowns.c[name] == value for name, value in _key_of(pool).items())


def _key_of(pool: PoolKey) -> dict[str, str]:
    return {name: getattr(pool, name) for name in _KEY}


def _values(cooldown: Cooldown, code: str) -> dict[str, object]:
    return {name: getattr(cooldown, name) for name in Cooldown.__dataclass_fields__} | {"error_code": code[:64]}
