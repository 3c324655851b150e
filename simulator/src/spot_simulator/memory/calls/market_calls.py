"""Prices, instance types, zones, subnets and spot requests: what is there to launch in, and how launches on spot stand."""

from collections.abc import Mapping

from spot_simulator.clock import Clock
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.price_pages import LARGEST_PAGE, PricePages, PriceQuery
from spot_simulator.ec2.spot_requests import REQUEST_TYPE, SpotRequests, interruption_behavior, request_status, status_changed_at
from spot_simulator.ec2.spot_requests import passing as passing_requests
from spot_simulator.machine import Machine
from spot_simulator.memory import shapes
from spot_simulator.memory.books import MemoryBooks
from spot_simulator.memory.calls.request import Request
from spot_simulator.memory.filters import Facts, passing
from spot_simulator.memory.records import SubnetRecord
from spot_simulator.memory.shapes import Shape
from spot_simulator.model.catalogue import CATALOGUE, CatalogueEntry
from spot_simulator.recorded_prices import PRODUCT

_SUBNET_FACTS: Facts[SubnetRecord] = {
    "availability-zone": lambda record: record.zone,
    "availability-zone-id": lambda record: record.az_id,
    "subnet-id": lambda record: record.subnet_id,
}


class MarketCalls:
    """Called for what changes seldom."""

    def __init__(self, books: MemoryBooks, requests: SpotRequests, pages: PricePages, clock: Clock, region: str) -> None:
        """Take the parts."""
        self._books, self._requests, self._pages, self._clock, self._region = books, requests, pages, clock, region

    def price_history(self, request: Request) -> Shape:
        """Answer DescribeSpotPriceHistory."""
        request.end_if_dry_run()
        rows, next_token = self._pages.page(_price_query(request), self._clock.now())
        shown = [
            {
                "AvailabilityZone": row.zone,
                "AvailabilityZoneId": row.az_id,
                "InstanceType": row.instance_type,
                "ProductDescription": PRODUCT,
                "SpotPrice": f"{row.usd_per_hour:.6f}",
                "Timestamp": row.at,
            }
            for row in rows
        ]
        return {"SpotPriceHistory": shown, "NextToken": next_token}

    def instance_types(self, request: Request) -> Shape:
        """Answer DescribeInstanceTypes for the catalogue's types."""
        wanted = request.get("InstanceTypes", ())
        by_name = {entry.instance_type: entry for entry in CATALOGUE}
        unknown = [name for name in wanted if name not in by_name]
        if unknown:
            raise Ec2Error("InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(unknown)}]")
        return {"InstanceTypes": [_type(by_name[name]) for name in wanted or by_name]}

    def offerings(self, request: Request) -> Shape:
        """Answer DescribeInstanceTypeOfferings: every type in every zone."""
        location_type, asked, zones = request.get("LocationType", "region"), request.filters(), self._books.az_ids()
        by_type: Mapping[str, list[str]] = {
            "region": [self._region],
            "availability-zone": list(zones),
            "availability-zone-id": list(zones.values()),
        }
        if location_type not in by_type:
            raise Ec2Error("InvalidParameterValue", f"LocationType must be one of {', '.join(by_type)}")
        return {
            "InstanceTypeOfferings": [
                {"InstanceType": entry.instance_type, "LocationType": location_type, "Location": location}
                for entry in CATALOGUE
                for location in by_type[location_type]
                if entry.instance_type in asked.get("instance-type", [entry.instance_type])
                and location in asked.get("location", [location])
            ]
        }

    def zones(self, request: Request) -> Shape:
        """Answer DescribeAvailabilityZones."""
        names, ids = request.get("ZoneNames"), request.get("ZoneIds")
        return {
            "AvailabilityZones": [
                {"RegionName": self._region, "State": "available", "ZoneId": az_id, "ZoneName": zone, "ZoneType": "availability-zone"}
                for zone, az_id in self._books.az_ids().items()
                if (not names or zone in names) and (not ids or az_id in ids)
            ]
        }

    def subnets(self, request: Request) -> Shape:
        """Answer DescribeSubnets."""
        wanted, filters = request.get("SubnetIds", ()), request.filters()
        for subnet_id in wanted:
            if subnet_id not in self._books.subnets:
                raise Ec2Error("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        found = [subnet for subnet in self._books.subnets.values() if not wanted or subnet.subnet_id in wanted]
        facts = {**_SUBNET_FACTS, "vpc-id": lambda _record: self._books.vpc_id}
        found = passing(found, filters, facts, self._books, lambda record: record.subnet_id)
        return {"Subnets": [shapes.subnet(record, self._books) for record in found]}

    def spot_requests(self, request: Request) -> Shape:
        """Answer DescribeSpotInstanceRequests."""
        machines = self._requests.named(request.get("SpotInstanceRequestIds", ()))
        found = passing_requests(machines, request.filters())
        return {"SpotInstanceRequests": [_spot_request(machine) for machine in found]}

    def cancel_spot_requests(self, request: Request) -> Shape:
        """Answer CancelSpotInstanceRequests; the instances run on."""
        machines = self._requests.named(request.needed("SpotInstanceRequestIds"))
        request.end_if_dry_run()
        for machine in machines:
            machine.is_request_cancelled = True
        cancelled = [{"SpotInstanceRequestId": machine.spot_request_id, "State": "cancelled"} for machine in machines]
        return {"CancelledSpotInstanceRequests": cancelled}


def _price_query(request: Request) -> PriceQuery:
    asked = request.filters()
    zone, az_id = request.get("AvailabilityZone"), request.get("AvailabilityZoneId")
    return PriceQuery(
        types=request.get("InstanceTypes") or asked.get("instance-type", []),
        products={*request.get("ProductDescriptions", ()), *asked.get("product-description", [])},
        zones=asked.get("availability-zone") or ([zone] if zone else []),
        az_ids=asked.get("availability-zone-id") or ([az_id] if az_id else []),
        since=request.get("StartTime"),
        until=request.get("EndTime"),
        page_size=request.get("MaxResults") or LARGEST_PAGE,
        token=request.get("NextToken"),
    )


def _type(entry: CatalogueEntry) -> Shape:
    return {
        "CurrentGeneration": True,
        "InstanceType": entry.instance_type,
        "MemoryInfo": {"SizeInMiB": entry.memory_mib},
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedVirtualizationTypes": ["hvm"],
        "VCpuInfo": {"DefaultVCpus": entry.vcpus},
    }


def _spot_request(machine: Machine) -> Shape:
    state, code = request_status(machine)
    return {
        "CreateTime": shapes.whole_second(machine.launched_at),
        "InstanceId": machine.instance_id,
        "InstanceInterruptionBehavior": interruption_behavior(machine),
        "LaunchedAvailabilityZone": machine.az_name,
        "ProductDescription": PRODUCT,
        "SpotInstanceRequestId": machine.spot_request_id,
        "State": state,
        "Status": {"Code": code, "Message": code, "UpdateTime": shapes.whole_second(status_changed_at(machine))},
        "Type": REQUEST_TYPE,
    }
