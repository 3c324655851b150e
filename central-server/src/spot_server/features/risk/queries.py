"""What risk is computed of, and the rows that say it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import (
    instances,
    pool_cooldowns,
    pool_risk_analysis,
    replica_instances,
    spot_advisor_bands,
    spot_interruption_events,
    spot_pools,
)
from spot_server.db.upsert import insert_or_ignore, insert_or_update
from spot_server.features.cooldowns.rules import Cooldown
from spot_server.features.interruptions.rules import FORCING_KINDS
from spot_server.features.replicas.boot_rules import Boot
from spot_server.features.risk.advisor import AdvisorBand
from spot_server.features.risk.evidence_rules import PoolKey
from spot_server.words import InterruptionKind, Mode

MOST_BOOTS = 20_000
"""Of all clients' launches of a month the newest: a bound on what one computation reads."""

ROWS_PER_STATEMENT = 50
"""SQLite before 3.32 takes at most 999 variables a statement; a row of the analysis has eighteen."""

_TAKING = FORCING_KINDS | {InterruptionKind.LOSS}
"""What took an instance, or is about to. A silence is no more than a suspicion, a recommendation a guess."""


@dataclass(frozen=True, slots=True)
class SpotPool:
    """One spot market, by the numbers that rows name it by."""

    pool_id: int
    region: str
    az_id: str
    instance_type: str
    product: str

    @property
    def key(self) -> PoolKey:
        """The stock of machines behind it."""
        return PoolKey(self.region, self.az_id, self.instance_type)


@dataclass(frozen=True, slots=True)
class SpotInstance:
    """What the books say of when a spot instance was there."""

    agent_id: str
    instance_id: str
    region: str
    az_id: str
    instance_type: str
    launched_by_server: bool
    launched_at: datetime | None
    booted_at: datetime | None
    registered_at: datetime
    last_heartbeat_at: datetime
    released_at: datetime | None
    terminated_at: datetime | None


@dataclass(frozen=True, slots=True)
class PoolRisk:
    """One row of the analysis with its pool's market: the newest word about it."""

    pool_id: int
    region: str
    az_id: str
    instance_type: str
    product: str
    computed_at: datetime
    score: int
    chance_hour: float
    chance_hour_low: float
    chance_hour_high: float
    chance_day: float
    chance_day_low: float
    chance_day_high: float
    by_age: list[dict[str, float]]
    boot_seconds: float | None
    boot_count: int
    shortage_count: int
    cooldown_until: datetime | None
    advisor_band: int | None
    advisor_snapshot_at: datetime | None
    inputs: dict[str, Any]
    model_version: str


_POOLS = select(*(spot_pools.c[name] for name in SpotPool.__dataclass_fields__)).order_by(spot_pools.c.pool_id)


def list_pools(tx: Transaction) -> list[SpotPool]:
    """Return every pool of which there was ever a price."""
    return [SpotPool(*row) for row in tx.execute(_POOLS)]


_LIVED = select(*(instances.c[name] for name in SpotInstance.__dataclass_fields__)).where(instances.c.mode == Mode.SPOT)
_LIVES = _LIVED.where(instances.c.terminated_at.is_(None))
_ENDED = _LIVED.where(instances.c.terminated_at > bindparam("since"))


def list_spot_instances(tx: Transaction, since: datetime) -> list[SpotInstance]:
    """Return all clients' spot instances that were there after `since`."""
    rows = (*tx.execute(_LIVES), *tx.execute(_ENDED, {"since": since}))
    return [SpotInstance(*row) for row in rows]


_OF_CLIENT = (
    instances.c.client_id == bindparam("client_id"),
    instances.c.region == bindparam("region"),
    instances.c.instance_type.in_(bindparam("instance_types", expanding=True)),
)
_OWN_LIVES, _OWN_ENDED = _LIVES.where(*_OF_CLIENT), _ENDED.where(*_OF_CLIENT)


def list_own_instances(
    tx: Transaction, client_id: str, region: str, instance_types: Collection[str], since: datetime
) -> list[SpotInstance]:
    """Return the client's own spot instances of these types that were there after `since`."""
    values = {"client_id": client_id, "region": region, "instance_types": sorted(instance_types)}
    rows = (*tx.execute(_OWN_LIVES, values), *tx.execute(_OWN_ENDED, {**values, "since": since}))
    return [SpotInstance(*row) for row in rows]


def _losses() -> Select[*tuple[Any, ...]]:
    table = spot_interruption_events
    return (
        select(table.c.agent_id, table.c.instance_id, func.min(table.c.received_at))
        .where(table.c.received_at > bindparam("since"), table.c.kind.in_(_TAKING), table.c.game_day_id.is_(None))
        .group_by(table.c.agent_id, table.c.instance_id)
    )


_LOSSES = _losses()
_OWN_LOSSES = _LOSSES.where(spot_interruption_events.c.client_id == bindparam("client_id"))


def list_losses(tx: Transaction, since: datetime, client_id: str | None = None) -> dict[tuple[str, str], datetime]:
    """Return when we were first told that each (agent, instance) is taken, of all clients or of one; what game days play is left out."""
    found = (
        tx.execute(_LOSSES, {"since": since}) if client_id is None else tx.execute(_OWN_LOSSES, {"since": since, "client_id": client_id})
    )
    return {(agent_id, instance_id): at for agent_id, instance_id, at in found}


