"""Spot pools and the staging tier of prices."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, UniqueConstraint

from spot_server.db.tables.base import define_table
from spot_server.db.types import EnumText, JsonText, Usd, UtcDateTime
from spot_server.words import PriceSource

spot_pools = define_table(
    "spot_pools",
    Column("pool_id", Integer, primary_key=True, autoincrement=True),
    Column("region", String(32), nullable=False),
    Column("az_id", String(32), nullable=False),
    Column("instance_type", String(64), nullable=False),
    Column("product", String(64), nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    UniqueConstraint("region", "az_id", "instance_type", "product"),
    comment="Spot markets, by AZ id: AZ names differ between accounts.",
)

spot_price_snapshots = define_table(
    "spot_price_snapshots",
    Column("pool_id", Integer, ForeignKey("spot_pools.pool_id"), primary_key=True, autoincrement=False),
    Column("bucket_at", UtcDateTime, primary_key=True),
    Column("source", EnumText(PriceSource), primary_key=True),
    Column("usd_per_hour", Usd, primary_key=True, autoincrement=False),
    Column("observation_count", Integer, nullable=False),
    Column("effective_at", UtcDateTime, nullable=False),
    Column("last_observed_at", UtcDateTime, nullable=False),
    comment="Prices seen, per pool, 5-minute bucket, kind of source and price: rows grow with pools, conflicts survive.",
)

instance_types = define_table(
    "instance_types",
    Column("instance_type", String(64), primary_key=True),
    Column("vcpu", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("architectures", JsonText, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    comment="What EC2 says of the instance types that agents may use.",
)

pool_cooldowns = define_table(
    "pool_cooldowns",
    Column("region", String(32), primary_key=True),
    Column("az_id", String(32), primary_key=True),
    Column("instance_type", String(64), primary_key=True),
    Column("shortage_count", Integer, nullable=False),
    Column("refused_at", UtcDateTime, nullable=False),
    Column("until_at", UtcDateTime, nullable=False, index=True),
    Column("error_code", String(64), nullable=False),
    comment=(
        "Spot pools that had no capacity of late: left alone by all agents until until_at, and remembered an hour longer. "
        "shortage_count: how often in a row; error_code: EC2's, of the last refusal."
    ),
)
