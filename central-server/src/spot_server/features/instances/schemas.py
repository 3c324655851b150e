"""Instances on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from spot_server.http.fields import BoundedText, StrictInteger, UtcMoment
from spot_server.http.schemas import AnswerSchema, PageQuery, TolerantSchema, page_schema
from spot_server.words import InstanceStatus, Mode, Role

MOST_GROUPS = 32
MOST_TAGS = 100
MOST_VOLUMES = 200


class VolumeSettingsSchema(TolerantSchema):
    """What a volume is like; null: it has no such setting, or EC2's default."""

    volume_type = BoundedText(least=1, most=16)
    size_gib = StrictInteger(least=0, most=1_000_000)
    iops = StrictInteger(least=0, most=10_000_000, allow_none=True)
    throughput_mib_per_second = StrictInteger(least=0, most=1_000_000, allow_none=True)
    encrypted = fields.Boolean()
    kms_key_id = BoundedText(most=2048, allow_none=True)


class ConfigurationSchema(TolerantSchema):
    """What EC2 says of an instance that a move must bring along, as its own daemon read it. What is left out was not read."""

    instance_type = BoundedText(least=1, most=64)
    security_group_ids = fields.List(BoundedText(least=1, most=64), validate=validate.Length(max=MOST_GROUPS))
    iam_instance_profile_arn = BoundedText(most=255, allow_none=True)
    key_name = BoundedText(most=255, allow_none=True)
    metadata_options = fields.Dict(keys=BoundedText(least=1, most=64), validate=validate.Length(max=MOST_GROUPS))
    tags = fields.Dict(keys=BoundedText(least=1, most=128), values=BoundedText(most=256), validate=validate.Length(max=MOST_TAGS))
    detailed_monitoring = fields.Boolean()
    ebs_optimized = fields.Boolean()
    cpu_credits = BoundedText(most=32, allow_none=True)
    root_device_name = BoundedText(most=64, allow_none=True)
    volumes = fields.Dict(
        keys=BoundedText(least=1, most=64),
        values=fields.Nested(VolumeSettingsSchema),
        allow_none=True,
        validate=validate.Length(max=MOST_VOLUMES),
        metadata={"description": "By device name; null: EC2 would not say."},
    )


class InstanceAnswer(AnswerSchema):
    """What the server holds of an instance, and what its daemon last said."""

    agent_id = fields.String(required=True)
    instance_id = fields.String(required=True)
    role = fields.Enum(Role, by_value=True, required=True)
    instance_status = fields.Enum(InstanceStatus, by_value=True, required=True)
    is_primary = fields.Boolean(required=True)
    mode = fields.Enum(Mode, by_value=True, required=True)
    mode_evidence = fields.Dict(required=True)
    region = fields.String(required=True)
    az_id = fields.String(required=True)
    az_name = fields.String(required=True)
    instance_type = fields.String(required=True)
    product = fields.String(required=True)
    architecture = fields.String(required=True)
    image_id = fields.String(required=True, allow_none=True)
    account_id = fields.String(required=True, allow_none=True)
    private_ip = fields.String(required=True, allow_none=True)
    hostname = fields.String(required=True, allow_none=True)
    launched_by_server = fields.Boolean(required=True)
    replica_id = fields.String(required=True, allow_none=True)
    daemon_version = fields.String(required=True)
    registered_at = UtcMoment(required=True)
    launched_at = UtcMoment(
        required=True,
        allow_none=True,
        metadata={"description": "When EC2 launched it; null where nobody said."},
    )
    booted_at = UtcMoment(
        required=True,
        allow_none=True,
        metadata={"description": "By its own clock, where that can be: never before its launch."},
    )
    last_heartbeat_at = UtcMoment(required=True)
    serving = fields.Boolean(
        required=True, allow_none=True, metadata={"description": "Whether the daemon saw the workload serve; null if it does not know."}
    )
    quiesced = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "Whether its daemon waits to be told before it lets the workload serve; null if it never said."},
    )
    configuration = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "What EC2 says of it that a move must bring along, as its daemon last read it; null: it never did."},
    )
    daemon_epoch = fields.Integer(required=True, allow_none=True)
    metadata_failures = fields.Integer(required=True)
    unknown_fields = fields.Integer(required=True)
    clock_skew_seconds = fields.Float(required=True, allow_none=True)
    role_changed_at = UtcMoment(required=True)
    last_primary_at = UtcMoment(required=True, allow_none=True)
    stray_reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why it was never let in: it came when nobody wanted it any more; null otherwise."},
    )
    is_retained = fields.Boolean(required=True)
    released_at = UtcMoment(required=True, allow_none=True)
    terminated_at = UtcMoment(required=True, allow_none=True)


InstancePage = page_schema(InstanceAnswer)


class InstancesQuery(PageQuery):
    """Which instances: of one agent, in one role."""

    agent_id = fields.String(load_default=None)
    role = fields.Enum(Role, by_value=True, load_default=None)
