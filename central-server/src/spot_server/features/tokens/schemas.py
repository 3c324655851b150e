"""Tokens on the wire. The secret is in one answer only: that to the request that made it."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from spot_server.features.tokens.rules import GRANTABLE_KINDS, TokenRequest
from spot_server.http.fields import BoundedText, ChoiceText, StrictInteger, UtcMoment
from spot_server.http.schemas import AnswerSchema, PageQuery, StrictSchema, page_schema

MOST_USES = 10_000


class NewTokenSchema(StrictSchema):
    """A token to be made."""

    kind = ChoiceText(GRANTABLE_KINDS, required=True)
    label = BoundedText(least=1, required=True, metadata={"description": "Who or what it is for; the audit log shows it."})
    client_id = BoundedText(least=1, most=36, load_default=None, allow_none=True)
    logical_agent_id_pattern = BoundedText(
        least=1,
        load_default=None,
        allow_none=True,
        metadata={"description": "Enrolment: a logical agent id, or the beginning of one and a `*`."},
    )
    uses_left = StrictInteger(
        least=1, most=MOST_USES, load_default=None, allow_none=True, metadata={"description": "Enrolment: registrations; default 1."}
    )
    expires_at = UtcMoment(load_default=None, allow_none=True, metadata={"description": "Default: never; enrolment: in one day."})

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: object) -> TokenRequest:
        """Build the value that the service takes."""
        return TokenRequest(**data)


class TokenQuery(PageQuery):
    """Filters of the list."""

    client_id = fields.String(load_default=None)


class TokenAnswer(AnswerSchema):
    """A token, without its secret."""

    token_id = fields.String(required=True)
    kind = fields.String(required=True)
    label = fields.String(required=True)
    client_id = fields.String(required=True, allow_none=True)
    agent_id = fields.String(required=True, allow_none=True)
    instance_id = fields.String(required=True, allow_none=True)
    logical_agent_id_pattern = fields.String(required=True, allow_none=True)
    uses_left = fields.Integer(required=True, allow_none=True)
    first_used_at = UtcMoment(required=True, allow_none=True)
    expires_at = UtcMoment(required=True, allow_none=True)
    created_at = UtcMoment(required=True)
    created_by = fields.String(required=True)
    revoked_at = UtcMoment(required=True, allow_none=True)


class MadeTokenAnswer(TokenAnswer):
    """A token that was just made: `token` is shown this once."""

    token = fields.String(required=True)


TokenPage = page_schema(TokenAnswer)
