"""Views for operators, under the names that they know: read-only SQL over the tables, on the database's own clock.

What the databases share is written once; the two things that they spell differently, the present and the seconds between two moments, are
filled in per dialect. The tables at the end are for reading the views; they are in a metadata of their own, for no migration makes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, Date, Float, Integer, MetaData, Table

from spot_server.db.tables.base import Ec2Id, Id, Name
from spot_server.db.types import EnumText, UtcDateTime
from spot_server.words import InterruptionKind, Mode, StepName, StepStatus, SwitchStatus, SwitchTrigger

HEALTH_WINDOW_DAYS = 30
HEALTH_WINDOW_SECONDS = HEALTH_WINDOW_DAYS * 86_400

_SPELLINGS = {
    "sqlite": {
        "day_ago": "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-24 hours')",
        "window_begin": f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{HEALTH_WINDOW_DAYS} days')",
        "age_seconds": "(julianday('now') - julianday(a.created_at)) * 86400.0",
        "step_seconds": "(julianday(t.finished_at) - julianday(t.intent_at)) * 86400.0",
    },
    "mysql": {
        "day_ago": "UTC_TIMESTAMP(6) - INTERVAL 24 HOUR",
        "window_begin": f"UTC_TIMESTAMP(6) - INTERVAL {HEALTH_WINDOW_DAYS} DAY",
        "age_seconds": "TIMESTAMPDIFF(MICROSECOND, a.created_at, UTC_TIMESTAMP(6)) / 1000000.0",
        "step_seconds": "TIMESTAMPDIFF(MICROSECOND, t.intent_at, t.finished_at) / 1000000.0",
    },
}


_SHARED = {
    "lived": f"CASE WHEN a.created_at > {{window_begin}} THEN {{age_seconds}} ELSE {HEALTH_WINDOW_SECONDS}.0 END",
    "down_ms": (
        "COALESCE((SELECT SUM(s.downtime_ms) FROM switches s WHERE s.agent_id = a.agent_id AND s.completed_at >= {window_begin}), 0)"
    ),
}
"""What one view says more than once."""


@dataclass(frozen=True, slots=True)
class View:
    """A view and what it shows. `select` holds names in braces for what the databases spell differently."""

    name: str
    meaning: str
    select: str

    def create(self, dialect: str) -> str:
        """Return the statement that makes it on SQLite ("sqlite"), or on MySQL and MariaDB ("mysql")."""
        text = self.select
        for name, spelled in {**_SHARED, **_SPELLINGS[dialect]}.items():
            text = text.replace("{" + name + "}", spelled)
        return f"CREATE VIEW {self.name} AS\n{text.strip()}"


AGENT_HEALTH = View(
    "v_agent_health_summary",
    "Each living agent: its primary, its moves, and for which part of the last 30 days of its life no move and no loss held it down.",
    """
SELECT a.client_id, a.agent_id, a.logical_agent_id, a.enabled, a.is_offline,
  p.instance_id AS primary_instance_id, p.mode AS primary_mode, p.serving AS is_serving, p.last_heartbeat_at,
  {lived} AS lived_seconds,
  {down_ms} AS downtime_ms,
  100.0 * (1.0 - {down_ms} / 1000.0 / ({lived} + 0.001)) AS uptime_percent,
  (SELECT COUNT(*) FROM switches s WHERE s.agent_id = a.agent_id AND s.status = 'completed' AND s.completed_at >= {window_begin})
    AS switch_count,
  (SELECT COUNT(*) FROM spot_interruption_events e WHERE e.agent_id = a.agent_id AND e.game_day_id IS NULL
    AND e.kind IN ('terminate', 'stop', 'hibernate', 'loss', 'silence') AND e.received_at >= {window_begin}) AS interruption_count,
  (SELECT COUNT(*) FROM replica_instances r WHERE r.agent_id = a.agent_id AND r.status = 'ready') AS ready_replica_count
FROM agents a LEFT JOIN instances p ON p.primary_of = a.agent_id
WHERE a.deleted_at IS NULL
""",
)

SWITCH_PERFORMANCE = View(
    "v_switch_performance_24h",
    "Each step of the moves that ended in the last 24 hours, with the move's downtime and what the step took.",
    """
SELECT s.client_id, s.agent_id, s.switch_id, s.`trigger`, s.status, s.initiated_at, s.completed_at, s.downtime_ms,
  t.position, t.name AS step, t.part, t.status AS step_status, {step_seconds} AS step_seconds
FROM switches s JOIN switch_steps t ON t.switch_id = s.switch_id
WHERE s.completed_at >= {day_ago}
""",
)

EMERGENCY_EVENTS = View(
    "v_emergency_events_daily",
    "How many interruptions of which kind came on which day (UTC), how many led to a move or a replica, and how many were played.",
    """
SELECT e.client_id, DATE(e.received_at) AS day, e.kind, COUNT(*) AS event_count, COUNT(DISTINCT e.agent_id) AS agent_count,
  SUM(CASE WHEN e.switch_id IS NOT NULL THEN 1 ELSE 0 END) AS switch_count,
  SUM(CASE WHEN e.replica_id IS NOT NULL THEN 1 ELSE 0 END) AS replica_count,
  SUM(CASE WHEN e.game_day_id IS NOT NULL THEN 1 ELSE 0 END) AS played_count
FROM spot_interruption_events e
GROUP BY e.client_id, DATE(e.received_at), e.kind
""",
)

VIEWS = (AGENT_HEALTH, SWITCH_PERFORMANCE, EMERGENCY_EVENTS)

view_metadata = MetaData()

agent_health_summary = Table(
    AGENT_HEALTH.name,
    view_metadata,
    Column("client_id", Id),
    Column("agent_id", Id),
    Column("logical_agent_id", Name),
    Column("enabled", Boolean),
    Column("is_offline", Boolean),
    Column("primary_instance_id", Ec2Id),
    Column("primary_mode", EnumText(Mode)),
    Column("is_serving", Boolean),
    Column("last_heartbeat_at", UtcDateTime),
    Column("lived_seconds", Float),
    Column("downtime_ms", BigInteger),
    Column("uptime_percent", Float),
    Column("switch_count", Integer),
    Column("interruption_count", Integer),
    Column("ready_replica_count", Integer),
)

switch_performance_24h = Table(
    SWITCH_PERFORMANCE.name,
    view_metadata,
    Column("client_id", Id),
    Column("agent_id", Id),
    Column("switch_id", Id),
    Column("trigger", EnumText(SwitchTrigger)),
    Column("status", EnumText(SwitchStatus)),
    Column("initiated_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("downtime_ms", BigInteger),
    Column("position", Integer),
    Column("step", EnumText(StepName)),
    Column("part", Integer),
    Column("step_status", EnumText(StepStatus)),
    Column("step_seconds", Float),
)

emergency_events_daily = Table(
    EMERGENCY_EVENTS.name,
    view_metadata,
    Column("client_id", Id),
    Column("day", Date),
    Column("kind", EnumText(InterruptionKind)),
    Column("event_count", Integer),
    Column("agent_count", Integer),
    Column("switch_count", Integer),
    Column("replica_count", Integer),
    Column("played_count", Integer),
)
