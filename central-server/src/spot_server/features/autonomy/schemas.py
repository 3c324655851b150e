"""Plans and claims on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.http.fields import BoundedText, StrictInteger, UtcMoment
from spot_server.http.schemas import AnswerSchema, TolerantSchema


class PlanAnswer(AnswerSchema):
    """What the daemons of the two instances that it names may do while the server is away."""

    plan_id = fields.String(required=True, attribute="plan.plan_id")
    epoch = fields.Integer(
        required=True, attribute="plan.epoch", metadata={"description": "Under which the successor becomes the PRIMARY."}
    )
    predecessor_instance_id = fields.String(required=True, attribute="plan.predecessor_instance_id")
    successor_instance_id = fields.String(required=True, attribute="plan.successor_instance_id")
    successor_replica_id = fields.String(required=True, attribute="plan.successor_replica_id")
    allocation_id = fields.String(
        required=True,
        attribute="plan.allocation_id",
        metadata={"description": "The Elastic IP that is the claim: the successor must get it without taking it from anybody."},
    )
    valid_seconds = fields.Integer(required=True, metadata={"description": "For how long after the server's last word it may be acted on."})


class ClaimSchema(TolerantSchema):
    """What a successor did on its own: the evidence that the server re-checks."""

    plan_id = BoundedText(least=1, most=64, required=True)
    epoch = StrictInteger(required=True)
    predecessor_instance_id = BoundedText(least=1, most=64, required=True)
    allocation_id = BoundedText(least=1, most=64, required=True)
    claimed_at = UtcMoment(required=True)
    handed_over_at = UtcMoment(
        load_default=None, allow_none=True, metadata={"description": "When the predecessor's daemon said that it serves no more."}
    )


class ClaimAnswerSchema(AnswerSchema):
    """The claimant is the PRIMARY in the book too."""

    epoch = fields.Integer(required=True)
    switch_id = fields.String(required=True, allow_none=True, metadata={"description": "The move that records it; null: recorded before."})
