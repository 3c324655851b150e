"""Heartbeats on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from spot_server.features.heartbeats.service import Heartbeat
from spot_server.features.instances.schemas import ConfigurationSchema
from spot_server.http.fields import BoundedText, StrictInteger, UtcMoment
from spot_server.http.schemas import AnswerSchema, TolerantSchema
from spot_server.words import InstanceStatus, Mode, Role

MOST_RESOURCES = 500
MOST_SETTINGS = 100
MOST_EVENTS = 50
MOST_VOLUMES = 128
"""EC2 attaches no more to one instance."""


class ResourcesSchema(TolerantSchema):
    """What the daemon sees in EC2 with our tags."""

    instances = fields.List(fields.Dict(), load_default=list, validate=validate.Length(max=MOST_RESOURCES))
    images = fields.List(fields.Dict(), load_default=list, validate=validate.Length(max=MOST_RESOURCES))
    volumes = fields.List(fields.Dict(), load_default=list, validate=validate.Length(max=MOST_RESOURCES))
    truncated = fields.Boolean(load_default=False, metadata={"description": "There is more than is listed; the newest is."})
    age_seconds = fields.Float(
        allow_none=True, load_default=None, metadata={"description": "How long ago the daemon looked; left out: it does not say."}
    )


class HeartbeatSchema(TolerantSchema):
    """What a daemon sees now. `settings` are the ones that it works by, kept as they are to be compared and shown."""

    instance_id = BoundedText(least=1, most=64, required=True)
    epoch = StrictInteger(allow_none=True, load_default=None)
    role = fields.Enum(Role, by_value=True, allow_none=True, load_default=None)
    serving = fields.Boolean(allow_none=True, load_default=None)
    quiesced = fields.Boolean(
        allow_none=True,
        load_default=None,
        metadata={"description": "Whether the workload may not serve before the server says so; left out by older daemons."},
    )
    mode = fields.Enum(Mode, by_value=True, required=True)
    daemon_version = BoundedText(least=1, most=64, required=True)
    sent_at = UtcMoment(allow_none=True, load_default=None)
    uptime_seconds = fields.Float(allow_none=True, load_default=None)
    settings = fields.Dict(keys=BoundedText(least=1, most=64), load_default=dict, validate=validate.Length(max=MOST_SETTINGS))
    metadata_failures = StrictInteger(load_default=0)
    unknown_fields = StrictInteger(load_default=0)
    resources = fields.Nested(ResourcesSchema, load_default=dict)
    scheduled_events = fields.List(
        fields.Dict(),
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=MOST_EVENTS),
        metadata={"description": "Maintenance as metadata lists it, in EC2's words; [] for none, left out before the first look."},
    )
    configuration = fields.Nested(
        ConfigurationSchema,
        allow_none=True,
        load_default=None,
        metadata={"description": "Sent when it changed, and after a start; left out: as it was told before."},
    )

    attached_volumes = fields.List(
        fields.Dict(),
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=MOST_VOLUMES),
        metadata={
            "description": "What EC2 shows as attached to the instance, with the carry `volume` alone; left out before the first look."
        },
    )
    config_version = StrictInteger(
        allow_none=True,
        load_default=None,
        metadata={"description": "By which configuration the daemon goes; null or left out while it acts on the plan of an older one."},
    )
    cpu_busy_ratio = fields.Float(
        allow_none=True,
        load_default=None,
        validate=validate.Range(min=0, max=1, error="expected a number from 0 to 1"),
        error_messages={"invalid": "expected a number from 0 to 1", "special": "expected a number from 0 to 1"},
        metadata={"description": "Share of the processors' time that was not idle since the last heartbeat; null or left out: not known."},
    )

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: Any) -> tuple[str, Heartbeat]:  # noqa: ANN401 - marshmallow's own options
        """Return the instance that speaks and what it says."""
        taken = {name: data[name] for name in Heartbeat.__dataclass_fields__}
        return data["instance_id"], Heartbeat(**taken)


class HeartbeatAnswerSchema(AnswerSchema):
    """What the daemon learns."""

    server_time = UtcMoment(required=True)
    config_version = fields.Integer(required=True)
    epoch = fields.Integer(required=True)
    instance_status = fields.Enum(InstanceStatus, by_value=True, required=True)
    is_primary = fields.Boolean(required=True)
    commands_waiting = fields.Boolean(required=True)
