"""The shape of a problem document, for the OpenAPI file."""

from __future__ import annotations

from marshmallow import Schema, fields


class InvalidFieldSchema(Schema):
    """One field that cannot be used."""

    field = fields.String(metadata={"description": "Where, with dots: `settings.carry`, `prices.0.az_id`."})
    value = fields.Raw(allow_none=True, metadata={"description": "What was sent, shortened."})
    reason = fields.String(metadata={"description": "What would be right."})


class ProblemSchema(Schema):
    """An error as RFC 9457 has it. Other members depend on `type`."""

    type = fields.String(required=True, metadata={"description": "A path that names the kind of problem, such as `/problems/not-found`."})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "This case, for a person."})
    request_id = fields.String(allow_none=True, metadata={"description": "Finds the request in the server's log."})
    errors = fields.List(fields.Nested(InvalidFieldSchema))
    retry_after_seconds = fields.Integer()
