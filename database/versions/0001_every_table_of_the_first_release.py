"""every table of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None


VIEWS = {
    "sqlite": {
        "v_agent_health_summary": """CREATE VIEW v_agent_health_summary AS
SELECT a.client_id, a.agent_id, a.logical_agent_id, a.enabled, a.is_offline,
  p.instance_id AS primary_instance_id, p.mode AS primary_mode, p.serving AS is_serving, p.last_heartbeat_at,
  CASE WHEN a.created_at > strftime('%Y-%m-%d %H:%M:%f000', 'now', '-30 days') THEN (julianday('now') - julianday(a.created_at)) * 86400.0 ELSE 2592000.0 END AS lived_seconds,
  COALESCE((SELECT SUM(s.downtime_ms) FROM switches s WHERE s.agent_id = a.agent_id AND s.completed_at >= strftime('%Y-%m-%d %H:%M:%f000', 'now', '-30 days')), 0) AS downtime_ms,
  100.0 * (1.0 - COALESCE((SELECT SUM(s.downtime_ms) FROM switches s WHERE s.agent_id = a.agent_id AND s.completed_at >= strftime('%Y-%m-%d %H:%M:%f000', 'now', '-30 days')), 0) / 1000.0 / (CASE WHEN a.created_at > strftime('%Y-%m-%d %H:%M:%f000', 'now', '-30 days') THEN (julianday('now') - julianday(a.created_at)) * 86400.0 ELSE 2592000.0 END + 0.001)) AS uptime_percent,
  (SELECT COUNT(*) FROM switches s WHERE s.agent_id = a.agent_id AND s.status = 'completed' AND s.completed_at >= strftime('%Y-%m-%d %H:%M:%f000', 'now', '-30 days'))
    AS switch_count,
  (SELECT COUNT(*) FROM spot_interruption_events e WHERE e.agent_id = a.agent_id AND e.game_day_id IS NULL
    AND e.kind IN ('terminate', 'stop', 'hibernate', 'loss', 'silence') AND e.received_at >= strftime('%Y-%m-%d %H:%M:%f000', 'now', '-30 days')) AS interruption_count,
  (SELECT COUNT(*) FROM replica_instances r WHERE r.agent_id = a.agent_id AND r.status = 'ready') AS ready_replica_count
FROM agents a LEFT JOIN instances p ON p.primary_of = a.agent_id
WHERE a.deleted_at IS NULL""",
        "v_switch_performance_24h": """CREATE VIEW v_switch_performance_24h AS
SELECT s.client_id, s.agent_id, s.switch_id, s.`trigger`, s.status, s.initiated_at, s.completed_at, s.downtime_ms,
  t.position, t.name AS step, t.part, t.status AS step_status, (julianday(t.finished_at) - julianday(t.intent_at)) * 86400.0 AS step_seconds
FROM switches s JOIN switch_steps t ON t.switch_id = s.switch_id
WHERE s.completed_at >= strftime('%Y-%m-%d %H:%M:%f000', 'now', '-24 hours')""",
        "v_emergency_events_daily": """CREATE VIEW v_emergency_events_daily AS
SELECT e.client_id, DATE(e.received_at) AS day, e.kind, COUNT(*) AS event_count, COUNT(DISTINCT e.agent_id) AS agent_count,
  SUM(CASE WHEN e.switch_id IS NOT NULL THEN 1 ELSE 0 END) AS switch_count,
  SUM(CASE WHEN e.replica_id IS NOT NULL THEN 1 ELSE 0 END) AS replica_count,
  SUM(CASE WHEN e.game_day_id IS NOT NULL THEN 1 ELSE 0 END) AS played_count
FROM spot_interruption_events e
GROUP BY e.client_id, DATE(e.received_at), e.kind""",
    },
    "mysql": {
        "v_agent_health_summary": """CREATE VIEW v_agent_health_summary AS
SELECT a.client_id, a.agent_id, a.logical_agent_id, a.enabled, a.is_offline,
  p.instance_id AS primary_instance_id, p.mode AS primary_mode, p.serving AS is_serving, p.last_heartbeat_at,
  CASE WHEN a.created_at > UTC_TIMESTAMP(6) - INTERVAL 30 DAY THEN TIMESTAMPDIFF(MICROSECOND, a.created_at, UTC_TIMESTAMP(6)) / 1000000.0 ELSE 2592000.0 END AS lived_seconds,
  COALESCE((SELECT SUM(s.downtime_ms) FROM switches s WHERE s.agent_id = a.agent_id AND s.completed_at >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY), 0) AS downtime_ms,
  100.0 * (1.0 - COALESCE((SELECT SUM(s.downtime_ms) FROM switches s WHERE s.agent_id = a.agent_id AND s.completed_at >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY), 0) / 1000.0 / (CASE WHEN a.created_at > UTC_TIMESTAMP(6) - INTERVAL 30 DAY THEN TIMESTAMPDIFF(MICROSECOND, a.created_at, UTC_TIMESTAMP(6)) / 1000000.0 ELSE 2592000.0 END + 0.001)) AS uptime_percent,
  (SELECT COUNT(*) FROM switches s WHERE s.agent_id = a.agent_id AND s.status = 'completed' AND s.completed_at >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY)
    AS switch_count,
  (SELECT COUNT(*) FROM spot_interruption_events e WHERE e.agent_id = a.agent_id AND e.game_day_id IS NULL
    AND e.kind IN ('terminate', 'stop', 'hibernate', 'loss', 'silence') AND e.received_at >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY) AS interruption_count,
  (SELECT COUNT(*) FROM replica_instances r WHERE r.agent_id = a.agent_id AND r.status = 'ready') AS ready_replica_count
