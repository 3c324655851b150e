"""Taking in what EC2 told: a few hundred prices in a transaction, with how far each pool is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.features.notifications.service import notify
from spot_server.features.price_pulls import queries
from spot_server.features.price_pulls.queries import Access, PulledPool
from spot_server.features.pricing.queries import ensure_pools, reopen, store_observations
from spot_server.features.pricing.rules import BUCKET, Observation
from spot_server.words import Severity


def find_pools(tx: Transaction, region: str, product: str, markets: Iterable[tuple[str, str]]) -> list[PulledPool]:
    """Return the pools of these (AZ id, instance type), making those that are new."""
    wanted = set(markets)
    ensure_pools(tx, [(region, az_id, instance_type, product) for az_id, instance_type in wanted])
    pools = queries.list_pulled(tx, region, {instance_type for _az_id, instance_type in wanted}, product)
    return [pool for pool in pools if (pool.az_id, pool.instance_type) in wanted]


def store_batch(tx: Transaction, observations: Sequence[Observation]) -> int:
    """Store observations of pools, each pool's in order, and how far they go; return how many were new.

    What another process has stored meanwhile, or this one before an answer was lost, is left out: each price is counted once.
    """
    held = queries.hold_progress(tx, [seen.pool_id for seen in observations])
    new = [seen for seen in observations if _is_new(seen, held[seen.pool_id])]
    store_observations(tx, new)
    reopen(tx, new)
    ends: dict[int, datetime] = {}
    for seen in new:
        ends[seen.pool_id] = max(seen.bucket_at + BUCKET, ends.get(seen.pool_id, seen.bucket_at))
    for until in sorted(set(ends.values())):
        queries.advance(tx, [pool_id for pool_id, end in ends.items() if end == until], until)
    return len(new)


def _is_new(seen: Observation, pulled_until: datetime | None) -> bool:
    return pulled_until is None or seen.bucket_at >= pulled_until


def note_read(tx: Transaction, region: str, product: str, instance_types: Sequence[str], until: datetime) -> None:
    """Note that all pools of these types are read up to a bucket (left out), those included of which EC2 told nothing."""
    pools = queries.list_pulled(tx, region, instance_types, product)
    if pools:
        queries.advance(tx, [pool.pool_id for pool in pools], until)


def tell_refused(tx: Transaction, access: Access, region: str, what: str, error: str) -> None:
    """Tell the client, once a day, that its control role may not read prices."""
    notify(
        tx,
        client_id=access.client_id,
        agent_id=None,
        severity=Severity.WARNING,
        kind="control_role_refused",
        text=f"The control role could not {what} in {region} ({error}); docs/control-role.md has the policy that allows it.",
        dedupe_key=f"control_role_refused/{access.client_id}/prices/{what}/{region}/{tx.now.date()}",
    )
