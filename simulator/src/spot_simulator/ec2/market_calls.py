"""Spot prices and the catalogue of types, which moto answers with constants or not at all."""

import base64
from datetime import datetime, timedelta

from spot_simulator.clock import Clock, parse_time, rfc3339
from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import Answer, Parameters, filters, members, success
from spot_simulator.model.prices import HISTORY_DAYS, history, one_per_second
from spot_simulator.price_book import PriceBook
from spot_simulator.recorded_prices import PRODUCT

_LARGEST_PAGE = 1000
_PRODUCTS = frozenset({PRODUCT, f"{PRODUCT} (Amazon VPC)"})
_LOCATION_TYPES = ("region", "availability-zone", "availability-zone-id")


class MarketCalls:
    """Called with the region's lock held."""

    def __init__(self, prices: PriceBook, clock: Clock, region: str, types: tuple[str, ...]) -> None:
        """``types`` are those that the region offers."""
        self._prices, self._clock, self._region, self._types = prices, clock, region, types

    def price_history(self, call: Call) -> Answer:
        """Answer DescribeSpotPriceHistory, newest first: the changes in the time asked for and the one in force at its start."""
        call.end_if_dry_run()
        now, start = _page(call.parameters.get("NextToken"), self._clock.now())
        until = min(now, _time(call.parameters, "EndTime", now))
        since = max(now - timedelta(days=HISTORY_DAYS), _time(call.parameters, "StartTime", now - timedelta(days=HISTORY_DAYS)))
        rows = self._rows(call, min(since, until), until)
        rows.sort(key=lambda row: row["timestamp"], reverse=True)
        page_size = min(_LARGEST_PAGE, int(call.parameters.get("MaxResults") or _LARGEST_PAGE))
        end = start + page_size
        next_token = _token(now, end) if end < len(rows) else ""
        return success(call.action, {"spotPriceHistorySet": rows[start:end], "nextToken": next_token})

    def _rows(self, call: Call, since: datetime, until: datetime) -> list[dict[str, str]]:
        asked = filters(call.parameters)
        products = {*members(call.parameters, "ProductDescription"), *asked.get("product-description", [])}
        if products and not products & _PRODUCTS:
            return []
        types = members(call.parameters, "InstanceType") or asked.get("instance-type") or list(self._types)
        zones = _wanted_zones(call, asked)
        rows = []
        for instance_type in types:
            if instance_type not in self._types:
                raise Ec2Error("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType")
            for zone, az_id in zones.items():
                changes = self._prices.changes(instance_type, az_id, until)
                rows += [
                    {
                        "availabilityZone": zone,
                        "availabilityZoneId": az_id,
                        "instanceType": instance_type,
                        "productDescription": PRODUCT,
                        "spotPrice": f"{change.usd_per_hour:.6f}",
                        "timestamp": change.at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                    }
                    for change in one_per_second(history(changes, since, until))
                ]
        return rows

    def instance_types(self, call: Call) -> Answer:
        """Answer DescribeInstanceTypes for the catalogue's types, in moto's words."""
        asked = members(call.parameters, "InstanceType")
        unknown = [name for name in asked if name not in self._types]
        if unknown:
            raise Ec2Error("InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(unknown)}]")
        wanted = {f"InstanceType.{number}": name for number, name in enumerate(asked or self._types, start=1)}
        return call.forward({**call.parameters, **wanted})

    def offerings(self, call: Call) -> Answer:
        """Answer DescribeInstanceTypeOfferings: every type in every zone."""
        location_type = call.parameters.get("LocationType", "region")
        if location_type not in _LOCATION_TYPES:
            raise Ec2Error("InvalidParameterValue", f"LocationType must be one of {', '.join(_LOCATION_TYPES)}")
        asked = filters(call.parameters)
        zones = call.moto.az_ids()
        locations = {"region": [self._region], "availability-zone": list(zones)}.get(location_type, list(zones.values()))
        items = [
            {"instanceType": name, "locationType": location_type, "location": location}
            for name in self._types
            for location in locations
            if name in asked.get("instance-type", [name]) and location in asked.get("location", [location])
        ]
        return success(call.action, {"instanceTypeOfferingSet": items})


def _wanted_zones(call: Call, asked: dict[str, list[str]]) -> dict[str, str]:
    """Return {zone name: id} of the zones that the request asks for, by name or id."""
    one, one_id = call.parameters.get("AvailabilityZone"), call.parameters.get("AvailabilityZoneId")
    names = asked.get("availability-zone") or ([one] if one else None)
    ids = asked.get("availability-zone-id") or ([one_id] if one_id else None)
    zones = call.moto.az_ids()
    return {zone: az_id for zone, az_id in zones.items() if (not names or zone in names) and (not ids or az_id in ids)}


def _time(parameters: Parameters, name: str, default: datetime) -> datetime:
    value = parameters.get(name)
    try:
        return parse_time(value) if value else default
    except ValueError as error:
        raise Ec2Error("InvalidParameterValue", f"{name} is not a time: {value}") from error


def _token(now: datetime, start: int) -> str:
    """Name the next page; it tells when the first one was asked for, because rows that come meanwhile must not shift the pages."""
    return base64.urlsafe_b64encode(f"{rfc3339(now)} {start}".encode()).decode()


def _page(token: str | None, now: datetime) -> tuple[datetime, int]:
    """Return when the first page was asked for, and the number of the first row of this one."""
    if not token:
        return now, 0
    try:
        asked_at, start = base64.urlsafe_b64decode(token).decode().split()
        return parse_time(asked_at), int(start)
    except ValueError as error:
        raise Ec2Error("InvalidNextToken", f"NextToken is not one of ours: {token}") from error
