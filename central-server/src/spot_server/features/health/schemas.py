"""Health on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.http.fields import UtcMoment
from spot_server.http.schemas import AnswerSchema


class PartAnswer(AnswerSchema):
    """One part of the server."""

    status = fields.String(required=True, metadata={"enum": ["ok", "degraded", "failing"]})


class DatabaseHealth(PartAnswer):
    """The database, by the time of a trivial query."""

    latency_ms = fields.Float(required=True)
    backend = fields.String(required=True)


class SchemaHealth(PartAnswer):
    """The schema that the database has, and the one that this release needs."""

    current = fields.String(required=True, allow_none=True)
    expected = fields.String(required=True)


class JobsHealth(PartAnswer):
    """Who runs the jobs."""

    holder = fields.String(required=True, allow_none=True)
    epoch = fields.Integer(required=True, allow_none=True)
    lease_seconds_left = fields.Float(required=True, allow_none=True)


class AgentsHealth(PartAnswer):
    """How many agents are heard from."""

    online = fields.Integer(required=True)
    offline = fields.Integer(required=True)


class CommandsHealth(PartAnswer):
    """Commands that were not answered yet, and for how long the oldest has not been fetched."""

    open = fields.Integer(required=True)
    oldest_queued_seconds = fields.Float(required=True, allow_none=True)


class SwitchesHealth(PartAnswer):
    """Moves that are going on."""

    running = fields.Integer(required=True)


class WaitingRoomHealth(PartAnswer):
    """The waiting room of the web process that answers."""

    seats = fields.Integer(required=True)
    occupied = fields.Integer(required=True)


class SystemHealthAnswer(PartAnswer):
    """The whole server: as well as its worst part."""

    checked_at = UtcMoment(required=True)
    database = fields.Nested(DatabaseHealth, required=True)
    schema = fields.Nested(SchemaHealth, required=True)
    jobs = fields.Nested(JobsHealth, required=True)
    agents = fields.Nested(AgentsHealth, required=True)
    commands = fields.Nested(CommandsHealth, required=True)
    switches = fields.Nested(SwitchesHealth, required=True)
    waiting_room = fields.Nested(WaitingRoomHealth, required=True)


class ReadinessAnswer(PartAnswer):
    """Whether this process can serve now."""

    detail = fields.String(required=True)
