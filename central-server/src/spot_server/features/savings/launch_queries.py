"""Reading what the server had launched for agents: when each instance of it came and went, whether it ever registered or not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import BindParameter, bindparam, exists, func, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import instances, replica_instances
from spot_server.features.savings.calendar_rules import Stretch
from spot_server.words import Mode


@dataclass(frozen=True, slots=True)
class Launch:
    """An instance that the server had launched. `has_registered`: a row of its own says from then on when it was paid for, and as what."""

    agent_id: str
    instance_id: str
    instance_type: str
    az_id: str
    mode: Mode
    launched_at: datetime
    ended_at: datetime | None
    has_registered: bool


_since: BindParameter[datetime] = bindparam("since")
_replica = replica_instances
# A stray may have come without a word on its launch: then it is paid for from when it was found.
_launched_at = func.coalesce(_replica.c.launched_at, _replica.c.created_at)
_has_row = exists().where(instances.c.agent_id == _replica.c.agent_id, instances.c.instance_id == _replica.c.instance_id)
_LAUNCHES = (
    select(
        _replica.c.agent_id,
        _replica.c.instance_id,
        _replica.c.instance_type,
        _replica.c.az_id,
        _replica.c.mode,
        _launched_at.label("launched_at"),
        _replica.c.ended_at,
        # Both: a stray's own row knows nothing of a registration, and an instance's row is deleted before its replica's.
        or_(_replica.c.registered_at.is_not(None), _has_row).label("has_registered"),
    )
    .where(
        _replica.c.agent_id.in_(bindparam("agent_ids", expanding=True)),
        _replica.c.instance_id.is_not(None),
        _launched_at < bindparam("until"),
        or_(_replica.c.ended_at.is_(None), _replica.c.ended_at > _since),
    )
    .order_by(_replica.c.created_at, _replica.c.replica_id)
)


def launches_of(tx: Transaction, agent_ids: Sequence[str], within: Stretch) -> dict[tuple[str, str], Launch]:
    """Return by (agent_id, instance_id) what was launched before the end of this time, and was not gone at its beginning.

    A promoted replica's own row never ends: only the instance's says when it did. An instance that was owned more than once, as strays
    are, is one launch: from the first of them to the last.
    """
    found: dict[tuple[str, str], Launch] = {}
    asked = {"agent_ids": list(agent_ids), "since": within.since, "until": within.until}
    for row in tx.execute(_LAUNCHES, asked):
        one = Launch(**{**row._asdict(), "has_registered": bool(row.has_registered)})
        key = (one.agent_id, one.instance_id)
        found[key] = _together(found[key], one) if key in found else one
    return found


_PRODUCTS = (
    select(instances.c.agent_id, instances.c.product)
    .where(instances.c.agent_id.in_(bindparam("agent_ids", expanding=True)))
    .order_by(instances.c.registered_at, instances.c.instance_id)
)


def products_of(tx: Transaction, agent_ids: Collection[str]) -> dict[str, str]:
    """Return by agent the product of its newest instance: what is launched for it is made of that one's image, or of one before it."""
    if not agent_ids:
        return {}
    return {row.agent_id: row.product for row in tx.execute(_PRODUCTS, {"agent_ids": sorted(agent_ids)})}


def _together(first: Launch, second: Launch) -> Launch:
    # What is known of the place and the price of one holds for the other: a stray of which the books had lost everything has neither.
    known = first if first.mode is not Mode.UNKNOWN else second
    ends = [one.ended_at for one in (first, second) if one.ended_at is not None]
    return replace(
        known,
        launched_at=min(first.launched_at, second.launched_at),
        ended_at=max(ends) if len(ends) == 2 else None,
        has_registered=first.has_registered or second.has_registered,
    )
