"""Who may do what: clients, tokens, and what was done (audit, notifications, leases)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Text

from spot_server.db.tables.base import Ec2Id, Id, Name, define_table
from spot_server.db.types import EnumText, JsonText, UtcDateTime
from spot_server.words import Severity, TokenKind

clients = define_table(
    "clients",
    Column("client_id", Id, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("aws_role_arn", String(255)),
    Column("aws_external_id", String(128)),
    Column("fis_role_arn", String(255)),
    Column("notice_queue_url", String(255)),
    Column("time_zone", String(64), nullable=False, default="UTC"),
    Column("on_demand_discount_ppm", Integer, nullable=False, default=0),
    Column("created_at", UtcDateTime, nullable=False),
    comment=(
        "Tenants. aws_role_arn is the control role that the server may assume with aws_external_id; "
        "fis_role_arn is the role that AWS FIS takes on for game days; notice_queue_url the SQS queue of its notices from EventBridge. "
        "on_demand_discount_ppm: how much less than the list price it pays on demand, in millionths, as by a savings plan."
    ),
)

tokens = define_table(
    "tokens",
    Column("token_id", Id, primary_key=True),
    Column("kind", EnumText(TokenKind), nullable=False),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("label", Name, nullable=False, default=""),
    Column("client_id", Id, ForeignKey("clients.client_id")),
    Column("agent_id", Id),
    Column("instance_id", Ec2Id),
    Column("epoch", Integer),
    Column("logical_agent_id_pattern", Name),
    Column("uses_left", Integer),
    Column("first_used_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Name, nullable=False),
    Column("revoked_at", UtcDateTime, index=True),
    Index("ix_tokens_agent_id_instance_id", "agent_id", "instance_id"),
    comment="Bearer tokens as SHA-256. Agent tokens are bound to one instance and the epoch at which they were made.",
)

audit_logs = define_table(
    "audit_logs",
    Column("audit_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id),
    Column("instance_id", Ec2Id),
    Column("at", UtcDateTime, nullable=False),
    Column("user_id", Name, nullable=False),
    Column("action", Name, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("request_id", String(128)),
    Column("pre_state", JsonText),
    Column("post_state", JsonText),
    Index("ix_audit_logs_client_id_audit_id", "client_id", "audit_id"),
    Index("ix_audit_logs_agent_id_audit_id", "agent_id", "audit_id"),
    Index("ix_audit_logs_instance_id", "instance_id"),
    Index("ix_audit_logs_at", "at"),
    comment="Who changed what, when, why, before and after. Append only, until they are old enough.",
)

notifications = define_table(
    "notifications",
    Column("notification_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id),
    Column("dedupe_key", String(255), unique=True),
    Column("severity", EnumText(Severity), nullable=False),
    Column("kind", Name, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime),
    Index("ix_notifications_client_id_created_at", "client_id", "created_at"),
    Index("ix_notifications_created_at", "created_at"),
    comment="What a client must be told.",
)

event_cursors = define_table(
    "event_cursors",
    Column("client_id", Id, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    comment="One row per client; its lock makes the sequence of events follow the order of commits.",
)

events = define_table(
    "events",
    Column("client_id", Id, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Name, nullable=False),
    Column("agent_id", Id),
    Column("instance_id", Ec2Id),
    Column("data", JsonText, nullable=False),
    Index("ix_events_agent_id_sequence", "agent_id", "sequence"),
    comment="What happened, per client, in commit order: a reader that has seen N has seen all before N.",
)

leases = define_table(
    "leases",
    Column("name", Name, primary_key=True),
    Column("holder", Name, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    comment="Leadership of the jobs process, on the database's own clock.",
)