_BOOTS = (
    select(replica_instances.c.instance_type, replica_instances.c.az_id, replica_instances.c.launched_at, replica_instances.c.ready_at)
    .where(
        replica_instances.c.created_at > bindparam("since"),
        # What was let in when it registered counts from there: that it became ready soon says nothing of its boot.
        replica_instances.c.registered_at > replica_instances.c.launched_at,
        replica_instances.c.ready_at.is_not(None),
    )
    .order_by(replica_instances.c.created_at.desc())
    .limit(MOST_BOOTS)
)


def list_boots(tx: Transaction, since: datetime) -> list[Boot]:
    """Return what all clients' replicas took from launch to ready since then, the newest of many."""
    rows = tx.execute(_BOOTS, {"since": since})
    return [Boot(row.instance_type, row.az_id, (row.ready_at - row.launched_at).total_seconds()) for row in rows]


_BANDS = select(*(spot_advisor_bands.c[name] for name in AdvisorBand.__dataclass_fields__)).where(
    spot_advisor_bands.c.region.in_(bindparam("regions", expanding=True))
)


def list_bands(tx: Transaction, regions: Collection[str]) -> dict[tuple[str, str], AdvisorBand]:
    """Return what Spot Advisor says of the types in these regions, by (region, instance type)."""
    return {(row.region, row.instance_type): AdvisorBand(*row) for row in tx.execute(_BANDS, {"regions": sorted(regions)})}


_BAND_MOMENTS = select(spot_advisor_bands.c.region, spot_advisor_bands.c.instance_type, spot_advisor_bands.c.snapshot_at)


def snapshot_moments(tx: Transaction) -> dict[tuple[str, str], datetime]:
    """Return of when the stored band of each (region, instance type) is."""
    return {(row.region, row.instance_type): row.snapshot_at for row in tx.execute(_BAND_MOMENTS)}


def store_bands(tx: Transaction, bands: Sequence[AdvisorBand]) -> None:
    """Store bands in place of what was known of the same markets."""
    rows = [{**asdict(band), "imported_at": tx.now} for band in bands]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        insert_or_update(
            tx.connection,
            spot_advisor_bands,
            rows[start : start + ROWS_PER_STATEMENT],
            key=["region", "instance_type"],
            replace=["band", "savings_percent", "snapshot_at", "imported_at"],
        )


_COOLDOWNS = select(
    *(pool_cooldowns.c[name] for name in PoolKey._fields), *(pool_cooldowns.c[name] for name in Cooldown.__dataclass_fields__)
)


def list_cooldowns(tx: Transaction) -> dict[PoolKey, Cooldown]:
    """Return what is remembered of shortages, over or not: few rows at any time."""
    return {PoolKey(*row[:3]): Cooldown(*row[3:]) for row in tx.execute(_COOLDOWNS)}


_COMPUTED = select(pool_risk_analysis.c.pool_id).where(pool_risk_analysis.c.computed_at == bindparam("computed_at"))


def computed_pools(tx: Transaction, computed_at: datetime) -> set[int]:
    """Return the pools that have a row of this computation."""
    return set(tx.execute(_COMPUTED, {"computed_at": computed_at}).scalars())


def store_risks(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Store rows of one computation; those that are there already stay as they are."""
    insert_or_ignore(tx.connection, pool_risk_analysis, rows, key=["pool_id", "computed_at"])


def _latest() -> Select[*tuple[Any, ...]]:
    older = pool_risk_analysis.alias("older")
    newest = select(func.max(older.c.computed_at)).where(older.c.pool_id == spot_pools.c.pool_id).scalar_subquery()
    columns = [spot_pools.c[name] if name in SpotPool.__dataclass_fields__ else pool_risk_analysis.c[name] for name in _RISK_FIELDS]
    return (
        select(*columns)
        .join_from(spot_pools, pool_risk_analysis, pool_risk_analysis.c.pool_id == spot_pools.c.pool_id)
        .where(pool_risk_analysis.c.computed_at == newest)
    )


_RISK_FIELDS = tuple(PoolRisk.__dataclass_fields__)
_LATEST = _latest()
_LATEST_OF_TYPES = _LATEST.where(
    spot_pools.c.region == bindparam("region"),
    spot_pools.c.instance_type.in_(bindparam("instance_types", expanding=True)),
).order_by(spot_pools.c.instance_type, spot_pools.c.az_id)
_LATEST_PAGE = (
    _LATEST.where(spot_pools.c.pool_id > bindparam("after")).order_by(spot_pools.c.pool_id).limit(bindparam("most", type_=Integer))
)


def latest_risks(tx: Transaction, region: str, instance_types: Collection[str]) -> list[PoolRisk]:
    """Return the newest row of each pool of these types, by type and AZ; a pool that was never computed is not there."""
    values = {"region": region, "instance_types": sorted(instance_types)}
    return [PoolRisk(*row) for row in tx.execute(_LATEST_OF_TYPES, values)]


def page_of_risks(tx: Transaction, *, after: int, most: int) -> list[PoolRisk]:
    """Return the newest rows of up to `most` pools with a number above `after`."""
    return [PoolRisk(*row) for row in tx.execute(_LATEST_PAGE, {"after": after, "most": most})]
