"""Prices as clients are shown them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from marshmallow import fields, validate

from spot_server.features.agent_config.schemas import InstanceTypeText
from spot_server.features.pricing.chart_rules import MOST_POINTS
from spot_server.features.pricing.on_demand import OnDemandPrice
from spot_server.features.pricing.queries import PoolPrice
from spot_server.features.pricing.rules import BUCKET_SECONDS
from spot_server.features.pricing.service import InstancePricing
from spot_server.http.fields import BoundedText, UsdAmount, UtcMoment
from spot_server.http.schemas import AnswerSchema, QuerySchema
from spot_server.words import Mode, PriceSource

WIDEST_BUCKET_SECONDS = 31 * 86_400


class OnDemandAnswer(AnswerSchema):
    """The on-demand price, where it is from (`price_list`: AWS's Price List API; `catalogue`: a file) and of when."""

    usd_per_hour = UsdAmount(required=True)
    observed_at = UtcMoment(required=True)
    age_seconds = fields.Float(required=True)
    source = fields.String(required=True)


class TypeOnDemandAnswer(OnDemandAnswer):
    """What one type costs on demand in the region."""

    instance_type = fields.String(required=True)


class PoolPriceAnswer(AnswerSchema):
    """The current price of a pool, who saw it and when."""

    pool_id = fields.Integer(required=True)
    az_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    usd_per_hour = UsdAmount(required=True)
    observed_at = UtcMoment(required=True)
    age_seconds = fields.Float(required=True)
    source = fields.Enum(PriceSource, by_value=True, required=True)
    has_subnet = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "Whether the agent can be launched in this zone by its launch specification; null: it has none."},
    )


class PricingAnswer(AnswerSchema):
    """What an instance's markets cost now; null and empty where nothing is known."""

    instance_id = fields.String(required=True)
    agent_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    region = fields.String(required=True)
    az_id = fields.String(required=True)
    product = fields.String(required=True)
    mode = fields.Enum(Mode, by_value=True, required=True)
    current = fields.Nested(PoolPriceAnswer, required=True, allow_none=True)
    pools = fields.List(fields.Nested(PoolPriceAnswer), required=True)
    on_demand = fields.Nested(
        OnDemandAnswer, required=True, allow_none=True, metadata={"description": "Of the instance's own type; null: not known."}
    )
    on_demand_prices = fields.List(
        fields.Nested(TypeOnDemandAnswer), required=True, metadata={"description": "Of each type that the agent may use, where known."}
    )


def show_pricing(pricing: InstancePricing) -> dict[str, Any]:
    """Lay prices out for PricingAnswer, each with its age."""
    names = ("instance_id", "agent_id", "instance_type", "region", "az_id", "product", "mode")
    on_demand = {name: _aged(price, pricing.now) for name, price in sorted(pricing.on_demand.items())}
    return {
        **{name: getattr(pricing.instance, name) for name in names},
        "current": None if pricing.current is None else _pool(pricing.current, pricing),
        "pools": [_pool(pool, pricing) for pool in pricing.pools],
        "on_demand": on_demand.get(pricing.instance.instance_type),
        "on_demand_prices": [{"instance_type": name, **price} for name, price in on_demand.items()],
    }


def tag_of(pricing: InstancePricing) -> str:
    """Return a text that changes when the answer tells anything else than other ages."""
    return repr((pricing.instance.agent_id, pricing.instance.mode, pricing.pools, sorted(pricing.on_demand.items()), pricing.zones))


def _pool(price: PoolPrice, pricing: InstancePricing) -> dict[str, Any]:
    return {**_aged(price, pricing.now), "has_subnet": None if pricing.zones is None else price.az_id in pricing.zones}


def _aged(price: PoolPrice | OnDemandPrice, now: datetime) -> dict[str, Any]:
    return {**asdict(price), "age_seconds": round((now - price.observed_at) / timedelta(seconds=1), 3)}


class HistoryQuery(QuerySchema):
    """Which window, how fine, and which of the agent's pools."""

    since = UtcMoment(load_default=None, metadata={"description": "Default: seven days before `until`."})
    until = UtcMoment(load_default=None, metadata={"description": "Left out itself. Default: the end of the present five minutes."})
    bucket_seconds = fields.Integer(
        load_default=None,
        validate=validate.Range(
            min=BUCKET_SECONDS, max=WIDEST_BUCKET_SECONDS, error=f"expected a whole number from {BUCKET_SECONDS} to {WIDEST_BUCKET_SECONDS}"
        ),
        metadata={
            "description": "Default: 300 for windows up to two days, then an hour, six hours or a day. "
            f"What gives more than {MOST_POINTS} points in all is refused with the least width that does not."
        },
    )
    instance_type = InstanceTypeText(load_default=None, metadata={"description": "Only pools of this type."})
    az_id = BoundedText(least=1, most=32, load_default=None, metadata={"description": "Only pools in this zone."})


class PricePointAnswer(AnswerSchema):
    """The price in one bucket."""

    at = UtcMoment(required=True)
    usd_per_hour = UsdAmount(required=True, metadata={"description": "The mean over the bucket's five minutes."})
    lowest_usd_per_hour = UsdAmount(required=True)
    highest_usd_per_hour = UsdAmount(required=True)
    source = fields.Enum(PriceSource, by_value=True, required=True)
    is_interpolated = fields.Boolean(
        required=True, metadata={"description": "Nobody saw any price in this bucket: it lies between two that were seen."}
    )
    distinct_price_count = fields.Integer(
        required=True, metadata={"description": "How many prices were seen in the same five minutes, of which this is the median; 0: none."}
    )


class PoolHistoryAnswer(AnswerSchema):
    """The prices of one pool over the window."""

    pool_id = fields.Integer(required=True)
    az_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    points = fields.List(fields.Nested(PricePointAnswer), required=True)


class OnDemandLineAnswer(AnswerSchema):
    """What one type costs on demand, as it was last told: the line to draw beside the spot prices."""

    instance_type = fields.String(required=True)
    usd_per_hour = UsdAmount(required=True)
    observed_at = UtcMoment(required=True)
    source = fields.String(required=True)


class HistoryAnswer(AnswerSchema):
    """The prices of an instance's markets over the window."""

    instance_id = fields.String(required=True)
    since = UtcMoment(required=True)
    until = UtcMoment(required=True)
    bucket_seconds = fields.Integer(required=True)
    pools = fields.List(fields.Nested(PoolHistoryAnswer), required=True)
    on_demand_prices = fields.List(fields.Nested(OnDemandLineAnswer), required=True)
    is_truncated = fields.Boolean(
        required=True, metadata={"description": "Whether prices are left out that were not consolidated for more than two weeks."}
    )
