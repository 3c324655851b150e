"""The chart of an instance's markets: what is consolidated, and the rest of today, consolidated while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.errors import FieldInvalid
from spot_server.features.agents.queries import load_agent
from spot_server.features.consolidations.queries import previous_points
from spot_server.features.consolidations.rules import bucket_number, consolidate
from spot_server.features.consolidations.seen_queries import read_seen
from spot_server.features.instances.queries import Instance, find_instance_of_client
from spot_server.features.pricing import history_queries, queries
from spot_server.features.pricing.chart_rules import Slot, Window, join_slots, require_few_points, slots_of
from spot_server.features.pricing.on_demand import OnDemandCatalogue, OnDemandPrice
from spot_server.features.pricing.queries import Pool
from spot_server.features.pricing.rules import bucket_from
from spot_server.features.pricing.service import on_demand_prices, usable_types

LONGEST_TAIL = timedelta(days=14)
"""How much that is not consolidated is read for a chart: if no consolidation ran for longer, the oldest of it is left out, and said so."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the agent's pools: of one type, in one zone; None: any."""

    instance_type: str | None = None
    az_id: str | None = None


@dataclass(frozen=True, slots=True)
class PoolHistory:
    """The prices of one pool over a window."""

    pool: Pool
    points: list[Slot]


@dataclass(frozen=True, slots=True)
class InstanceHistory:
    """The prices of an instance's markets over a window, and what they cost on demand now, by type.

    `is_truncated`: prices that are not consolidated yet were too many to be read.
    """

    instance: Instance
    window: Window
    pools: list[PoolHistory]
    on_demand: dict[str, OnDemandPrice]
    is_truncated: bool


def read_history(
    tx: Transaction, client_id: str, instance_id: str, window: Window, choice: Choice, catalogue: OnDemandCatalogue
) -> InstanceHistory:
    """Return the prices of the instance's markets in the window, its end left out: one point per pool and bucket with a price.

    FieldInvalid when that would be too many points, and for a type that the agent may not use or a zone in which it has no pool.
    """
    instance = find_instance_of_client(tx, client_id, instance_id)
    usable = usable_types(load_agent(tx, instance.agent_id), instance)
    known = queries.list_pools(tx, instance.region, usable, instance.product)
    types = _chosen("instance_type", choice.instance_type, usable)
    zones = _chosen("az_id", choice.az_id, sorted({pool.az_id for pool in known} | {instance.az_id}))
    pools = [pool for pool in known if pool.instance_type in types and pool.az_id in zones]
    require_few_points(window, len(pools))
    ids = [pool.pool_id for pool in pools]
    consolidated, is_truncated = _read_points(tx, ids, window) if ids else ({}, False)
    histories = [PoolHistory(pool, consolidated[pool.pool_id]) for pool in pools]
    return InstanceHistory(instance, window, histories, on_demand_prices(tx, instance, types, catalogue), is_truncated)


def _chosen(field: str, value: str | None, known: Sequence[str]) -> Sequence[str]:
    """Return what was asked for, all of them without a wish; an empty chart would not say that nothing can be in it."""
    if value is None:
        return known
    if value not in known:
        raise FieldInvalid(field, value, f"one of {', '.join(known)}")
    return [value]


def _read_points(tx: Transaction, ids: Sequence[int], window: Window) -> tuple[dict[int, list[Slot]], bool]:
    points: dict[int, list[Slot]] = {}
    is_truncated = False
    ends = history_queries.consolidated_until(tx, ids)
    # Pools are consolidated together: there are one or two ends, whatever the number of pools.
    for end in sorted(set(ends.values())):
        of_end = [pool_id for pool_id in ids if ends[pool_id] == end]
        since, until = _number_from(window.since), _number_from(window.until)
        slots = history_queries.read_slots(tx, of_end, since, min(end, until), window.bucket_seconds)
        tails, is_cut = _read_tails(tx, of_end, end, window)
        points.update({pool_id: join_slots(slots[pool_id], tails[pool_id]) for pool_id in of_end})
        is_truncated = is_truncated or is_cut
    return points, is_truncated


def _read_tails(tx: Transaction, ids: Sequence[int], end: int, window: Window) -> tuple[dict[int, list[Slot]], bool]:
    """Consolidate what comes after the pools' common end, from there on: a gap may begin before the window. Return whether it was cut."""
    since, until, earliest = _number_from(window.since), _number_from(window.until), _number_from(tx.now - LONGEST_TAIL)
    if until <= end:
        return {pool_id: [] for pool_id in ids}, False
    begin = max(end, min(earliest, until))
    is_cut = max(end, since) < begin and history_queries.has_seen(tx, ids, max(end, since), begin)
    seen, previous = read_seen(tx, ids, begin, until), previous_points(tx, ids, begin)
    last = history_queries.last_buckets(tx, ids, end)
    tails = {}
    for pool_id in ids:
        points, _counts = consolidate(seen[pool_id], previous.get(pool_id), None)
        # A gap that reaches over the end has no rows yet, unless the pool was opened again in the middle of one.
        first = max(since, last.get(pool_id, since - 1) + 1)
        tails[pool_id] = slots_of((point for point in points if first <= point.bucket < until), window.bucket_seconds)
    return tails, is_cut


def _number_from(moment: datetime) -> int:
    return bucket_number(bucket_from(moment))
