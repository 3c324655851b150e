"""Settings on the wire: the client writes them strictly, a daemon seeds and reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate, validates_schema

from spot_server.features.agent_config.handle_schemas import MOST_HANDLES, TrafficHandleSchema, refuse_twins
from spot_server.features.agent_config.rules import (
    CLEANUP_DAYS_MAX,
    IMAGE_REFRESH_HOURS_MAX,
    MOVES_PER_DAY_MAX,
    REBALANCE_HOLD_SECONDS_MAX,
    SETTING_NAMES,
    TERMINATE_WAIT_SECONDS_MAX,
    VALUE_PER_MINUTE_USD_MAX,
)
from spot_server.features.agent_config.volume_schemas import MOST_VOLUMES, DataVolumeSchema, refuse_shared_places
from spot_server.features.agent_config.window_schemas import MaintenanceWindowSchema
from spot_server.features.autonomy.schemas import PlanAnswer
from spot_server.features.pricing.market_rules import INSTANCE_TYPE
from spot_server.http.fields import BoundedText, StrictBoolean, StrictInteger, UsdAmount, UtcMoment
from spot_server.http.schemas import AnswerSchema, StrictSchema, TolerantSchema
from spot_server.words import Carry, InstanceStatus

MOST_TYPES = 100
MOST_ENTRIES = 50

REQUEST_ID = {"description": "Makes the request repeatable: sent again it changes nothing; with another body under it, it is a 409."}

IMAGE_ID = r"ami-[0-9a-z]+"


class InstanceTypeText(BoundedText):
    """An EC2 instance type such as m5.large."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Check the shape; whether EC2 offers it is the daemons' to say."""
        super().__init__(least=3, most=64, **kwargs)
        self.validators.append(validate.Regexp(f"^{INSTANCE_TYPE}$", error="expected an instance type such as m5.large"))


_HANDLES: list[Callable[[Any], Any]] = [validate.Length(max=MOST_HANDLES), refuse_twins]
_VOLUMES: list[Callable[[Any], Any]] = [validate.Length(max=MOST_VOLUMES), refuse_shared_places]


_ENABLED = validate.OneOf(["enabled"], error='expected "enabled"')
_ENABLED_OR_NOT = validate.OneOf(["enabled", "disabled"], error='expected "enabled" or "disabled"')


class MetadataOptionsSchema(TolerantSchema):
    """How a launched instance's metadata service is set; version 2 only."""

    HttpTokens = fields.String(load_default="required", validate=validate.OneOf(["required"], error='expected "required"'))
    HttpPutResponseHopLimit = StrictInteger(least=1, most=64, load_default=1)
    HttpEndpoint = fields.String(validate=_ENABLED, metadata={"description": "The daemon cannot do without it."})
    HttpProtocolIpv6 = fields.String(validate=_ENABLED_OR_NOT)
    InstanceMetadataTags = fields.String(validate=_ENABLED_OR_NOT)


class LaunchSpecificationSchema(TolerantSchema):
    """What a replica is launched with: one subnet per AZ id of one VPC."""

    vpc_id = BoundedText(least=1, most=64, required=True)
    subnets = fields.Dict(
        keys=BoundedText(least=1, most=32),
        values=BoundedText(least=1, most=64),
        required=True,
        validate=validate.Length(min=1, max=MOST_ENTRIES),
        metadata={"description": "AZ id to subnet id."},
    )
    security_group_ids = fields.List(BoundedText(least=1, most=64), required=True, validate=validate.Length(min=1, max=16))
    iam_instance_profile_arn = BoundedText(least=1, most=255, allow_none=True, load_default=None)
    key_name = BoundedText(least=1, most=255, allow_none=True, load_default=None)
    metadata_options = fields.Nested(MetadataOptionsSchema, load_default=lambda: {"HttpTokens": "required", "HttpPutResponseHopLimit": 1})
    tags = fields.Dict(
        keys=BoundedText(least=1, most=128), values=BoundedText(most=256), load_default=dict, validate=validate.Length(max=MOST_ENTRIES)
    )


