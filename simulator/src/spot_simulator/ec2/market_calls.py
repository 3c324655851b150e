"""Spot prices and the catalogue of types, which moto answers with constants or not at all."""

from datetime import datetime

from spot_simulator.clock import Clock, parse_time
from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.price_pages import LARGEST_PAGE, PricePages, PriceQuery
from spot_simulator.ec2.wire import Answer, Parameters, filters, members, success
from spot_simulator.recorded_prices import PRODUCT

_LOCATION_TYPES = ("region", "availability-zone", "availability-zone-id")


class MarketCalls:
    """Called with the region's lock held."""

    def __init__(self, pages: PricePages, clock: Clock, region: str, types: tuple[str, ...]) -> None:
        """``types`` are those that the region offers."""
        self._pages, self._clock, self._region, self._types = pages, clock, region, types

    def price_history(self, call: Call) -> Answer:
        """Answer DescribeSpotPriceHistory."""
        call.end_if_dry_run()
        rows, next_token = self._pages.page(_query(call.parameters), self._clock.now())
        items = [
            {
                "availabilityZone": row.zone,
                "availabilityZoneId": row.az_id,
                "instanceType": row.instance_type,
                "productDescription": PRODUCT,
                "spotPrice": f"{row.usd_per_hour:.6f}",
                "timestamp": row.at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            }
            for row in rows
        ]
        return success(call.action, {"spotPriceHistorySet": items, "nextToken": next_token})

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


def _query(parameters: Parameters) -> PriceQuery:
    asked = filters(parameters)
    zone, az_id = parameters.get("AvailabilityZone"), parameters.get("AvailabilityZoneId")
    return PriceQuery(
        types=members(parameters, "InstanceType") or asked.get("instance-type", []),
        products={*members(parameters, "ProductDescription"), *asked.get("product-description", [])},
        zones=asked.get("availability-zone") or ([zone] if zone else []),
        az_ids=asked.get("availability-zone-id") or ([az_id] if az_id else []),
        since=_time(parameters, "StartTime"),
        until=_time(parameters, "EndTime"),
        page_size=int(parameters.get("MaxResults") or LARGEST_PAGE),
        token=parameters.get("NextToken"),
    )


def _time(parameters: Parameters, name: str) -> datetime | None:
    value = parameters.get(name)
    try:
        return parse_time(value) if value else None
    except ValueError as error:
        raise Ec2Error("InvalidParameterValue", f"{name} is not a time: {value}") from error
