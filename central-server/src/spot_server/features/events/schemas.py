"""Events on the wire."""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema, fields, validate

from spot_server.features.events.service import FROM_NOW
from spot_server.http.fields import UtcMoment
from spot_server.http.schemas import DEFAULT_PAGE_ROWS, LARGEST_PAGE_ROWS, AnswerSchema, QuerySchema, page_schema

LONGEST_WAIT_SECONDS = 60
LARGEST_SEQUENCE = 2**63 - 1


class EventAnswer(AnswerSchema):
    """Something that happened."""

    sequence = fields.Integer(required=True)
    at = UtcMoment(required=True)
    kind = fields.String(required=True)
    agent_id = fields.String(required=True, allow_none=True)
    instance_id = fields.String(required=True, allow_none=True)
    data = fields.Dict(required=True)


AgentEventPage = page_schema(EventAnswer)


class EventsQuery(QuerySchema):
    """From where, how many, and whether to wait for the first."""

    after = fields.Integer(
        validate=validate.Range(min=FROM_NOW, max=LARGEST_SEQUENCE, error="expected -1 or more"),
        metadata={"description": "The last number seen; left out: from the oldest that is kept; -1: only what happens from now on."},
    )
    limit = fields.Integer(
        load_default=DEFAULT_PAGE_ROWS,
        validate=validate.Range(min=1, max=LARGEST_PAGE_ROWS, error=f"expected a whole number from 1 to {LARGEST_PAGE_ROWS}"),
    )
    wait = fields.Integer(
        load_default=0,
        validate=validate.Range(min=0, max=LONGEST_WAIT_SECONDS, error=f"expected a whole number from 0 to {LONGEST_WAIT_SECONDS}"),
        metadata={"description": "Seconds to wait for the first event."},
    )


class StreamHeaders(Schema):
    """Where a stream goes on."""

    class Meta:
        """marshmallow's options: there are other headers."""

        unknown = EXCLUDE

    last_event_id = fields.Integer(
        data_key="Last-Event-ID",
        validate=validate.Range(min=FROM_NOW, max=LARGEST_SEQUENCE, error="expected -1 or more"),
        metadata={"description": "Of a stream: the last number seen. Browsers send it when they connect again; it goes before `after`."},
    )


class EventsAnswer(AnswerSchema):
    """Events in order, and the number to go on after."""

    items = fields.List(fields.Nested(EventAnswer), required=True)
    next_after = fields.Integer(required=True)