class _DaemonSettings(Schema):
    """The settings that a daemon's environment may seed and that it is told."""

    auto_terminate_enabled = StrictBoolean()
    terminate_wait_seconds = StrictInteger(least=0, most=TERMINATE_WAIT_SECONDS_MAX)
    create_snapshot_on_switch = StrictBoolean()
    carry = fields.Enum(Carry, by_value=True)
    allowed_instance_types = fields.List(InstanceTypeText(), validate=validate.Length(max=MOST_TYPES))
    traffic_handles = fields.List(fields.Nested(TrafficHandleSchema), validate=_HANDLES)
    data_volumes = fields.List(fields.Nested(DataVolumeSchema), validate=_VOLUMES)
    cleanup_snapshots_older_than_days = StrictInteger(least=1, most=CLEANUP_DAYS_MAX)
    cleanup_images_older_than_days = StrictInteger(least=1, most=CLEANUP_DAYS_MAX)
    image_refresh_hours = StrictInteger(
        least=0,
        most=IMAGE_REFRESH_HOURS_MAX,
        metadata={"description": "How old the newest image of an agent with state may become before another is made; 0: none is."},
    )


class SeedSettingsSchema(_DaemonSettings, TolerantSchema):
    """What a daemon's environment says of its agent's settings; counts at the first registration only."""

    traffic_handles = fields.List(fields.Nested(TrafficHandleSchema, unknown=EXCLUDE), validate=_HANDLES)
    data_volumes = fields.List(fields.Nested(DataVolumeSchema, unknown=EXCLUDE), validate=_VOLUMES)


class _Settings(_DaemonSettings):
    """Every setting that a person may change."""

    enabled = StrictBoolean()
    auto_switch_enabled = StrictBoolean()
    manual_replica_enabled = StrictBoolean()
    replica_count = StrictInteger(least=0, most=1)
    rebalance_hold_seconds = StrictInteger(least=0, most=REBALANCE_HOLD_SECONDS_MAX)
    launch_specification = fields.Nested(LaunchSpecificationSchema, unknown=RAISE, allow_none=True)
    base_image_id = BoundedText(least=5, most=64, allow_none=True)
    failover_when_silent = StrictBoolean()
    early_replica_on_warning = StrictBoolean(
        metadata={"description": "Hold a replica when another instance was taken in the primary's pool, as on a recommendation."}
    )
    safe_to_run_twice = StrictBoolean(
        metadata={
            "description": "Two instances may serve at once: a rescue of a stateless workload does not wait until the old one has ended."
        }
    )
    value_per_minute_usd = UsdAmount(
        validate=validate.Range(max=VALUE_PER_MINUTE_USD_MAX, error=f"expected an amount from 0 to {VALUE_PER_MINUTE_USD_MAX}"),
        metadata={"description": "What a minute without the workload costs its owner: what decisions weigh losses and moves by."},
    )
    moves_per_day = StrictInteger(
        least=0, most=MOVES_PER_DAY_MAX, metadata={"description": "Planned moves that decisions may begin within 24 hours; 0: none."}
    )
    min_saving_percent = StrictInteger(
        least=0, most=100, metadata={"description": "What a move must save of what staying costs, losses included."}
    )
    maintenance_window = fields.Nested(
        MaintenanceWindowSchema,
        unknown=RAISE,
        allow_none=True,
        metadata={"description": "When decisions may move the agent; null: always. Notices and losses move it whenever they come."},
    )


