"""Decisions and models on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from spot_server.features.decisions.registry import NewModel
from spot_server.http.fields import BoundedText, StrictInteger, UtcMoment
from spot_server.http.schemas import AnswerSchema, PageQuery, QuerySchema, StrictSchema, page_schema
from spot_server.words import Action, AnswerKind

MOST_PARAMETERS = 50
MOST_DAYS = 90


class DecisionQuery(PageQuery):
    """Which decisions to list."""

    shadows = fields.Boolean(load_default=False, metadata={"description": "List those of models in the shadow too, which nobody acts on."})


class DecisionAnswer(AnswerSchema):
    """What a model said of an agent, for as long as it said the same."""

    decision_id = fields.String(required=True)
    agent_id = fields.String(required=True)
    model_id = fields.String(required=True)
    is_shadow = fields.Boolean(required=True)
    action = fields.Enum(Action, by_value=True, required=True)
    target = fields.String(required=True, allow_none=True, metadata={"description": "mode/type/AZ id, such as spot/m5.large/use1-az1."})
    confidence = fields.Float(required=True, metadata={"description": "From 0 to 1."})
    reasoning = fields.String(required=True)
    rejected = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata={"description": "Why not, by mode/type/AZ id."}
    )
    answer = fields.Enum(
        AnswerKind, by_value=True, required=True, metadata={"description": "All but `answered` count as STAY, and `failure` says why."}
    )
    failure = fields.String(required=True, allow_none=True)
    latency_ms = fields.Float(required=True)
    first_tick_at = UtcMoment(required=True)
    last_tick_at = UtcMoment(required=True, metadata={"description": "Confidence, reasoning and rejected places are those of this tick."})
    tick_count = fields.Integer(required=True, metadata={"description": "How many ticks in a row it said so."})
    input_sha256 = fields.String(required=True)
    held_back_because = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it was not acted on; null: it was, or there was nothing to do."}
    )
    acted_at = UtcMoment(required=True, allow_none=True)
    switch_id = fields.String(required=True, allow_none=True)
    replica_id = fields.String(required=True, allow_none=True)


DecisionPage = page_schema(DecisionAnswer)


class ExplanationAnswer(AnswerSchema):
    """Why an agent runs where it does, by the acting model, as of now."""

    agent_id = fields.String(required=True, attribute="scene.agent.agent_id")
    is_on_demand = fields.Boolean(required=True)
    instance_type = fields.String(required=True, attribute="scene.primary.instance_type")
    az_id = fields.String(required=True, attribute="scene.primary.az_id")
    mode = fields.String(required=True, attribute="scene.primary.mode")
    since = UtcMoment(required=True)
    model_id = fields.String(required=True, attribute="scene.model.model_id")
    answer = fields.String(required=True, metadata={"description": "In words, for a person."})
    action = fields.Enum(Action, by_value=True, required=True, attribute="decision.action")
    target = fields.String(required=True, allow_none=True, attribute="decision.target")
    confidence = fields.Float(required=True, attribute="decision.confidence")
    rejected = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        attribute="decision.rejected",
        metadata={"description": "Why not, by mode/type/AZ id."},
    )
    quiet_hours = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "From how many days its hours are known, and when it is quietest; null: too little is known."},
    )
    activity_ratio = fields.Float(
        required=True,
        allow_none=True,
        attribute="scene.given.calendar.activity_ratio",
        metadata={"description": "How busy it usually is at this hour, by its average hour (1.0); null: too little is known."},
    )
    quiet_ratio = fields.Float(
        required=True,
        allow_none=True,
        attribute="scene.given.calendar.quiet_ratio",
        metadata={"description": "The same of the quietest hour of the next day in which it may be moved; null: none is quieter."},
    )
    quiet_at = UtcMoment(required=True, allow_none=True, attribute="scene.given.calendar.quiet_at")


class ModelAnswer(AnswerSchema):
    """A registered version of a model."""

    model_id = fields.String(required=True, attribute="model.model_id")
    plugin = fields.String(required=True, attribute="model.plugin")
    model_version = fields.String(required=True, attribute="model.model_version")
    parameters = fields.Dict(required=True, attribute="model.parameters")
    description = fields.String(required=True)
    created_at = UtcMoment(required=True)
    created_by = fields.String(required=True)


class ActivationAnswer(AnswerSchema):
    """Which models decide since when."""

    activation_id = fields.Integer(required=True)
    acting_model_id = fields.String(required=True)
    challenger_model_id = fields.String(required=True, allow_none=True)
    challenger_percent = fields.Integer(required=True)
    reason = fields.String(required=True)
    activated_at = UtcMoment(required=True)
    activated_by = fields.String(required=True)


class RegistryAnswer(AnswerSchema):
    """Every version, and which decide: the first activation holds."""

    models = fields.List(fields.Nested(ModelAnswer), required=True)
    activations = fields.List(fields.Nested(ActivationAnswer), required=True)


def _plain_numbers(parameters: dict[str, Any]) -> None:
    for name, value in parameters.items():
        if isinstance(value, dict | list):
            raise ValidationError(f"{name}: expected a number, text, true or false")


class NewModelSchema(StrictSchema):
    """A version to be registered."""

    plugin = BoundedText(required=True, least=1, most=64, metadata={"description": "`expected_cost`, or the name of an entry point."})
    model_version = BoundedText(required=True, least=1, most=64, metadata={"description": "Such as 2, or 2026-11-21."})
    parameters = fields.Dict(
        keys=BoundedText(least=1, most=64),
        load_default=dict,
        validate=[validate.Length(max=MOST_PARAMETERS), _plain_numbers],
        metadata={"description": "What the plug-in is made with, by name; see docs/decisions.md."},
    )
    description = BoundedText(most=1000, load_default="")

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: object) -> NewModel:
        """Build the value that the service takes."""
        return NewModel(**data)


class NewActivationSchema(StrictSchema):
    """Which models are to decide from the next tick on."""

    challenger_model_id = BoundedText(least=1, most=36, load_default=None, allow_none=True)
    challenger_percent = StrictInteger(
        least=0,
        most=100,
        load_default=0,
        metadata={"description": "For how many of a hundred agents the challenger acts; for the others it is a shadow."},
    )
    reason = BoundedText(most=1000, load_default="")


class RollBackSchema(StrictSchema):
    """Let those decide that did before."""

    reason = BoundedText(most=1000, load_default="")


class ReportQuery(QuerySchema):
    """Over how many days models are compared."""

    days = fields.Integer(
        load_default=7,
        validate=validate.Range(min=1, max=MOST_DAYS, error=f"expected a whole number from 1 to {MOST_DAYS}"),
        error_messages={"invalid": f"expected a whole number from 1 to {MOST_DAYS}"},
    )


class ModelReportAnswer(AnswerSchema):
    """What a model did, acting or as a shadow."""

    model_id = fields.String(required=True, attribute="model.model_id")
    plugin = fields.String(required=True, attribute="model.plugin")
    model_version = fields.String(required=True, attribute="model.model_version")
    is_shadow = fields.Boolean(required=True)
    decision_count = fields.Integer(required=True)
    switch_count = fields.Integer(required=True, metadata={"description": "Decisions that said SWITCH, each tick counted."})
    replica_count = fields.Integer(required=True)
    failed_count = fields.Integer(required=True)
    slow_count = fields.Integer(required=True)
    off_schema_count = fields.Integer(required=True)
    agreed_share = fields.Float(required=True, allow_none=True, metadata={"description": "How often the other model said the same."})
    latency_ms = fields.Float(required=True)
    price_share_of_on_demand = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Price where the agents ran, by the price on demand; per tick, on average."},
    )
    moves_begun = fields.Integer(required=True, attribute="moves.begun")
    moves_completed = fields.Integer(required=True, attribute="moves.completed")
    downtime_ms = fields.Integer(required=True, attribute="moves.downtime_ms")
    lost_within_day = fields.Integer(
        required=True, attribute="moves.lost_within_day", metadata={"description": "New instances that EC2 took within 24 hours."}
    )


class ComparisonAnswer(AnswerSchema):
    """The models side by side."""

    days = fields.Integer(required=True)
    models = fields.List(fields.Nested(ModelReportAnswer), required=True)
