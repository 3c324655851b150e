"""The shape of a problem document, for the OpenAPI file."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields


class InvalidFieldSchema(Schema):
    """One field that cannot be used, as `errors` lists them."""

    field = fields.String(metadata={"description": "Where, with dots: `settings.carry`, `prices.0.az_id`."})
    value = fields.Raw(allow_none=True, metadata={"description": "What was sent, shortened."})
    reason = fields.String(metadata={"description": "What would be right."})


class RefusedPlaceSchema(Schema):
    """A place that does not fit, and why; the same as in a dry run's answer."""

    mode = fields.String(required=True)
    instance_type = fields.String(required=True)
    az_id = fields.String(required=True)
    reason = fields.String(required=True)


def _of(description: str) -> dict[str, str]:
    return {"description": description}


class ProblemSchema(Schema):
    """An error as RFC 9457 has it. What more there is depends on `type`; readers ignore members that they do not know."""

    class Meta:
        """marshmallow's options: extension members are allowed, as RFC 9457, section 3.2 has it."""

        unknown = INCLUDE

    type = fields.String(required=True, metadata=_of("A path that names the kind of problem, such as `/problems/not-found`."))
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata=_of("This case, for a person."))
    request_id = fields.String(allow_none=True, metadata=_of("Finds the request in the server's log."))
    errors = fields.List(fields.Nested(InvalidFieldSchema), metadata=_of("With 422: every field that cannot be used."))
    refused = fields.List(fields.Nested(RefusedPlaceSchema), metadata=_of("With move-refused: every place, and what speaks against it."))
    retry_after_seconds = fields.Integer(metadata=_of("With 425, 429 and 503; the header Retry-After says the same."))
    field = fields.String(metadata=_of("With 404 and 409: the field that names what is missing or taken."))
    value = fields.Raw(allow_none=True, metadata=_of("What `field` was, shortened."))
    fields_ = fields.List(fields.String(), data_key="fields", metadata=_of("With settings-conflict: the settings that exclude each other."))
    agent_id = fields.String(metadata=_of("The agent whose state is in the way."))
    switch_id = fields.String(metadata=_of("The move that is in the way."))
    switch_status = fields.String(metadata=_of("With state-conflict: what the move is now."))
    instance_id = fields.String(metadata=_of("The instance that is in the way."))
