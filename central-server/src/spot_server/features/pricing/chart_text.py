"""A chart as the text of its answer: to make a dict of each of two thousand points, and have it written, takes longer than to read them."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from spot_server.features.pricing.answers import HistoryAnswer
from spot_server.features.pricing.chart_rules import Slot
from spot_server.features.pricing.history import InstanceHistory
from spot_server.http.fields import usd_text
from spot_server.words import PriceSource

SECONDS_A_DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SOURCE_OF_RANK = {rank: source.value for rank, source in enumerate(PriceSource, start=1)}
_MICROS = Decimal(1_000_000)
_NO_POINTS = '"points":[]'
"""Where a pool's points belong. It stands in no text: there the quotation mark would be escaped."""

_answer = HistoryAnswer()


def write_history(history: InstanceHistory) -> str:
    """Return the JSON of HistoryAnswer. Its points are written by hand, the rest by the schema."""
    before, *between = _write(_answer.dump(_lay_out(history))).split(_NO_POINTS)
    points = (",".join([_point_text(slot) for slot in one.points]) for one in history.pools)
    return before + "".join(f'"points":[{of_pool}]{after}' for of_pool, after in zip(points, between, strict=True))


def _lay_out(history: InstanceHistory) -> dict[str, Any]:
    window = history.window
    return {
        "instance_id": history.instance.instance_id,
        "since": window.since,
        "until": window.until,
        "bucket_seconds": window.bucket_seconds,
        "pools": [
            {"pool_id": one.pool.pool_id, "az_id": one.pool.az_id, "instance_type": one.pool.instance_type, "points": []}
            for one in history.pools
        ],
        "on_demand_prices": [{"instance_type": name, **asdict(price)} for name, price in sorted(history.on_demand.items())],
        "is_truncated": history.is_truncated,
    }


def _write(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _point_text(slot: Slot) -> str:
    day, second = divmod(slot.at_seconds, SECONDS_A_DAY)
    return f'{{"at":"{_day_text(day)}T{_time_text(second)}Z",{_prices_text(slot[1:])}'


@lru_cache(maxsize=10_000)
def _prices_text(of_slot: tuple[int, int, int, int, int, bool, int]) -> str:
    """Return all of a point but its time, the closing brace included: a pool has the same prices for hours."""
    slot = Slot(0, *of_slot)
    members = {
        "usd_per_hour": _usd_text(slot.mean_micros),
        "lowest_usd_per_hour": _usd_text(slot.least_micros),
        "highest_usd_per_hour": _usd_text(slot.most_micros),
        "source": _SOURCE_OF_RANK[slot.rank],
        "is_interpolated": slot.is_interpolated,
        "distinct_price_count": slot.distinct_price_count,
    }
    return _write(members)[1:]


@lru_cache(maxsize=1000)
def _day_text(day: int) -> str:
    """A day of the epoch, as charts have it some hundred times."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


@lru_cache(maxsize=1000)
def _time_text(second: int) -> str:
    """A time of day; most charts have the same ones."""
    return str(timedelta(seconds=second)).rjust(8, "0")


def _usd_text(micros: int) -> str:
    return usd_text(Decimal(micros) / _MICROS)