class ConfigChangeSchema(_Settings, StrictSchema):
    """Any of the settings; the ones left out stay as they are."""

    reason = BoundedText(most=1000, load_default="", metadata={"description": "Why; kept in the audit log."})
    request_id = BoundedText(least=1, most=128, load_default=None, allow_none=True, metadata=REQUEST_ID)

    @validates_schema
    def require_a_setting(self, data: dict[str, Any], **_kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Refuse a change that names nothing to change."""
        if not set(data) - {"reason", "request_id"}:
            raise ValidationError(f"names no setting; expected one or more of {', '.join(SETTING_NAMES)}")


class ToggleSchema(StrictSchema):
    """Whether the agent is moved. There is no "the opposite": a request that is sent twice must mean the same twice."""

    enabled = StrictBoolean(required=True)
    reason = BoundedText(most=1000, load_default="")
    request_id = BoundedText(least=1, most=128, load_default=None, allow_none=True, metadata=REQUEST_ID)


class AdoptionSchema(StrictSchema):
    """Why the primary's present configuration is to be what new instances are launched as."""

    reason = BoundedText(most=1000, load_default="", metadata={"description": "Why; kept in the audit log."})
    request_id = BoundedText(least=1, most=128, load_default=None, allow_none=True, metadata=REQUEST_ID)


class SettingsAnswer(_Settings, AnswerSchema):
    """Every setting as it now is, and the number of this state."""

    agent_id = fields.String(required=True)
    logical_agent_id = fields.String(required=True)
    config_version = fields.Integer(required=True)
    deleted_at = UtcMoment(required=True, allow_none=True)

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Say of each setting that it is always there."""
        field_obj.required = True


class DaemonConfigAnswer(AnswerSchema):
    """All that a daemon works by."""

    agent_id = fields.String(required=True, attribute="agent.agent_id")
    logical_agent_id = fields.String(required=True, attribute="agent.logical_agent_id")
    instance_id = fields.String(required=True)
    instance_status = fields.Enum(InstanceStatus, by_value=True, required=True)
    is_primary = fields.Boolean(required=True)
    epoch = fields.Integer(required=True, attribute="agent.epoch")
    config_version = fields.Integer(required=True, attribute="agent.config_version")
    has_control_role = fields.Boolean(
        required=True, metadata={"description": "Images, launches and terminations are made by the server itself."}
    )
    enabled = fields.Boolean(required=True, attribute="agent.enabled")
    auto_switch_enabled = fields.Boolean(required=True, attribute="agent.auto_switch_enabled")
    manual_replica_enabled = fields.Boolean(required=True, attribute="agent.manual_replica_enabled")
    replica_count = fields.Integer(required=True, attribute="agent.replica_count")
    auto_terminate_enabled = fields.Boolean(required=True, attribute="agent.auto_terminate_enabled")
    terminate_wait_seconds = fields.Integer(required=True, attribute="agent.terminate_wait_seconds")
    rebalance_hold_seconds = fields.Integer(required=True, attribute="agent.rebalance_hold_seconds")
    create_snapshot_on_switch = fields.Boolean(required=True, attribute="agent.create_snapshot_on_switch")
    carry = fields.Enum(Carry, by_value=True, required=True, attribute="agent.carry")
    allowed_instance_types = fields.List(fields.String(), required=True, attribute="agent.allowed_instance_types")
    traffic_handles = fields.List(fields.Dict(), required=True, attribute="agent.traffic_handles")
    data_volumes = fields.List(fields.Dict(), required=True, attribute="agent.data_volumes")
    cleanup_snapshots_older_than_days = fields.Integer(required=True, attribute="agent.cleanup_snapshots_older_than_days")
    cleanup_images_older_than_days = fields.Integer(required=True, attribute="agent.cleanup_images_older_than_days")
    image_refresh_hours = fields.Integer(required=True, attribute="agent.image_refresh_hours")
    images_to_keep = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Images that no cleanup may take, however old: what is launched from now, or would be."},
    )
    heartbeat_interval_seconds = fields.Integer(required=True, attribute="intervals.heartbeat_interval_seconds")
    pending_commands_check_interval_seconds = fields.Integer(required=True, attribute="intervals.pending_commands_check_interval_seconds")
    command_wait_seconds = fields.Integer(required=True, attribute="intervals.command_wait_seconds")
    pricing_report_interval_seconds = fields.Integer(required=True, attribute="intervals.pricing_report_interval_seconds")
    plan = fields.Nested(
        PlanAnswer,
        required=True,
        allow_none=True,
        metadata={"description": "What this instance may do while the server is away; null: nothing."},
    )
