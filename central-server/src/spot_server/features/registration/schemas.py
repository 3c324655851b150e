"""Registration on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from spot_server.features.agent_config.schemas import (
    DaemonConfigAnswer,
    InstanceTypeText,
    LaunchSpecificationSchema,
    SeedSettingsSchema,
)
from spot_server.features.instances.schemas import ConfigurationSchema
from spot_server.features.registration.arrivals import NewRegistration
from spot_server.http.fields import BoundedText, UtcMoment
from spot_server.http.schemas import AnswerSchema, TolerantSchema
from spot_server.words import InstanceStatus, Mode

LOGICAL_AGENT_ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"


class LogicalAgentIdText(BoundedText):
    """A logical agent id: letters, digits, and . _ : - after the first character."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Check the shape."""
        super().__init__(least=1, most=128, **kwargs)
        self.validators.append(validate.Regexp(LOGICAL_AGENT_ID, error="expected letters, digits and . _ : - only"))


class ModeEvidenceSchema(TolerantSchema):
    """What metadata and API each say of the mode."""

    metadata = BoundedText(most=32, allow_none=True)
    api = BoundedText(most=32, allow_none=True)


class RegistrationSchema(TolerantSchema):
    """What an instance says of itself when it registers."""

    logical_agent_id = LogicalAgentIdText(required=True)
    instance_id = BoundedText(least=1, most=64, required=True)
    instance_type = InstanceTypeText(required=True)
    region = BoundedText(least=1, most=32, required=True)
    az_id = BoundedText(least=1, most=32, required=True)
    az_name = BoundedText(least=1, most=32, required=True)
    product = BoundedText(least=1, most=64, load_default="Linux/UNIX")
    architecture = BoundedText(least=1, most=32, required=True)
    mode = fields.Enum(Mode, by_value=True, required=True)
    mode_evidence = fields.Nested(ModeEvidenceSchema, load_default=dict)
    daemon_version = BoundedText(least=1, most=64, required=True)
    image_id = BoundedText(most=64, allow_none=True, load_default=None)
    account_id = BoundedText(most=32, allow_none=True, load_default=None)
    private_ip = BoundedText(most=64, allow_none=True, load_default=None)
    hostname = BoundedText(most=255, allow_none=True, load_default=None)
    launched_at = UtcMoment(
        allow_none=True, load_default=None, metadata={"description": "EC2's word on it: pendingTime of the instance identity document."}
    )
    booted_at = UtcMoment(
        allow_none=True,
        load_default=None,
        metadata={"description": "By its own clock. What cannot be is corrected, never refused."},
    )
    owner = BoundedText(most=255, allow_none=True, load_default=None)
    settings = fields.Nested(SeedSettingsSchema, load_default=dict)
    launch_specification = fields.Nested(LaunchSpecificationSchema, allow_none=True, load_default=None)
    configuration = fields.Nested(ConfigurationSchema, allow_none=True, load_default=None)

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: Any) -> NewRegistration:  # noqa: ANN401 - marshmallow's own options
        """Return the value that the use case takes."""
        return NewRegistration(**data)


class RegisteredAnswer(AnswerSchema):
    """The instance's place, its token (shown only here), and its configuration."""

    agent_id = fields.String(required=True, attribute="config.agent.agent_id")
    instance_id = fields.String(required=True, attribute="config.instance_id")
    token = fields.String(required=True)
    instance_status = fields.Enum(InstanceStatus, by_value=True, required=True, attribute="config.instance_status")
    is_primary = fields.Boolean(required=True, attribute="config.is_primary")
    epoch = fields.Integer(required=True, attribute="config.agent.epoch")
    config = fields.Nested(DaemonConfigAnswer, required=True)
