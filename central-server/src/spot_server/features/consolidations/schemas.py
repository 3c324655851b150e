"""Consolidations on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.http.fields import UtcMoment
from spot_server.http.schemas import AnswerSchema, page_schema
from spot_server.words import ConsolidationStatus


class ConsolidationAnswer(AnswerSchema):
    """One consolidation of prices; its counts grow while it runs. rows_in = rows_merged + rows_refused + rows_out - rows_interpolated."""

    job_id = fields.String(required=True)
    status = fields.Enum(ConsolidationStatus, by_value=True, required=True)
    window_until = UtcMoment(required=True, metadata={"description": "Up to where prices were taken; each pool from where it stood."})
    started_at = UtcMoment(required=True)
    finished_at = UtcMoment(required=True, allow_none=True)
    pools = fields.Integer(required=True)
    rows_in = fields.Integer(required=True, metadata={"description": "Rows of the staging tier that were read."})
    rows_merged = fields.Integer(required=True, metadata={"description": "Rows of which another one of the same five minutes stands."})
    rows_refused = fields.Integer(required=True, metadata={"description": "Rows above ten times the on-demand price."})
    rows_interpolated = fields.Integer(required=True, metadata={"description": "Rows that nobody saw, marked as such."})
    rows_out = fields.Integer(required=True, metadata={"description": "Rows written, the interpolated ones included."})
    seconds = fields.Float(required=True, metadata={"description": "How long the work took, times between restarts left out."})


ConsolidationPage = page_schema(ConsolidationAnswer)
