"""DescribeSpotPriceHistory in pages: which rows a query gets, whichever form it came in."""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from spot_simulator.clock import parse_time, rfc3339
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.model.prices import HISTORY_DAYS, history, one_per_second
from spot_simulator.price_book import PriceBook
from spot_simulator.recorded_prices import PRODUCT

LARGEST_PAGE = 1000
_PRODUCTS = frozenset({PRODUCT, f"{PRODUCT} (Amazon VPC)"})


@dataclass(frozen=True, slots=True)
class PriceQuery:
    """What is asked for; an empty collection or None: not said, so everything."""

    types: Sequence[str] = ()
    products: Collection[str] = ()
    zones: Collection[str] = ()
    az_ids: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    page_size: int = LARGEST_PAGE
    token: str | None = None


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A pool costs so much from ``at`` on, a whole second."""

    zone: str
    az_id: str
    instance_type: str
    usd_per_hour: Decimal
    at: datetime


class PricePages:
    """Called with the region's lock held."""

    def __init__(self, prices: PriceBook, types: Sequence[str], az_ids: Mapping[str, str]) -> None:
        """``types`` are those that the region offers; ``az_ids`` is {zone name: id}."""
        self._prices, self._types, self._az_ids = prices, types, az_ids

    def page(self, query: PriceQuery, asked_at: datetime) -> tuple[list[PriceRow], str]:
        """Return a page, newest first, and the token of the next one ("" if it is the last).

        It has the changes in the time asked for, and of each pool the one in force at its start.
        """
        now, start = _position(query.token, asked_at)
        until = min(now, query.until or now)
        earliest = now - timedelta(days=HISTORY_DAYS)
        since = max(earliest, query.since or earliest)
        rows = self._rows(query, min(since, until), until)
        rows.sort(key=lambda row: row.at, reverse=True)
        end = start + min(LARGEST_PAGE, query.page_size)
        return rows[start:end], _token(now, end) if end < len(rows) else ""

    def _rows(self, query: PriceQuery, since: datetime, until: datetime) -> list[PriceRow]:
        if query.products and not _PRODUCTS.intersection(query.products):
            return []
        zones = {
            zone: az_id
            for zone, az_id in self._az_ids.items()
            if (not query.zones or zone in query.zones) and (not query.az_ids or az_id in query.az_ids)
        }
        rows = []
        for instance_type in query.types or self._types:
            if instance_type not in self._types:
                raise Ec2Error("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType")
            for zone, az_id in zones.items():
                changes = one_per_second(history(self._prices.changes(instance_type, az_id, until), since, until))
                rows += [PriceRow(zone, az_id, instance_type, change.usd_per_hour, change.at.replace(microsecond=0)) for change in changes]
        return rows


def _token(now: datetime, start: int) -> str:
    """Name the next page; it tells when the first one was asked for, because rows that come meanwhile must not shift the pages."""
    return base64.urlsafe_b64encode(f"{rfc3339(now)} {start}".encode()).decode()


def _position(token: str | None, now: datetime) -> tuple[datetime, int]:
    """Return when the first page was asked for, and the number of the first row of this one."""
    if not token:
        return now, 0
    try:
        asked_at, start = base64.urlsafe_b64decode(token).decode().split()
        return parse_time(asked_at), int(start)
    except ValueError as error:
        raise Ec2Error("InvalidNextToken", f"NextToken is not one of ours: {token}") from error
