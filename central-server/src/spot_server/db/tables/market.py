"""Spot pools, their prices in two tiers, and what on demand costs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Integer, String, UniqueConstraint

from spot_server.db.tables.base import Id, define_table
from spot_server.db.types import EnumCode, EnumText, JsonText, PriceBucket, SpotUsd, TinyCount, Usd, UtcDateTime
from spot_server.words import ConsolidationStatus, OnDemandSource, PriceSource

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

price_progress = define_table(
    "price_progress",
    Column("pool_id", Integer, ForeignKey("spot_pools.pool_id"), primary_key=True, autoincrement=False),
    Column("pulled_until", PriceBucket),
    Column("consolidated_until", PriceBucket),
    comment=(
        "How far a pool's prices are pulled from EC2 by the server (NULL: not at all) and consolidated; both ends are left out. "
        "Not in spot_pools, whose rows everybody who stores a price locks for the foreign key."
    ),
)

spot_price_snapshots = define_table(
    "spot_price_snapshots",
    Column("pool_id", Integer, ForeignKey("spot_pools.pool_id"), primary_key=True, autoincrement=False),
    Column("bucket_at", PriceBucket, primary_key=True, autoincrement=False),
    Column("source", EnumCode(PriceSource), primary_key=True, autoincrement=False),
    Column("usd_per_hour", SpotUsd, primary_key=True, autoincrement=False),
    Column("observation_count", Integer, nullable=False),
    Column("effective_at", UtcDateTime, nullable=False),
    Column("last_observed_at", UtcDateTime, nullable=False),
    comment="Prices seen, per pool, 5-minute bucket, kind of source and price: rows grow with pools, conflicts survive.",
)

pricing_canonical = define_table(
    "pricing_canonical",
    Column("pool_id", Integer, ForeignKey("spot_pools.pool_id"), primary_key=True, autoincrement=False),
    Column("bucket_at", PriceBucket, primary_key=True, autoincrement=False),
    Column("usd_per_hour", SpotUsd, nullable=False),
    Column("source", EnumCode(PriceSource), nullable=False),
    Column("is_interpolated", Boolean, nullable=False),
    Column("distinct_price_count", TinyCount, nullable=False),
    comment=(
        "One price per pool and 5-minute bucket, as consolidated; what charts and training read. is_interpolated: nobody saw it, it lies "
        "between two that were seen, and has the source of the earlier; distinct_price_count: how many the median was taken of, 0 if so."
    ),
)

consolidation_jobs = define_table(
    "consolidation_jobs",
    Column("job_id", Id, primary_key=True),
    Column("active_key", String(32), unique=True),
    Column("status", EnumText(ConsolidationStatus), nullable=False),
    Column("window_until", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=False, index=True),
    Column("finished_at", UtcDateTime),
    Column("pools", Integer, nullable=False),
    Column("rows_in", BigInteger, nullable=False),
    Column("rows_merged", BigInteger, nullable=False),
    Column("rows_refused", BigInteger, nullable=False),
    Column("rows_interpolated", BigInteger, nullable=False),
    Column("rows_out", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    comment=(
        "Consolidations of prices up to window_until, one at a time (active_key). Counts grow with each batch of pools, in its own "
        "transaction, so that they are right after a restart; seconds: of work, not of waiting to be started again."
    ),
)

on_demand_prices = define_table(
    "on_demand_prices",
    Column("region", String(32), primary_key=True),
    Column("instance_type", String(64), primary_key=True),
    Column("product", String(64), primary_key=True),
    Column("usd_per_hour", Usd, nullable=False),
    Column("source", EnumText(OnDemandSource), nullable=False),
    Column("effective_at", UtcDateTime),
    Column("observed_at", UtcDateTime, nullable=False),
    comment="On-demand prices as the Price List API or a catalogue file told them last. effective_at: since when, where that is said.",
)

availability_zones = define_table(
    "availability_zones",
    Column("region", String(32), primary_key=True),
    Column("az_id", String(32), primary_key=True),
    Column("observed_at", UtcDateTime, nullable=False),
    comment="The zones of a region as EC2 named them to a control role; none: no role ever looked there.",
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
