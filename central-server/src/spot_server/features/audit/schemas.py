"""The audit log on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.http.fields import UtcMoment
from spot_server.http.schemas import AnswerSchema, PageQuery, page_schema


class AuditAnswer(AnswerSchema):
    """Who changed what, when, why, before and after."""

    audit_id = fields.Integer(required=True)
    agent_id = fields.String(required=True, allow_none=True)
    instance_id = fields.String(required=True, allow_none=True)
    at = UtcMoment(required=True)
    user_id = fields.String(required=True)
    action = fields.String(required=True)
    reason = fields.String(required=True)
    request_id = fields.String(required=True, allow_none=True)
    pre_state = fields.Dict(required=True, allow_none=True)
    post_state = fields.Dict(required=True, allow_none=True)


AuditPage = page_schema(AuditAnswer)


class AuditQuery(PageQuery):
    """Which rows."""

    agent_id = fields.String(load_default=None)
