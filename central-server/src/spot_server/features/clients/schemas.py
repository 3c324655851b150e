"""Clients on the wire."""

from __future__ import annotations

from marshmallow import ValidationError, fields, post_load, validate

from spot_server.features.clients.rules import (
    EXTERNAL_ID_EXPECTED,
    EXTERNAL_ID_PATTERN,
    QUEUE_URL_EXPECTED,
    QUEUE_URL_PATTERN,
    ROLE_ARN_EXPECTED,
    ROLE_ARN_PATTERN,
)
from spot_server.features.clients.service import NewClient
from spot_server.http.fields import BoundedText, UtcMoment
from spot_server.http.schemas import AnswerSchema, StrictSchema, page_schema
from spot_server.time_zones import is_time_zone


def check_time_zone(name: str) -> None:
    """Refuse what is not an IANA time zone."""
    if not is_time_zone(name):
        raise ValidationError("expected an IANA time zone such as Europe/Berlin")


class NewClientSchema(StrictSchema):
    """A client to be made."""

    name = BoundedText(least=1, required=True)
    aws_role_arn = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(ROLE_ARN_PATTERN, error=f"expected {ROLE_ARN_EXPECTED}"),
        metadata={"description": "The role that the server may assume for this client; null: its daemons act."},
    )
    aws_external_id = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(EXTERNAL_ID_PATTERN, error=f"expected {EXTERNAL_ID_EXPECTED}"),
        metadata={"description": "With a role only; left out or null: one is made up, which is safer."},
    )
    fis_role_arn = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(ROLE_ARN_PATTERN, error=f"expected {ROLE_ARN_EXPECTED}"),
        metadata={"description": "The role that AWS FIS takes on for game days; with a control role only. null: none are played on AWS."},
    )
    notice_queue_url = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(QUEUE_URL_PATTERN, error=f"expected {QUEUE_URL_EXPECTED}"),
        metadata={"description": "The SQS queue to which its EventBridge sends notices; with a control role only."},
    )
    time_zone = fields.String(load_default="UTC", validate=check_time_zone)

    @post_load
    def make(self, data: dict[str, str], **_kwargs: object) -> NewClient:
        """Build the value that the service takes."""
        return NewClient(**data)


class ClientAnswer(AnswerSchema):
    """A client."""

    client_id = fields.String(required=True)
    name = fields.String(required=True)
    aws_role_arn = fields.String(required=True, allow_none=True)
    aws_external_id = fields.String(
        required=True, allow_none=True, metadata={"description": "For the condition sts:ExternalId in the role's trust policy."}
    )
    fis_role_arn = fields.String(required=True, allow_none=True)
    notice_queue_url = fields.String(required=True, allow_none=True)
    time_zone = fields.String(required=True)
    created_at = UtcMoment(required=True)


ClientPage = page_schema(ClientAnswer)


class WhoAnswer(AnswerSchema):
    """Who the caller is. The client members are null for an admin."""

    kind = fields.String(required=True)
    label = fields.String(required=True)
    token_id = fields.String(required=True)
    expires_at = UtcMoment(required=True, allow_none=True)
    client_id = fields.String(required=True, allow_none=True)
    client_name = fields.String(required=True, allow_none=True)
    time_zone = fields.String(required=True, allow_none=True)