FROM agents a LEFT JOIN instances p ON p.primary_of = a.agent_id
WHERE a.deleted_at IS NULL""",
        "v_switch_performance_24h": """CREATE VIEW v_switch_performance_24h AS
SELECT s.client_id, s.agent_id, s.switch_id, s.`trigger`, s.status, s.initiated_at, s.completed_at, s.downtime_ms,
  t.position, t.name AS step, t.part, t.status AS step_status, TIMESTAMPDIFF(MICROSECOND, t.intent_at, t.finished_at) / 1000000.0 AS step_seconds
FROM switches s JOIN switch_steps t ON t.switch_id = s.switch_id
WHERE s.completed_at >= UTC_TIMESTAMP(6) - INTERVAL 24 HOUR""",
        "v_emergency_events_daily": """CREATE VIEW v_emergency_events_daily AS
SELECT e.client_id, DATE(e.received_at) AS day, e.kind, COUNT(*) AS event_count, COUNT(DISTINCT e.agent_id) AS agent_count,
  SUM(CASE WHEN e.switch_id IS NOT NULL THEN 1 ELSE 0 END) AS switch_count,
  SUM(CASE WHEN e.replica_id IS NOT NULL THEN 1 ELSE 0 END) AS replica_count,
  SUM(CASE WHEN e.game_day_id IS NOT NULL THEN 1 ELSE 0 END) AS played_count
