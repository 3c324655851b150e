"""The managed workloads: agents, their instances, replicas and images."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Boolean, Column, Double, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint

from spot_server.db.tables.base import Ec2Id, Id, Name, RequestId, define_table, version_column
from spot_server.db.types import EnumText, JsonText, Usd, UtcDateTime
from spot_server.words import Carry, ImageConsistency, Mode, ReplicaKind, ReplicaStatus, Role, Verdict

VALUE_PER_MINUTE_USD = Decimal("0.10")
"""Until a person says what a minute without the workload costs."""

agents = define_table(
    "agents",
    Column("agent_id", Id, primary_key=True),
    Column("client_id", Id, ForeignKey("clients.client_id"), nullable=False, index=True),
    Column("logical_agent_id", Name, nullable=False, index=True),
    Column("live_key", String(200), unique=True),
    Column("region", String(32), nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("auto_switch_enabled", Boolean, nullable=False, default=False),
    Column("manual_replica_enabled", Boolean, nullable=False, default=False),
    Column("replica_count", Integer, nullable=False, default=0),
    Column("auto_terminate_enabled", Boolean, nullable=False, default=True),
    Column("terminate_wait_seconds", Integer, nullable=False, default=1800),
    Column("rebalance_hold_seconds", Integer, nullable=False, default=1800),
    Column("create_snapshot_on_switch", Boolean, nullable=False, default=True),
    Column("cleanup_snapshots_older_than_days", Integer, nullable=False, default=7),
    Column("cleanup_images_older_than_days", Integer, nullable=False, default=30),
    Column("image_refresh_hours", Integer, nullable=False, default=24),
    Column("carry", EnumText(Carry), nullable=False),
    Column("allowed_instance_types", JsonText, nullable=False),
    Column("traffic_handles", JsonText, nullable=False),
    Column("data_volumes", JsonText, nullable=False, default=[]),
    Column("launch_specification", JsonText),
    Column("base_image_id", Ec2Id),
    Column("failover_when_silent", Boolean, nullable=False, default=False),
    Column("early_replica_on_warning", Boolean, nullable=False, default=False),
    Column("value_per_minute_usd", Usd, nullable=False, default=VALUE_PER_MINUTE_USD),
    Column("moves_per_day", Integer, nullable=False, default=4),
    Column("min_saving_percent", Integer, nullable=False, default=10),
    Column("maintenance_window", JsonText),
    Column("safe_to_run_twice", Boolean, nullable=False, default=False),
    Column("is_offline", Boolean, nullable=False, default=False),
    Column("epoch", Integer, nullable=False),
    Column("config_version", Integer, nullable=False, default=1),
    version_column(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    comment=(
        "One managed workload. live_key is client/logical id while the agent lives, NULL after deletion. "
        "value_per_minute_usd: what a minute without it costs its owner; maintenance_window: when decisions may move it, NULL: always."
    ),
)

agent_requests = define_table(
    "agent_requests",
    Column("agent_id", Id, ForeignKey("agents.agent_id"), primary_key=True),
    Column("request_id", RequestId, primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("received_at", UtcDateTime, nullable=False, index=True),
    comment="What was asked for under a request_id where no other row says so: the same id with another body is refused.",
)

instances = define_table(
    "instances",
    Column("agent_id", Id, ForeignKey("agents.agent_id"), primary_key=True),
    Column("instance_id", Ec2Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("role", EnumText(Role), nullable=False),
    Column("primary_of", Id, unique=True),
    Column("mode", EnumText(Mode), nullable=False),
    Column("mode_evidence", JsonText, nullable=False),
    Column("region", String(32), nullable=False),
    Column("az_id", String(32), nullable=False),
    Column("az_name", String(32), nullable=False),
    Column("instance_type", String(64), nullable=False),
    Column("product", String(64), nullable=False),
    Column("architecture", String(32), nullable=False),
    Column("image_id", Ec2Id),
    Column("account_id", String(32)),
    Column("private_ip", String(64)),
    Column("hostname", String(255)),
    Column("launched_by_server", Boolean, nullable=False),
    Column("replica_id", Id),
    Column("daemon_version", String(64), nullable=False),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("launched_at", UtcDateTime),
    Column("booted_at", UtcDateTime),
    Column("last_heartbeat_at", UtcDateTime, nullable=False),
    Column("serving", Boolean),
    Column("quiesced", Boolean),
    Column("configuration", JsonText),
    Column("daemon_epoch", Integer),
    Column("acknowledged_config_version", Integer),
    Column("effective_settings", JsonText, nullable=False),
    Column("reported_resources", JsonText),
    Column("scheduled_events", JsonText),
    Column("attached_volumes", JsonText),
    Column("metadata_failures", Integer, nullable=False, default=0),
    Column("unknown_fields", Integer, nullable=False, default=0),
    Column("clock_skew_seconds", Float),
    Column("last_price_report_id", RequestId),
    Column("cpu_busy_ratio_sum", Double, nullable=False, default=0.0),
    Column("cpu_busy_count", Integer, nullable=False, default=0),
    Column("role_changed_at", UtcDateTime, nullable=False),
    Column("last_primary_at", UtcDateTime),
    Column("stray_reason", Text),
    Column("is_retained", Boolean, nullable=False, default=False),
    Column("end_asked_at", UtcDateTime, index=True),
    Column("end_asked_by", Name),
    Column("released_at", UtcDateTime),
    Column("terminated_at", UtcDateTime),
    version_column(),
    Index("ix_instances_client_id_instance_id", "client_id", "instance_id"),
    Index("ix_instances_role_last_heartbeat_at", "role", "last_heartbeat_at"),
    Index("ix_instances_role_quiesced", "role", "quiesced"),
    Index("ix_instances_terminated_at", "terminated_at"),
    comment=(
        "EC2 instances of agents. primary_of = agent_id while PRIMARY, else NULL: one PRIMARY per agent. "
        "configuration: what EC2 says of it that a move must bring along, as its daemon last read it; NULL: it never did. "
        "launched_at: when EC2 launched it, by the answer to our launch or by its metadata; NULL: nobody said. "
        "quiesced: its daemon waits to be told before it lets the workload serve; NULL: it never said. "
        "stray_reason: it came when nobody wanted it any more, and was never let in. last_primary_at: when it last became PRIMARY. "
        "scheduled_events: maintenance as its daemon's metadata lists it; NULL: it never said. "
        "end_asked_at: when a person asked for the end of one that nothing else ends. "
        "attached_volumes: as its daemon sees them in EC2, or as a move left them; NULL: not known. "
        "acknowledged_config_version: its daemon goes by this configuration, and acts on no plan of an older one; NULL: it never said. "
        "last_price_report_id: of the report of prices that was stored last; sent again it counts no second time. "
        "cpu_busy_ratio_sum: of the cpu_busy_count heartbeats that said how busy it was (0..1 each); both only grow."
    ),
)

replica_instances = define_table(
    "replica_instances",
    Column("replica_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id, ForeignKey("agents.agent_id"), nullable=False),
    Column("request_id", RequestId, nullable=False),
    Column("kind", EnumText(ReplicaKind), nullable=False),
    Column("status", EnumText(ReplicaStatus), nullable=False),
    Column("status_reason", Text, nullable=False, default=""),
    Column("switch_id", Id),
    Column("interruption_event_id", Id),
    Column("hold_until", UtcDateTime),
    Column("instance_id", Ec2Id),
    Column("instance_type", String(64), nullable=False),
    Column("az_id", String(32), nullable=False),
    Column("mode", EnumText(Mode), nullable=False),
    Column("image_id", Ec2Id),
    Column("wish", JsonText, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("rejected_places", JsonText, nullable=False),
    Column("launch_command_id", Id),
    Column("client_token", String(64)),
    Column("nonce_sha256", String(64), unique=True),
    Column("nonce_used_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("launched_at", UtcDateTime),
    Column("registered_at", UtcDateTime),
    Column("sync_started_at", UtcDateTime),
    Column("sync_completed_at", UtcDateTime),
    Column("ready_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("differences", JsonText),
    version_column(),
    UniqueConstraint("agent_id", "request_id"),
    Index("ix_replica_instances_agent_id_status", "agent_id", "status"),
    Index("ix_replica_instances_status_ended_at", "status", "ended_at"),
    Index("ix_replica_instances_created_at", "created_at"),
    # How long the client's instances took to be ready, asked before an emergency replica is launched.
    Index("ix_replica_instances_client_id_ready_at", "client_id", "ready_at"),
    comment=(
        "Standby instances of agents, from intent to end. client_token is written before the launch is asked for. "
        "differences: where a ready one is not like the primary; NULL: not compared."
    ),
)

agent_activity = define_table(
    "agent_activity",
    Column("agent_id", Id, ForeignKey("agents.agent_id"), primary_key=True),
    Column("time_zone", String(64), nullable=False),
    Column("hours", JsonText, nullable=False),
    Column("days_seen", Integer),
    Column("usual_hours", JsonText),
    Column("hour_at", UtcDateTime, nullable=False),
    Column("instance_id", Ec2Id, nullable=False),
    Column("cpu_busy_ratio_sum", Double, nullable=False),
    Column("cpu_busy_count", Integer, nullable=False),
    comment=(
        "How busy agents are by the hour of the week. hours: 168 pairs [busy 0..1, hours counted], from Monday 00:00 of time_zone. "
        "usual_hours: how busy each is to be expected, from days_seen days; both NULL while that are too few. "
        "hour_at: the hours before it are counted; the counters are those of instance_id then."
    ),
)

autonomy_plans = define_table(
    "autonomy_plans",
    Column("plan_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id, ForeignKey("agents.agent_id"), nullable=False),
    Column("current_of", Id, unique=True),
    Column("epoch", Integer, nullable=False),
    Column("predecessor_instance_id", Ec2Id, nullable=False),
    Column("successor_instance_id", Ec2Id, nullable=False),
    Column("successor_replica_id", Id, nullable=False),
    Column("allocation_id", Ec2Id, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),
    Column("withdrawn_config_version", Integer),
    Index("ix_autonomy_plans_agent_id", "agent_id"),
    comment=(
        "What daemons may do without the server: one named successor may claim one address under one epoch. "
        "current_of = agent_id while daemons are told of it, else NULL. A row goes when its successor can act on it no more; "
        "until then nobody else is promoted without the same claim."
    ),
)

agent_images = define_table(
    "agent_images",
    Column("agent_id", Id, ForeignKey("agents.agent_id"), primary_key=True),
    Column("image_id", Ec2Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("image_name", String(128), nullable=False),
    Column("snapshot_ids", JsonText, nullable=False),
    Column("device_names", JsonText, nullable=False, default=list),
    Column("source_instance_id", Ec2Id),
    Column("switch_id", Id),
    Column("consistency", EnumText(ImageConsistency), nullable=False, default=ImageConsistency.CRASH),
    Column("has_booted", Boolean, nullable=False, default=False),
    Column("has_failed", Boolean, nullable=False, default=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("available_at", UtcDateTime),
    Column("deregistered_at", UtcDateTime, index=True),
    comment=(
        "Images of agents. started_at is the moment whose state the image holds. has_booted: an instance made from it passed its "
        "standby check; has_failed: one never did."
    ),
)

unexpected_instances = define_table(
    "unexpected_instances",
    Column("agent_id", Id, ForeignKey("agents.agent_id"), primary_key=True),
    Column("instance_id", Ec2Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("instance_type", String(64), nullable=False),
    Column("az_id", String(32), nullable=False),
    Column("image_id", Ec2Id),
    Column("private_ip", String(64)),
    Column("hostname", String(255)),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("verdict", EnumText(Verdict)),
    Column("decided_at", UtcDateTime),
    Column("decided_by", Name),
    Index("ix_unexpected_instances_client_id_first_seen_at", "client_id", "first_seen_at"),
    comment="Instances that claim to be an agent which lives on another one, by their own word, and what a person decided about each.",
)

cleanup_logs = define_table(
    "cleanup_logs",
    Column("agent_id", Id, ForeignKey("agents.agent_id"), primary_key=True),
    Column("request_id", RequestId, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("instance_id", Ec2Id, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("deleted", JsonText, nullable=False),
    Column("kept", JsonText, nullable=False),
    Column("failed", JsonText, nullable=False),
    Index("ix_cleanup_logs_client_id_received_at", "client_id", "received_at"),
    Index("ix_cleanup_logs_received_at", "received_at"),
    comment="What daemons cleaned up by age (images and snapshots), and what the sweeper did, with the reason for each.",
)

restore_holds = define_table(
    "restore_holds",
    Column("agent_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False, index=True),
    Column("instance_id", Ec2Id, nullable=False),
    Column("saved_epoch", Integer, nullable=False),
    Column("seen_epoch", Integer, nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
    Column("confirmed_epoch", Integer, nullable=False, default=0),
    Column("confirmed_at", UtcDateTime),
    Column("confirmed_by", Name),
    comment=(
        "An epoch in tags above the saved one: the database was restored. While seen_epoch > confirmed_epoch the sweeper only reports. "
        "agent_id is the tag's, and may name an agent that the database does not know; saved_epoch is 0 then."
    ),
)
