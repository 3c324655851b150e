"""Prices as clients are shown them. Charts are laid out by hand: marshmallow takes longer over a thousand points than the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from marshmallow import fields, validate

from spot_server.features.agent_config.schemas import InstanceTypeText
from spot_server.features.pricing.chart_rules import MOST_POINTS, ChartPoint
from spot_server.features.pricing.history import InstanceHistory
from spot_server.features.pricing.on_demand import OnDemandPrice
from spot_server.features.pricing.queries import PoolPrice
from spot_server.features.pricing.rules import BUCKET_SECONDS
from spot_server.features.pricing.service import InstancePricing
from spot_server.http.fields import BoundedText, UsdAmount, UtcMoment, usd_text
from spot_server.http.schemas import AnswerSchema, QuerySchema
from spot_server.words import Mode, PriceSource

WIDEST_BUCKET_SECONDS = 31 * 86_400

_SOURCE_OF_RANK = {rank: source.value for rank, source in enumerate(PriceSource, start=1)}
_MICROS = Decimal(1_000_000)
SECONDS_A_DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


class LaidOutRows(fields.List[Any]):
    """A list that is documented by its rows' schema, and whose rows are laid out as the wire has them already."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_kwargs: Any) -> Any:  # noqa: ANN401 - rows of JSON
        return value


class PoolHistoryAnswer(AnswerSchema):
    """The prices of one pool over the window."""

    pool_id = fields.Integer(required=True)
    az_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    points = LaidOutRows(fields.Nested(PricePointAnswer), required=True)


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


def show_history(history: InstanceHistory) -> dict[str, Any]:
    """Lay a chart out for HistoryAnswer."""
    window = history.window
    return {
        "instance_id": history.instance.instance_id,
        "since": window.since,
        "until": window.until,
        "bucket_seconds": window.bucket_seconds,
        "pools": [
            {
                "pool_id": one.pool.pool_id,
                "az_id": one.pool.az_id,
                "instance_type": one.pool.instance_type,
                "points": [_show_point(point) for point in one.points],
            }
            for one in history.pools
        ],
        "on_demand_prices": [{"instance_type": name, **asdict(price)} for name, price in sorted(history.on_demand.items())],
        "is_truncated": history.is_truncated,
    }


def _show_point(point: ChartPoint) -> Mapping[str, Any]:
    day, second = divmod(point.at_seconds, SECONDS_A_DAY)
    return {
        "at": f"{_day_text(day)}T{_time_text(second)}Z",
        "usd_per_hour": _usd_text(point.mean_micros),
        "lowest_usd_per_hour": _usd_text(point.least_micros),
        "highest_usd_per_hour": _usd_text(point.most_micros),
        "source": _SOURCE_OF_RANK[point.rank],
        "is_interpolated": point.is_interpolated,
        "distinct_price_count": point.distinct_price_count,
    }


@lru_cache(maxsize=1000)
def _day_text(day: int) -> str:
    """A day of the epoch, as charts have it some hundred times."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


@lru_cache(maxsize=1000)
def _time_text(second: int) -> str:
    """A time of day; most charts have the same ones."""
    return str(timedelta(seconds=second)).rjust(8, "0")


@lru_cache(maxsize=10_000)
def _usd_text(micros: int) -> str:
    """A price, which a pool has for hours."""
    return usd_text(Decimal(micros) / _MICROS)
