"""Where the server may look, what it should look for, and how far it has looked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, or_, select, update

from spot_server.aws.ports import ControlRole
from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, clients, instances, price_progress, spot_pools
from spot_server.db.types import PriceBucket
from spot_server.features.pricing.market_rules import base_product
from spot_server.words import Role


@dataclass(frozen=True, slots=True)
class Access:
    """A client's control role, by which a region can be read."""

    client_id: str
    role: ControlRole


@dataclass(frozen=True, slots=True)
class Reach:
    """A region that can be read, and what is wanted there: instance types by product."""

    region: str
    accesses: tuple[Access, ...]
    types: dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class PulledPool:
    """A pool, and up to which bucket (left out) its prices were pulled; None: not at all."""

    pool_id: int
    az_id: str
    instance_type: str
    pulled_until: datetime | None


_ROLES = (
    select(agents.c.region, clients.c.client_id, clients.c.aws_role_arn, clients.c.aws_external_id)
    .join_from(clients, agents)
    .where(clients.c.aws_role_arn.is_not(None), agents.c.deleted_at.is_(None))
    .distinct()
    .order_by(agents.c.region, clients.c.client_id)
)
_ALLOWED = select(agents.c.region, agents.c.allowed_instance_types).where(agents.c.deleted_at.is_(None)).distinct()
_RUNNING = (
    select(instances.c.region, instances.c.instance_type, instances.c.product)
    .where(instances.c.role.in_((Role.PRIMARY, Role.REPLICA)))
    .distinct()
)


def list_reaches(tx: Transaction) -> list[Reach]:
    """Return every region in which some client with living agents gave a role, and what all agents there use or may use.

    A price is the same for everybody: one client's role reads it for all.
    """
    accesses: dict[str, list[Access]] = {}
    for region, client_id, role_arn, external_id in tx.execute(_ROLES):
        role = ControlRole(role_arn, external_id, f"spot-optimizer-{client_id}")
        accesses.setdefault(region, []).append(Access(client_id, role))
    if not accesses:
        return []
    types: dict[str, dict[str, set[str]]] = {region: {} for region in accesses}
    for region, instance_type, product in tx.execute(_RUNNING):
        if region in types:
            types[region].setdefault(base_product(product), set()).add(instance_type)
    for region, allowed in tx.execute(_ALLOWED):
        for of_product in types.get(region, {}).values():
            of_product.update(allowed)
    return [
        Reach(region, tuple(found), {product: frozenset(names) for product, names in types[region].items()})
        for region, found in accesses.items()
    ]


_POOLS = (
    select(spot_pools.c.pool_id, spot_pools.c.az_id, spot_pools.c.instance_type, price_progress.c.pulled_until)
    .join_from(spot_pools, price_progress)
    .where(
        spot_pools.c.region == bindparam("region"),
        spot_pools.c.product == bindparam("product"),
        spot_pools.c.instance_type.in_(bindparam("instance_types", expanding=True)),
    )
    .order_by(spot_pools.c.pool_id)
)


def list_pulled(tx: Transaction, region: str, instance_types: Iterable[str], product: str) -> list[PulledPool]:
    """Return the known pools of these types."""
    asked = {"region": region, "product": product, "instance_types": sorted(instance_types)}
    return [PulledPool(*row) for row in tx.execute(_POOLS, asked)]


_HELD = (
    select(price_progress.c.pool_id, price_progress.c.pulled_until)
    .where(price_progress.c.pool_id.in_(bindparam("pool_ids", expanding=True)))
    .order_by(price_progress.c.pool_id)
    .with_for_update()
)


def hold_progress(tx: Transaction, pool_ids: Iterable[int]) -> dict[int, datetime | None]:
    """Return how far these pools are pulled, and hold that until the end of the transaction."""
    return {row.pool_id: row.pulled_until for row in tx.execute(_HELD, {"pool_ids": sorted(set(pool_ids))})}


_ADVANCE = (
    update(price_progress)
    .where(
        price_progress.c.pool_id.in_(bindparam("pool_ids", expanding=True)),
        or_(price_progress.c.pulled_until.is_(None), price_progress.c.pulled_until < bindparam("until", type_=PriceBucket)),
    )
    .values(pulled_until=bindparam("until", type_=PriceBucket))
)


def advance(tx: Transaction, pool_ids: Sequence[int], until: datetime) -> None:
    """Note that these pools are pulled up to a bucket (left out); one that is further stays so."""
    tx.execute(_ADVANCE, {"pool_ids": sorted(pool_ids), "until": until})
