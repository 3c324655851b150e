"""How likely spot pools are to lose an instance: what AWS publishes, and what is computed."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String

from spot_server.db.tables.base import define_table
from spot_server.db.types import JsonText, UtcDateTime

spot_advisor_bands = define_table(
    "spot_advisor_bands",
    Column("region", String(32), primary_key=True),
    Column("instance_type", String(64), primary_key=True),
    Column("band", Integer, nullable=False),
    Column("savings_percent", Integer, nullable=False),
    Column("snapshot_at", UtcDateTime, nullable=False),
    Column("imported_at", UtcDateTime, nullable=False),
    comment="Spot Advisor's band of interruption for Linux: 0 (under 5 % of instances a month) to 4 (over 20 %); the newest one.",
)

pool_risk_analysis = define_table(
    "pool_risk_analysis",
    Column("pool_id", Integer, ForeignKey("spot_pools.pool_id"), primary_key=True, autoincrement=False),
    Column("computed_at", UtcDateTime, primary_key=True),
    Column("score", Integer, nullable=False),
    Column("chance_hour", Float, nullable=False),
    Column("chance_hour_low", Float, nullable=False),
    Column("chance_hour_high", Float, nullable=False),
    Column("chance_day", Float, nullable=False),
    Column("chance_day_low", Float, nullable=False),
    Column("chance_day_high", Float, nullable=False),
    Column("by_age", JsonText, nullable=False),
    Column("boot_seconds", Float),
    Column("boot_count", Integer, nullable=False),
    Column("shortage_count", Integer, nullable=False),
    Column("cooldown_until", UtcDateTime),
    Column("advisor_band", Integer),
    Column("advisor_snapshot_at", UtcDateTime),
    Column("inputs", JsonText, nullable=False),
    Column("model_version", String(64), nullable=False),
    Index("ix_pool_risk_analysis_computed_at", "computed_at"),
    comment=(
        "The chance that an instance which is launched in the pool at computed_at is lost within the next hour and day, each with its "
        "80 % interval; score: 0 to 100, 20 points are ten times the hazard. by_age: the chances at other ages of an instance. "
        "boot_seconds: from launch to ready, median of boot_count launches there, or of its type; NULL: too few. "
        "cooldown_until, shortage_count: of its last shortage that is remembered. inputs: of all clients, for admins alone."
    ),
)