FROM spot_interruption_events e
GROUP BY e.client_id, DATE(e.received_at), e.kind""",
    },
}


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "audit_logs",
        sa.Column("audit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("instance_id", sa.String(length=64), nullable=True),
        sa.Column("at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("pre_state", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("post_state", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_logs")),
        comment="Who changed what, when, why, before and after. Append only, until they are old enough.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("audit_logs", schema=None) as batch_op:
        batch_op.create_index("ix_audit_logs_agent_id_audit_id", ["agent_id", "audit_id"], unique=False)
        batch_op.create_index("ix_audit_logs_at", ["at"], unique=False)
        batch_op.create_index("ix_audit_logs_client_id_audit_id", ["client_id", "audit_id"], unique=False)
        batch_op.create_index("ix_audit_logs_instance_id", ["instance_id"], unique=False)

    op.create_table(
        "availability_zones",
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("az_id", sa.String(length=32), nullable=False),
        sa.Column("observed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("region", "az_id", name=op.f("pk_availability_zones")),
        comment="The zones of a region as EC2 named them to a control role; none: no role ever looked there.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("aws_role_arn", sa.String(length=255), nullable=True),
        sa.Column("aws_external_id", sa.String(length=128), nullable=True),
        sa.Column("fis_role_arn", sa.String(length=255), nullable=True),
        sa.Column("notice_queue_url", sa.String(length=255), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("on_demand_discount_ppm", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
        sa.UniqueConstraint("name", name=op.f("uq_clients_name")),
        comment="Tenants. aws_role_arn is the control role that the server may assume with aws_external_id; fis_role_arn is the role that AWS FIS takes on for game days; notice_queue_url the SQS queue of its notices from EventBridge. on_demand_discount_ppm: how much less than the list price it pays on demand, in millionths, as by a savings plan.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "consolidation_jobs",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("active_key", sa.String(length=32), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("window_until", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("started_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("finished_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("pools", sa.Integer(), nullable=False),
        sa.Column("rows_in", sa.BigInteger(), nullable=False),
        sa.Column("rows_merged", sa.BigInteger(), nullable=False),
        sa.Column("rows_refused", sa.BigInteger(), nullable=False),
        sa.Column("rows_interpolated", sa.BigInteger(), nullable=False),
        sa.Column("rows_out", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_consolidation_jobs")),
        sa.UniqueConstraint("active_key", name=op.f("uq_consolidation_jobs_active_key")),
        comment="Consolidations of prices up to window_until, one at a time (active_key). Counts grow with each batch of pools, in its own transaction, so that they are right after a restart; seconds: of work, not of waiting to be started again.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("consolidation_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consolidation_jobs_started_at"), ["started_at"], unique=False)

    op.create_table(
        "decision_documents",
        sa.Column("document_sha256", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("last_used_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("document_sha256", name=op.f("pk_decision_documents")),
        comment="What decisions were made from and share: markets (price window, risk) and lists of candidates, by SHA-256.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("decision_documents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decision_documents_last_used_at"), ["last_used_at"], unique=False)

    op.create_table(
        "event_cursors",
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_event_cursors")),
        comment="One row per client; its lock makes the sequence of events follow the order of commits.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "events",
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("instance_id", sa.String(length=64), nullable=True),
        sa.Column("data", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "sequence", name=op.f("pk_events")),
        comment="What happened, per client, in commit order: a reader that has seen N has seen all before N.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("ix_events_agent_id_sequence", ["agent_id", "sequence"], unique=False)

    op.create_table(
        "instance_types",
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("vcpu", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("architectures", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("updated_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("instance_type", name=op.f("pk_instance_types")),
        comment="What EC2 says of the instance types that agents may use.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        comment="Leadership of the jobs process, on the database's own clock.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "models",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_models")),
        sa.UniqueConstraint("plugin", "model_version", name=op.f("uq_models_plugin_model_version")),
        comment="Versions of decision models: a plug-in and its parameters. A row never changes, so that decisions replay.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "notifications",
        sa.Column("notification_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("dedupe_key", sa.String(length=255), nullable=True),
        sa.Column("severity", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("read_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notifications_dedupe_key")),
        comment="What a client must be told.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index("ix_notifications_client_id_created_at", ["client_id", "created_at"], unique=False)
        batch_op.create_index("ix_notifications_created_at", ["created_at"], unique=False)

    op.create_table(
        "on_demand_prices",
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("usd_per_hour", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("effective_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("observed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("region", "instance_type", "product", name=op.f("pk_on_demand_prices")),
        comment="On-demand prices as the Price List API or a catalogue file told them last. effective_at: since when, where that is said.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "pool_cooldowns",
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("az_id", sa.String(length=32), nullable=False),
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("shortage_count", sa.Integer(), nullable=False),
        sa.Column("refused_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("until_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("region", "az_id", "instance_type", name=op.f("pk_pool_cooldowns")),
        comment="Spot pools that had no capacity of late: left alone by all agents until until_at, and remembered an hour longer. shortage_count: how often in a row; error_code: EC2's, of the last refusal.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("pool_cooldowns", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pool_cooldowns_until_at"), ["until_at"], unique=False)

    op.create_table(
        "restore_holds",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("saved_epoch", sa.Integer(), nullable=False),
        sa.Column("seen_epoch", sa.Integer(), nullable=False),
        sa.Column("noted_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("confirmed_epoch", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("confirmed_by", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_restore_holds")),
        comment="An epoch in tags above the saved one: the database was restored. While seen_epoch > confirmed_epoch the sweeper only reports. agent_id is the tag's, and may name an agent that the database does not know; saved_epoch is 0 then.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("restore_holds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_restore_holds_client_id"), ["client_id"], unique=False)

    op.create_table(
        "spot_advisor_bands",
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("band", sa.Integer(), nullable=False),
        sa.Column("savings_percent", sa.Integer(), nullable=False),
        sa.Column("snapshot_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("imported_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("region", "instance_type", name=op.f("pk_spot_advisor_bands")),
        comment="Spot Advisor's band of interruption for Linux: 0 (under 5 % of instances a month) to 4 (over 20 %); the newest one.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "spot_pools",
        sa.Column("pool_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("az_id", sa.String(length=32), nullable=False),
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("first_seen_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("pool_id", name=op.f("pk_spot_pools")),
        sa.UniqueConstraint("region", "az_id", "instance_type", "product", name=op.f("uq_spot_pools_region_az_id_instance_type_product")),
        comment="Spot markets, by AZ id: AZ names differ between accounts.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "agents",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("logical_agent_id", sa.String(length=128), nullable=False),
        sa.Column("live_key", sa.String(length=200), nullable=True),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("auto_switch_enabled", sa.Boolean(), nullable=False),
        sa.Column("manual_replica_enabled", sa.Boolean(), nullable=False),
        sa.Column("replica_count", sa.Integer(), nullable=False),
        sa.Column("auto_terminate_enabled", sa.Boolean(), nullable=False),
        sa.Column("terminate_wait_seconds", sa.Integer(), nullable=False),
        sa.Column("rebalance_hold_seconds", sa.Integer(), nullable=False),
        sa.Column("create_snapshot_on_switch", sa.Boolean(), nullable=False),
        sa.Column("cleanup_snapshots_older_than_days", sa.Integer(), nullable=False),
        sa.Column("cleanup_images_older_than_days", sa.Integer(), nullable=False),
        sa.Column("image_refresh_hours", sa.Integer(), nullable=False),
        sa.Column("carry", sa.String(length=32), nullable=False),
        sa.Column("allowed_instance_types", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("traffic_handles", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("data_volumes", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("launch_specification", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("base_image_id", sa.String(length=64), nullable=True),
        sa.Column("failover_when_silent", sa.Boolean(), nullable=False),
        sa.Column("early_replica_on_warning", sa.Boolean(), nullable=False),
        sa.Column("value_per_minute_usd", sa.BigInteger(), nullable=False),
        sa.Column("moves_per_day", sa.Integer(), nullable=False),
        sa.Column("min_saving_percent", sa.Integer(), nullable=False),
        sa.Column("maintenance_window", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("safe_to_run_twice", sa.Boolean(), nullable=False),
        sa.Column("is_offline", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("config_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("deleted_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name=op.f("fk_agents_client_id_clients")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agents")),
        sa.UniqueConstraint("live_key", name=op.f("uq_agents_live_key")),
        comment="One managed workload. live_key is client/logical id while the agent lives, NULL after deletion. value_per_minute_usd: what a minute without it costs its owner; maintenance_window: when decisions may move it, NULL: always.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agents_client_id"), ["client_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_agents_logical_agent_id"), ["logical_agent_id"], unique=False)

    op.create_table(
        "model_activations",
        sa.Column("activation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("acting_model_id", sa.String(length=36), nullable=False),
        sa.Column("challenger_model_id", sa.String(length=36), nullable=True),
        sa.Column("challenger_percent", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("activated_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("activated_by", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["acting_model_id"], ["models.model_id"], name=op.f("fk_model_activations_acting_model_id_models")),
        sa.ForeignKeyConstraint(["challenger_model_id"], ["models.model_id"], name=op.f("fk_model_activations_challenger_model_id_models")),
        sa.PrimaryKeyConstraint("activation_id", name=op.f("pk_model_activations")),
        comment="Which models decide since when; the last row holds. Both are asked for every agent: the challenger acts for challenger_percent of them, chosen by a hash of their ids, and is a shadow for the others.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "model_days",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("is_shadow", sa.Boolean(), nullable=False),
        sa.Column("decision_count", sa.BigInteger(), nullable=False),
        sa.Column("switch_count", sa.BigInteger(), nullable=False),
        sa.Column("replica_count", sa.BigInteger(), nullable=False),
        sa.Column("failed_count", sa.BigInteger(), nullable=False),
        sa.Column("slow_count", sa.BigInteger(), nullable=False),
        sa.Column("off_schema_count", sa.BigInteger(), nullable=False),
        sa.Column("agreed_count", sa.BigInteger(), nullable=False),
        sa.Column("compared_count", sa.BigInteger(), nullable=False),
        sa.Column("latency_us", sa.BigInteger(), nullable=False),
        sa.Column("priced_count", sa.BigInteger(), nullable=False),
        sa.Column("price_ppm_of_on_demand", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.model_id"], name=op.f("fk_model_days_model_id_models")),
        sa.PrimaryKeyConstraint("model_id", "day", "is_shadow", name=op.f("pk_model_days")),
        comment="Metrics of models, by UTC day, as sums. compared_count: decisions that another model made too; agreed_count: with the same action and target. price_ppm_of_on_demand: of where the agents ran, in millionths of the price on demand, over priced_count decisions.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "pool_risk_analysis",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("computed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("chance_hour", sa.Float(), nullable=False),
        sa.Column("chance_hour_low", sa.Float(), nullable=False),
        sa.Column("chance_hour_high", sa.Float(), nullable=False),
        sa.Column("chance_day", sa.Float(), nullable=False),
        sa.Column("chance_day_low", sa.Float(), nullable=False),
        sa.Column("chance_day_high", sa.Float(), nullable=False),
        sa.Column("by_age", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("boot_seconds", sa.Float(), nullable=True),
        sa.Column("boot_count", sa.Integer(), nullable=False),
        sa.Column("shortage_count", sa.Integer(), nullable=False),
        sa.Column("cooldown_until", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("advisor_band", sa.Integer(), nullable=True),
        sa.Column("advisor_snapshot_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("inputs", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["spot_pools.pool_id"], name=op.f("fk_pool_risk_analysis_pool_id_spot_pools")),
        sa.PrimaryKeyConstraint("pool_id", "computed_at", name=op.f("pk_pool_risk_analysis")),
        comment="The chance that an instance which is launched in the pool at computed_at is lost within the next hour and day, each with its 80 % interval; score: 0 to 100, 20 points are ten times the hazard. by_age: the chances at other ages of an instance. boot_seconds: from launch to ready, median of boot_count launches there, or of its type; NULL: too few. cooldown_until, shortage_count: of its last shortage that is remembered. inputs: of all clients, for admins alone.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("pool_risk_analysis", schema=None) as batch_op:
        batch_op.create_index("ix_pool_risk_analysis_computed_at", ["computed_at"], unique=False)

    op.create_table(
        "price_progress",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pulled_until", sa.Integer(), nullable=True),
        sa.Column("consolidated_until", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["pool_id"], ["spot_pools.pool_id"], name=op.f("fk_price_progress_pool_id_spot_pools")),
        sa.PrimaryKeyConstraint("pool_id", name=op.f("pk_price_progress")),
        comment="How far a pool's prices are pulled from EC2 by the server (NULL: not at all) and consolidated; both ends are left out. Not in spot_pools, whose rows everybody who stores a price locks for the foreign key.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "pricing_canonical",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bucket_at", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("usd_per_hour", sa.Integer(), nullable=False),
        sa.Column("source", sa.SmallInteger().with_variant(mysql.TINYINT(), "mysql", "mariadb"), nullable=False),
        sa.Column("is_interpolated", sa.Boolean(), nullable=False),
        sa.Column("distinct_price_count", sa.SmallInteger().with_variant(mysql.TINYINT(), "mysql", "mariadb"), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["spot_pools.pool_id"], name=op.f("fk_pricing_canonical_pool_id_spot_pools")),
        sa.PrimaryKeyConstraint("pool_id", "bucket_at", name=op.f("pk_pricing_canonical")),
        comment="One price per pool and 5-minute bucket, as consolidated; what charts and training read. is_interpolated: nobody saw it, it lies between two that were seen, and has the source of the earlier; distinct_price_count: how many the median was taken of, 0 if so.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "spot_price_snapshots",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bucket_at", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.SmallInteger().with_variant(mysql.TINYINT(), "mysql", "mariadb"), autoincrement=False, nullable=False),
        sa.Column("usd_per_hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("observation_count", sa.Integer(), nullable=False),
        sa.Column("effective_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("last_observed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["spot_pools.pool_id"], name=op.f("fk_spot_price_snapshots_pool_id_spot_pools")),
        sa.PrimaryKeyConstraint("pool_id", "bucket_at", "source", "usd_per_hour", name=op.f("pk_spot_price_snapshots")),
        comment="Prices seen, per pool, 5-minute bucket, kind of source and price: rows grow with pools, conflicts survive.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=True),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("instance_id", sa.String(length=64), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("logical_agent_id_pattern", sa.String(length=128), nullable=True),
        sa.Column("uses_left", sa.Integer(), nullable=True),
        sa.Column("first_used_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("expires_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("created_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("revoked_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name=op.f("fk_tokens_client_id_clients")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_tokens_token_sha256")),
        comment="Bearer tokens as SHA-256. Agent tokens are bound to one instance and the epoch at which they were made.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.create_index("ix_tokens_agent_id_instance_id", ["agent_id", "instance_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_tokens_revoked_at"), ["revoked_at"], unique=False)

    op.create_table(
        "agent_activity",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("hours", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("days_seen", sa.Integer(), nullable=True),
        sa.Column("usual_hours", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("hour_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("cpu_busy_ratio_sum", sa.Double(), nullable=False),
        sa.Column("cpu_busy_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_agent_activity_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agent_activity")),
        comment="How busy agents are by the hour of the week. hours: 168 pairs [busy 0..1, hours counted], from Monday 00:00 of time_zone. usual_hours: how busy each is to be expected, from days_seen days; both NULL while that are too few. hour_at: the hours before it are counted; the counters are those of instance_id then.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "agent_images",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("image_name", sa.String(length=128), nullable=False),
        sa.Column("snapshot_ids", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("device_names", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("source_instance_id", sa.String(length=64), nullable=True),
        sa.Column("switch_id", sa.String(length=36), nullable=True),
        sa.Column("consistency", sa.String(length=32), nullable=False),
        sa.Column("has_booted", sa.Boolean(), nullable=False),
        sa.Column("has_failed", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("available_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("deregistered_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_agent_images_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", "image_id", name=op.f("pk_agent_images")),
        comment="Images of agents. started_at is the moment whose state the image holds. has_booted: an instance made from it passed its standby check; has_failed: one never did.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("agent_images", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agent_images_deregistered_at"), ["deregistered_at"], unique=False)

    op.create_table(
        "agent_requests",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_agent_requests_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", "request_id", name=op.f("pk_agent_requests")),
        comment="What was asked for under a request_id where no other row says so: the same id with another body is refused.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("agent_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agent_requests_received_at"), ["received_at"], unique=False)

    op.create_table(
        "autonomy_plans",
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("current_of", sa.String(length=36), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("predecessor_instance_id", sa.String(length=64), nullable=False),
        sa.Column("successor_instance_id", sa.String(length=64), nullable=False),
        sa.Column("successor_replica_id", sa.String(length=36), nullable=False),
        sa.Column("allocation_id", sa.String(length=64), nullable=False),
        sa.Column("issued_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("withdrawn_config_version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_autonomy_plans_agent_id_agents")),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_autonomy_plans")),
        sa.UniqueConstraint("current_of", name=op.f("uq_autonomy_plans_current_of")),
        comment="What daemons may do without the server: one named successor may claim one address under one epoch. current_of = agent_id while daemons are told of it, else NULL. A row goes when its successor can act on it no more; until then nobody else is promoted without the same claim.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("autonomy_plans", schema=None) as batch_op:
        batch_op.create_index("ix_autonomy_plans_agent_id", ["agent_id"], unique=False)

    op.create_table(
        "cleanup_logs",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("deleted", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("kept", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("failed", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_cleanup_logs_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", "request_id", name=op.f("pk_cleanup_logs")),
        comment="What daemons cleaned up by age (images and snapshots), and what the sweeper did, with the reason for each.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("cleanup_logs", schema=None) as batch_op:
        batch_op.create_index("ix_cleanup_logs_client_id_received_at", ["client_id", "received_at"], unique=False)
        batch_op.create_index("ix_cleanup_logs_received_at", ["received_at"], unique=False)

    op.create_table(
        "commands",
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=32), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("open_instance_id", sa.String(length=64), nullable=True),
        sa.Column("switch_id", sa.String(length=36), nullable=True),
        sa.Column("step", sa.String(length=32), nullable=True),
        sa.Column("replica_id", sa.String(length=36), nullable=True),
        sa.Column("issued_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("deadline_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("first_delivered_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("last_delivered_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("delivery_count", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("outcome", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("closed_because", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_commands_agent_id_agents")),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_commands")),
        sa.UniqueConstraint("agent_id", "request_id", name=op.f("uq_commands_agent_id_request_id")),
        comment="Instructions to daemons. open_instance_id = instance_id while unanswered, else NULL: the poller reads those.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("commands", schema=None) as batch_op:
        batch_op.create_index("ix_commands_agent_id_issued_at", ["agent_id", "issued_at"], unique=False)
        batch_op.create_index(
            "ix_commands_client_id_actor_status_finished_at", ["client_id", "actor", "status", "finished_at"], unique=False
        )
        batch_op.create_index("ix_commands_finished_at", ["finished_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_commands_open_instance_id"), ["open_instance_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_commands_switch_id"), ["switch_id"], unique=False)

    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("latest_key", sa.String(length=80), nullable=True),
        sa.Column("is_shadow", sa.Boolean(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("target_mode", sa.String(length=32), nullable=True),
        sa.Column("target_instance_type", sa.String(length=64), nullable=True),
        sa.Column("target_az_id", sa.String(length=32), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("reasoning", sa.Text(), nullable=False),
        sa.Column("rejected", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("answer", sa.String(length=32), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("first_tick_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("last_tick_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("tick_count", sa.Integer(), nullable=False),
        sa.Column("input_sha256", sa.String(length=64), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("held_back_because", sa.Text(), nullable=True),
        sa.Column("acted_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("switch_id", sa.String(length=36), nullable=True),
        sa.Column("replica_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_decisions_agent_id_agents")),
        sa.ForeignKeyConstraint(["model_id"], ["models.model_id"], name=op.f("fk_decisions_model_id_models")),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("latest_key", name=op.f("uq_decisions_latest_key")),
        comment="What models decided. One that says the same as the one before it raises tick_count and last_tick_at; confidence, reasoning and input are those of the last tick. latest_key = agent/model on the newest row of both, else NULL. input: canonical JSON, whose SHA-256 is input_sha256. held_back_because: why it was not acted on.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("ix_decisions_agent_id_first_tick_at", ["agent_id", "first_tick_at"], unique=False)
        batch_op.create_index("ix_decisions_last_tick_at", ["last_tick_at"], unique=False)
        batch_op.create_index("ix_decisions_model_id_acted_at", ["model_id", "acted_at"], unique=False)

    op.create_table(
        "game_days",
        sa.Column("game_day_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("active_key", sa.String(length=36), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("options", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("played_by", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("initiated_by", sa.String(length=128), nullable=False),
        sa.Column("stopped_by", sa.String(length=128), nullable=True),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("plan", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("reference", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("requested_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("begun_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("played_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("finished_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("interruption_event_id", sa.String(length=36), nullable=True),
        sa.Column("switch_id", sa.String(length=36), nullable=True),
        sa.Column("replica_id", sa.String(length=36), nullable=True),
        sa.Column("detection_ms", sa.BigInteger(), nullable=True),
        sa.Column("ready_ms", sa.BigInteger(), nullable=True),
        sa.Column("promotion_ms", sa.BigInteger(), nullable=True),
        sa.Column("serving_ms", sa.BigInteger(), nullable=True),
        sa.Column("downtime_ms", sa.BigInteger(), nullable=True),
        sa.Column("downtime_basis", sa.String(length=32), nullable=True),
        sa.Column("loss_window_seconds", sa.BigInteger(), nullable=True),
        sa.Column("probe", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_game_days_agent_id_agents")),
        sa.PrimaryKeyConstraint("game_day_id", name=op.f("pk_game_days")),
        sa.UniqueConstraint("active_key", name=op.f("uq_game_days_active_key")),
        sa.UniqueConstraint("agent_id", "request_id", name=op.f("uq_game_days_agent_id_request_id")),
        comment="Interruptions played on purpose. active_key = agent_id while one is not over, else NULL: one at a time. begun_at is written before the player is called; reference is what the player said; plan is what was shown.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("game_days", schema=None) as batch_op:
        batch_op.create_index("ix_game_days_agent_id_requested_at", ["agent_id", "requested_at"], unique=False)
        batch_op.create_index("ix_game_days_requested_at", ["requested_at"], unique=False)

    op.create_table(
        "instances",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("primary_of", sa.String(length=36), nullable=True),
        sa.Column("mode", sa.String(length=32), nullable=False),
        sa.Column("mode_evidence", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("az_id", sa.String(length=32), nullable=False),
        sa.Column("az_name", sa.String(length=32), nullable=False),
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("architecture", sa.String(length=32), nullable=False),
        sa.Column("image_id", sa.String(length=64), nullable=True),
        sa.Column("account_id", sa.String(length=32), nullable=True),
        sa.Column("private_ip", sa.String(length=64), nullable=True),
        sa.Column("hostname", sa.String(length=255), nullable=True),
        sa.Column("launched_by_server", sa.Boolean(), nullable=False),
        sa.Column("replica_id", sa.String(length=36), nullable=True),
        sa.Column("daemon_version", sa.String(length=64), nullable=False),
        sa.Column("registered_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("launched_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("booted_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("last_heartbeat_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("serving", sa.Boolean(), nullable=True),
        sa.Column("quiesced", sa.Boolean(), nullable=True),
        sa.Column("configuration", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("daemon_epoch", sa.Integer(), nullable=True),
        sa.Column("acknowledged_config_version", sa.Integer(), nullable=True),
        sa.Column("effective_settings", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("reported_resources", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("scheduled_events", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("attached_volumes", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("metadata_failures", sa.Integer(), nullable=False),
        sa.Column("unknown_fields", sa.Integer(), nullable=False),
        sa.Column("clock_skew_seconds", sa.Float(), nullable=True),
        sa.Column("last_price_report_id", sa.String(length=128), nullable=True),
        sa.Column("cpu_busy_ratio_sum", sa.Double(), nullable=False),
        sa.Column("cpu_busy_count", sa.Integer(), nullable=False),
        sa.Column("role_changed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("last_primary_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("stray_reason", sa.Text(), nullable=True),
        sa.Column("is_retained", sa.Boolean(), nullable=False),
        sa.Column("end_asked_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("end_asked_by", sa.String(length=128), nullable=True),
        sa.Column("released_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("terminated_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_instances_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", "instance_id", name=op.f("pk_instances")),
        sa.UniqueConstraint("primary_of", name=op.f("uq_instances_primary_of")),
        comment="EC2 instances of agents. primary_of = agent_id while PRIMARY, else NULL: one PRIMARY per agent. configuration: what EC2 says of it that a move must bring along, as its daemon last read it; NULL: it never did. launched_at: when EC2 launched it, by the answer to our launch or by its metadata; NULL: nobody said. quiesced: its daemon waits to be told before it lets the workload serve; NULL: it never said. stray_reason: it came when nobody wanted it any more, and was never let in. last_primary_at: when it last became PRIMARY. scheduled_events: maintenance as its daemon's metadata lists it; NULL: it never said. end_asked_at: when a person asked for the end of one that nothing else ends. attached_volumes: as its daemon sees them in EC2, or as a move left them; NULL: not known. acknowledged_config_version: its daemon goes by this configuration, and acts on no plan of an older one; NULL: it never said. last_price_report_id: of the report of prices that was stored last; sent again it counts no second time. cpu_busy_ratio_sum: of the cpu_busy_count heartbeats that said how busy it was (0..1 each); both only grow.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.create_index("ix_instances_client_id_instance_id", ["client_id", "instance_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_instances_end_asked_at"), ["end_asked_at"], unique=False)
        batch_op.create_index("ix_instances_role_last_heartbeat_at", ["role", "last_heartbeat_at"], unique=False)
        batch_op.create_index("ix_instances_role_quiesced", ["role", "quiesced"], unique=False)
        batch_op.create_index("ix_instances_terminated_at", ["terminated_at"], unique=False)

    op.create_table(
        "replica_instances",
        sa.Column("replica_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=False),
        sa.Column("switch_id", sa.String(length=36), nullable=True),
        sa.Column("interruption_event_id", sa.String(length=36), nullable=True),
        sa.Column("hold_until", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("instance_id", sa.String(length=64), nullable=True),
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("az_id", sa.String(length=32), nullable=False),
        sa.Column("mode", sa.String(length=32), nullable=False),
        sa.Column("image_id", sa.String(length=64), nullable=True),
        sa.Column("wish", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("rejected_places", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("launch_command_id", sa.String(length=36), nullable=True),
        sa.Column("client_token", sa.String(length=64), nullable=True),
        sa.Column("nonce_sha256", sa.String(length=64), nullable=True),
        sa.Column("nonce_used_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("created_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("launched_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("registered_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("sync_started_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("sync_completed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("ready_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("ended_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("differences", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_replica_instances_agent_id_agents")),
        sa.PrimaryKeyConstraint("replica_id", name=op.f("pk_replica_instances")),
        sa.UniqueConstraint("agent_id", "request_id", name=op.f("uq_replica_instances_agent_id_request_id")),
        sa.UniqueConstraint("nonce_sha256", name=op.f("uq_replica_instances_nonce_sha256")),
        comment="Standby instances of agents, from intent to end. client_token is written before the launch is asked for. differences: where a ready one is not like the primary; NULL: not compared.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("replica_instances", schema=None) as batch_op:
        batch_op.create_index("ix_replica_instances_agent_id_status", ["agent_id", "status"], unique=False)
        batch_op.create_index("ix_replica_instances_client_id_ready_at", ["client_id", "ready_at"], unique=False)
        batch_op.create_index("ix_replica_instances_created_at", ["created_at"], unique=False)
        batch_op.create_index("ix_replica_instances_status_ended_at", ["status", "ended_at"], unique=False)

    op.create_table(
        "savings_snapshots",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("since_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("until_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("comparison_instance_type", sa.String(length=64), nullable=False),
        sa.Column("on_demand_discount_ppm", sa.Integer(), nullable=False),
        sa.Column("primary_spot_usd", sa.BigInteger(), nullable=False),
        sa.Column("primary_on_demand_usd", sa.BigInteger(), nullable=False),
        sa.Column("replica_usd", sa.BigInteger(), nullable=False),
        sa.Column("overlap_usd", sa.BigInteger(), nullable=False),
        sa.Column("image_usd", sa.BigInteger(), nullable=False),
        sa.Column("address_usd", sa.BigInteger(), nullable=False),
        sa.Column("comparison_usd", sa.BigInteger(), nullable=True),
        sa.Column("unpriced_seconds", sa.Integer(), nullable=False),
        sa.Column("unsized_image_count", sa.Integer(), nullable=False),
        sa.Column("switch_count", sa.Integer(), nullable=False),
        sa.Column("interruption_count", sa.Integer(), nullable=False),
        sa.Column("downtime_ms", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("computed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_savings_snapshots_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", "day", name=op.f("pk_savings_snapshots")),
        comment="What each agent cost on each day of its client's time zone, and what one instance on demand would have cost in the same hours (comparison_usd; NULL: its price is not known). since_at to until_at is the time that the day covers. unpriced_seconds: of instances whose price nobody saw, in no amount. lines: each hour's amounts with their prices. is_final: no late price changes it.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("savings_snapshots", schema=None) as batch_op:
        batch_op.create_index("ix_savings_snapshots_client_id_day", ["client_id", "day"], unique=False)
        batch_op.create_index("ix_savings_snapshots_is_final_computed_at", ["is_final", "computed_at"], unique=False)

    op.create_table(
        "spot_interruption_events",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("notice_id", sa.String(length=128), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("instance_role", sa.String(length=32), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("az_id", sa.String(length=32), nullable=False),
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("instance_age_seconds", sa.Integer(), nullable=True),
        sa.Column("action_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("detected_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("received_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("report_count", sa.Integer(), nullable=False),
        sa.Column("response", sa.String(length=32), nullable=False),
        sa.Column("switch_id", sa.String(length=36), nullable=True),
        sa.Column("replica_id", sa.String(length=36), nullable=True),
        sa.Column("game_day_id", sa.String(length=36), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("called_off_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_spot_interruption_events_agent_id_agents")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_spot_interruption_events")),
        sa.UniqueConstraint("agent_id", "notice_id", name=op.f("uq_spot_interruption_events_agent_id_notice_id")),
        comment="Notices, recommendations, scheduled events and losses. notice_id makes repeats one event. game_day_id: it was played, and says nothing about the pool. code, called_off_at: of scheduled maintenance, what EC2 will do, and when it was seen to be called off or done.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("spot_interruption_events", schema=None) as batch_op:
        batch_op.create_index("ix_spot_interruption_events_client_id_received_at", ["client_id", "received_at"], unique=False)
        batch_op.create_index("ix_spot_interruption_events_instance_type_az_id", ["instance_type", "az_id", "received_at"], unique=False)
        batch_op.create_index("ix_spot_interruption_events_received_at", ["received_at"], unique=False)

    op.create_table(
        "switches",
        sa.Column("switch_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("active_key", sa.String(length=36), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("trigger", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("initiated_by", sa.String(length=128), nullable=False),
        sa.Column("carry", sa.String(length=32), nullable=False),
        sa.Column("traffic_handles", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("data_volumes", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("from_instance_id", sa.String(length=64), nullable=False),
        sa.Column("from_instance_type", sa.String(length=64), nullable=False),
        sa.Column("from_az_id", sa.String(length=32), nullable=False),
        sa.Column("from_mode", sa.String(length=32), nullable=False),
        sa.Column("to_instance_id", sa.String(length=64), nullable=True),
        sa.Column("to_instance_type", sa.String(length=64), nullable=True),
        sa.Column("to_az_id", sa.String(length=32), nullable=True),
        sa.Column("to_mode", sa.String(length=32), nullable=True),
        sa.Column("replica_id", sa.String(length=36), nullable=True),
        sa.Column("image_id", sa.String(length=64), nullable=True),
        sa.Column("interruption_event_id", sa.String(length=36), nullable=True),
        sa.Column("deadline_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("loses_writes_since", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("loss_window_seconds", sa.BigInteger(), nullable=True),
        sa.Column("epoch_before", sa.Integer(), nullable=False),
        sa.Column("epoch_after", sa.Integer(), nullable=True),
        sa.Column("failed_step", sa.String(length=32), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("initiated_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("ami_created_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("instance_launched_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("instance_ready_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("quiesced_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("serving_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("retire_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("old_terminated_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("completed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("downtime_ms", sa.BigInteger(), nullable=True),
        sa.Column("downtime_basis", sa.String(length=32), nullable=True),
        sa.Column("resume_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("differences", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("accepts_differences", sa.Boolean(), nullable=False),
        sa.Column("timing", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_switches_agent_id_agents")),
        sa.PrimaryKeyConstraint("switch_id", name=op.f("pk_switches")),
        sa.UniqueConstraint("active_key", name=op.f("uq_switches_active_key")),
        sa.UniqueConstraint("agent_id", "request_id", name=op.f("uq_switches_agent_id_request_id")),
        comment="Moves, as recorded sagas. active_key = agent_id while one runs, else NULL: one move per agent at a time. loses_writes_since: the moment whose state the image holds, or after which a new side served from which the move was taken back, NULL if nothing is lost; loss_window_seconds: from then to the decision. resume_at: when a rescue that gave up is looked at again. differences: where the new instance is not like the old one; NULL: not compared.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("switches", schema=None) as batch_op:
        batch_op.create_index("ix_switches_client_id_initiated_at", ["client_id", "initiated_at"], unique=False)
        batch_op.create_index("ix_switches_initiated_at", ["initiated_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_switches_resume_at"), ["resume_at"], unique=False)
        batch_op.create_index("ix_switches_status", ["status"], unique=False)

    op.create_table(
        "unexpected_instances",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("instance_type", sa.String(length=64), nullable=False),
        sa.Column("az_id", sa.String(length=32), nullable=False),
        sa.Column("image_id", sa.String(length=64), nullable=True),
        sa.Column("private_ip", sa.String(length=64), nullable=True),
        sa.Column("hostname", sa.String(length=255), nullable=True),
        sa.Column("first_seen_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=True),
        sa.Column("decided_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("decided_by", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_unexpected_instances_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", "instance_id", name=op.f("pk_unexpected_instances")),
        comment="Instances that claim to be an agent which lives on another one, by their own word, and what a person decided about each.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("unexpected_instances", schema=None) as batch_op:
        batch_op.create_index("ix_unexpected_instances_client_id_first_seen_at", ["client_id", "first_seen_at"], unique=False)

    op.create_table(
        "interruption_sightings",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("notice_id", sa.String(length=128), nullable=False),
        sa.Column("announced_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("first_seen_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["spot_interruption_events.event_id"], name=op.f("fk_interruption_sightings_event_id_spot_interruption_events")
        ),
        sa.PrimaryKeyConstraint("event_id", "channel", name=op.f("pk_interruption_sightings")),
        sa.UniqueConstraint("agent_id", "notice_id", "channel", name=op.f("uq_interruption_sightings_agent_id_notice_id_channel")),
        comment="When each channel first told of an interruption, and under which name: the first one made the event, the others confirm it. announced_at: when EC2 announced it, where the channel says so.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "switch_steps",
        sa.Column("switch_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=32), nullable=True),
        sa.Column("actor_instance_id", sa.String(length=64), nullable=True),
        sa.Column("command_id", sa.String(length=36), nullable=True),
        sa.Column("intent_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("deadline_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("finished_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("outcome", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.Column("undo_attempt", sa.Integer(), nullable=False),
        sa.Column("undo_command_id", sa.String(length=36), nullable=True),
        sa.Column("undo_finished_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=True),
        sa.Column("undo_outcome", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
        sa.ForeignKeyConstraint(["switch_id"], ["switches.switch_id"], name=op.f("fk_switch_steps_switch_id_switches")),
        sa.PrimaryKeyConstraint("switch_id", "position", name=op.f("pk_switch_steps")),
        sa.UniqueConstraint("switch_id", "name", "part", name=op.f("uq_switch_steps_switch_id_name_part")),
        comment="Each step of a switch: intent, actor, command, outcome, deadline, undo. part: which traffic handle of the switch, from 0.",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("switch_steps", schema=None) as batch_op:
        batch_op.create_index("ix_switch_steps_name_status", ["name", "status"], unique=False)

    dialect = "sqlite" if op.get_bind().dialect.name == "sqlite" else "mysql"
    for statement in VIEWS[dialect].values():
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Go back."""
    for name in VIEWS["mysql"]:
        op.execute(f"DROP VIEW {name}")

    op.drop_table("switch_steps")
    op.drop_table("interruption_sightings")

    op.drop_table("unexpected_instances")

    op.drop_table("switches")

    op.drop_table("spot_interruption_events")

    op.drop_table("savings_snapshots")

    op.drop_table("replica_instances")

    op.drop_table("instances")

    op.drop_table("game_days")

    op.drop_table("decisions")

    op.drop_table("commands")

    op.drop_table("cleanup_logs")

    op.drop_table("autonomy_plans")

    op.drop_table("agent_requests")

    op.drop_table("agent_images")
    op.drop_table("agent_activity")

    op.drop_table("tokens")
    op.drop_table("spot_price_snapshots")
    op.drop_table("pricing_canonical")
    op.drop_table("price_progress")

    op.drop_table("pool_risk_analysis")
    op.drop_table("model_days")
    op.drop_table("model_activations")

    op.drop_table("agents")
    op.drop_table("spot_pools")
    op.drop_table("spot_advisor_bands")

    op.drop_table("restore_holds")

    op.drop_table("pool_cooldowns")
    op.drop_table("on_demand_prices")

    op.drop_table("notifications")
    op.drop_table("models")
    op.drop_table("leases")
    op.drop_table("instance_types")

    op.drop_table("events")
    op.drop_table("event_cursors")

    op.drop_table("decision_documents")

    op.drop_table("consolidation_jobs")
    op.drop_table("clients")
    op.drop_table("availability_zones")

    op.drop_table("audit_logs")
