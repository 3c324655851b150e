"""What is played on purpose: game days and what they measured."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Text, UniqueConstraint

from spot_server.db.tables.base import Ec2Id, Id, Name, RequestId, define_table, version_column
from spot_server.db.types import EnumText, JsonText, UtcDateTime
from spot_server.words import DowntimeBasis, GameDayKind, GameDayStatus, PlayedBy

game_days = define_table(
    "game_days",
    Column("game_day_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id, ForeignKey("agents.agent_id"), nullable=False),
    Column("active_key", Id, unique=True),
    Column("request_id", RequestId, nullable=False),
    Column("kind", EnumText(GameDayKind), nullable=False),
    Column("options", JsonText, nullable=False),
    Column("played_by", EnumText(PlayedBy), nullable=False),
    Column("status", EnumText(GameDayStatus), nullable=False),
    Column("outcome", EnumText(GameDayStatus)),
    Column("failure", Text),
    Column("initiated_by", Name, nullable=False),
    Column("stopped_by", Name),
    Column("instance_id", Ec2Id, nullable=False),
    Column("region", String(32), nullable=False),
    Column("plan", JsonText, nullable=False),
    Column("reference", JsonText, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("retry_at", UtcDateTime),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("begun_at", UtcDateTime),
    Column("played_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("interruption_event_id", Id),
    Column("switch_id", Id),
    Column("replica_id", Id),
    Column("detection_ms", BigInteger),
    Column("ready_ms", BigInteger),
    Column("promotion_ms", BigInteger),
    Column("serving_ms", BigInteger),
    Column("downtime_ms", BigInteger),
    Column("downtime_basis", EnumText(DowntimeBasis)),
    Column("loss_window_seconds", BigInteger),
    Column("probe", JsonText),
    version_column(),
    UniqueConstraint("agent_id", "request_id"),
    Index("ix_game_days_agent_id_requested_at", "agent_id", "requested_at"),
    Index("ix_game_days_requested_at", "requested_at"),
    comment=(
        "Interruptions played on purpose. active_key = agent_id while one is not over, else NULL: one at a time. "
        "begun_at is written before the player is called; reference is what the player said; plan is what was shown."
    ),
)
