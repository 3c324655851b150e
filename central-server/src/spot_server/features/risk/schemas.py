"""The risk of pools on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import fields

from spot_server.features.risk.evidence_rules import LOOKBACK_HOURS
from spot_server.features.risk.queries import PoolRisk
from spot_server.features.risk.service import ShownRisk
from spot_server.http.fields import UtcMoment
from spot_server.http.schemas import AnswerSchema, page_schema

LOOKBACK_DAYS = int(LOOKBACK_HOURS / 24)


class ChanceAnswer(AnswerSchema):
    """A chance, and the interval that holds it in eight of ten cases."""

    chance = fields.Float(required=True)
    low = fields.Float(required=True)
    high = fields.Float(required=True)


class ChanceAtAgeAnswer(AnswerSchema):
    """The chances for an instance of some age."""

    age_hours = fields.Float(required=True)
    chance_hour = fields.Float(required=True)
    chance_day = fields.Float(required=True)


class AdvisorAnswer(AnswerSchema):
    """What Spot Advisor says of the type in this region."""

    band = fields.Integer(required=True, metadata={"description": "0: under 5 % of instances interrupted in a month, to 4: over 20 %."})
    snapshot_at = UtcMoment(required=True)
    age_seconds = fields.Float(required=True)


class CooldownAnswer(AnswerSchema):
    """A shortage of capacity that is remembered, over or not."""

    until_at = UtcMoment(required=True)
    shortage_count = fields.Integer(required=True)


class PoolRiskBase(AnswerSchema):
    """What everybody may see of a pool's risk."""

    region = fields.String(required=True)
    az_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    product = fields.String(required=True)
    computed_at = UtcMoment(required=True)
    age_seconds = fields.Float(required=True, metadata={"description": "Since it was computed."})
    score = fields.Integer(
        required=True, metadata={"description": "0 to 100; 20 points are ten times the hazard. 100: lost within hours, 0: not in years."}
    )
    next_hour = fields.Nested(
        ChanceAnswer, required=True, metadata={"description": "That an instance launched now is lost within the hour."}
    )
    next_day = fields.Nested(ChanceAnswer, required=True)
    by_age = fields.List(fields.Nested(ChanceAtAgeAnswer), required=True)
    cooldown = fields.Nested(CooldownAnswer, required=True, allow_none=True)
    advisor = fields.Nested(AdvisorAnswer, required=True, allow_none=True)
    model_version = fields.String(required=True)


class OwnInputsAnswer(AnswerSchema):
    """What of the inputs is the client's own. Other clients' instances count as well, and are not shown."""

    lookback_days = fields.Integer(required=True)
    own_instance_hours = fields.Float(required=True)
    own_losses = fields.Integer(required=True)
    newest_own_loss_age_seconds = fields.Float(required=True, allow_none=True)


class PoolRiskAnswer(PoolRiskBase):
    """A pool's risk, as a client sees it."""

    boot_seconds = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "From launch to ready, median of the client's own launches there, or of the type; null: too few."},
    )
    boot_count = fields.Integer(required=True, metadata={"description": "The client's own launches in this pool that were measured."})
    inputs = fields.Nested(OwnInputsAnswer, required=True)


class PoolRisksAnswer(AnswerSchema):
    """The pools that an agent may use, by type and AZ."""

    agent_id = fields.String(required=True)
    items = fields.List(fields.Nested(PoolRiskAnswer), required=True)


class AllInputsAnswer(AnswerSchema):
    """What of all clients went into a pool's risk."""

    lookback_days = fields.Integer(required=True)
    instance_hours = fields.Float(required=True)
    losses = fields.Integer(required=True)
    newest_loss_age_seconds = fields.Float(required=True, allow_none=True)
    log_level = fields.Float(required=True, metadata={"description": "Logarithm of the pool's hazard as a multiple of the traces' one."})
    decayed_losses = fields.Float(required=True)
    own_log_ratio = fields.Float(required=True)
    type_log_ratio = fields.Float(required=True)
    zone_log_ratio = fields.Float(required=True)


class AdminPoolRiskAnswer(PoolRiskBase):
    """A pool's risk, as an admin sees it."""

    pool_id = fields.Integer(required=True)
    boot_seconds = fields.Float(required=True, allow_none=True)
    boot_count = fields.Integer(required=True)
    inputs = fields.Nested(AllInputsAnswer, required=True)


AdminPoolRiskPage = page_schema(AdminPoolRiskAnswer)


def show_risks(agent_id: str, shown: list[ShownRisk]) -> dict[str, Any]:
    """Lay an agent's pools out for PoolRisksAnswer."""
    return {"agent_id": agent_id, "items": [_show_own(one) for one in shown]}


def _show_own(one: ShownRisk) -> dict[str, Any]:
    return {
        **_show(one.risk, one.now),
        "boot_seconds": one.own_boots.seconds,
        "boot_count": one.own_boots.count,
        "inputs": {
            "lookback_days": LOOKBACK_DAYS,
            "own_instance_hours": round(one.own.instance_hours, 2),
            "own_losses": one.own.losses,
            "newest_own_loss_age_seconds": _seconds(one.own.newest_loss_hours_ago),
        },
    }


def show_for_admin(risk: PoolRisk, now: datetime) -> dict[str, Any]:
    """Lay a row out for AdminPoolRiskAnswer. What happened before the computation is older by the age of that."""
    said, age_hours = risk.inputs, (now - risk.computed_at).total_seconds() / 3600
    newest = said["newest_loss_hours_ago"]
    return {
        **_show(risk, now),
        "pool_id": risk.pool_id,
        "boot_seconds": risk.boot_seconds,
        "boot_count": risk.boot_count,
        "inputs": {
            "lookback_days": LOOKBACK_DAYS,
            "instance_hours": round(said["instance_hours"], 2),
            "losses": said["losses"],
            "newest_loss_age_seconds": _seconds(None if newest is None else newest + age_hours),
            "decayed_losses": said["decayed_losses"],
            **{name: said[name] for name in ("log_level", "own_log_ratio", "type_log_ratio", "zone_log_ratio")},
        },
    }


def _show(risk: PoolRisk, now: datetime) -> dict[str, Any]:
    names = ("region", "az_id", "instance_type", "product", "computed_at", "score", "by_age", "model_version")
    advisor = None
    if risk.advisor_snapshot_at is not None:
        age = round((now - risk.advisor_snapshot_at).total_seconds(), 3)
        advisor = {"band": risk.advisor_band, "snapshot_at": risk.advisor_snapshot_at, "age_seconds": age}
    return {
        **{name: getattr(risk, name) for name in names},
        "age_seconds": round((now - risk.computed_at).total_seconds(), 3),
        "next_hour": {"chance": risk.chance_hour, "low": risk.chance_hour_low, "high": risk.chance_hour_high},
        "next_day": {"chance": risk.chance_day, "low": risk.chance_day_low, "high": risk.chance_day_high},
        "cooldown": None if risk.cooldown_until is None else {"until_at": risk.cooldown_until, "shortage_count": risk.shortage_count},
        "advisor": advisor,
    }


def _seconds(hours: float | None) -> float | None:
    return None if hours is None else round(hours * 3600, 3)
