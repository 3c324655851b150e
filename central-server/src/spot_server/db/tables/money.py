"""The savings account: one row per agent and day, with the lines that it adds up."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, ForeignKey, Index, Integer, String

from spot_server.db.tables.base import Id, define_table
from spot_server.db.types import JsonText, Usd, UtcDateTime

savings_snapshots = define_table(
    "savings_snapshots",
    Column("agent_id", Id, ForeignKey("agents.agent_id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("since_at", UtcDateTime, nullable=False),
    Column("until_at", UtcDateTime, nullable=False),
    Column("comparison_instance_type", String(64), nullable=False),
    Column("on_demand_discount_ppm", Integer, nullable=False),
    Column("primary_spot_usd", Usd, nullable=False),
    Column("primary_on_demand_usd", Usd, nullable=False),
    Column("replica_usd", Usd, nullable=False),
    Column("overlap_usd", Usd, nullable=False),
    Column("image_usd", Usd, nullable=False),
    Column("address_usd", Usd, nullable=False),
    Column("comparison_usd", Usd),
    Column("unpriced_seconds", Integer, nullable=False),
    Column("unsized_image_count", Integer, nullable=False),
    Column("switch_count", Integer, nullable=False),
    Column("interruption_count", Integer, nullable=False),
    Column("downtime_ms", BigInteger, nullable=False),
    Column("lines", JsonText, nullable=False),
    Column("computed_at", UtcDateTime, nullable=False),
    Column("is_final", Boolean, nullable=False),
    Index("ix_savings_snapshots_client_id_day", "client_id", "day"),
    Index("ix_savings_snapshots_is_final_computed_at", "is_final", "computed_at"),
    comment=(
        "What each agent cost on each day of its client's time zone, and what one instance on demand would have cost in the same hours "
        "(comparison_usd; NULL: its price is not known). since_at to until_at is the time that the day covers. unpriced_seconds: of "
        "instances whose price nobody saw, in no amount. lines: each hour's amounts with their prices. is_final: no late price changes it."
    ),
)
