"""Spot prices, instance types, zones, and who may read them."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.world import World, error_code
from spot_simulator.model.catalogue import CATALOGUE


def history(world: World, **more: Any) -> list[dict[str, Any]]:
    """Return spot prices of m5.large in one zone, newest first."""
    request = {"InstanceTypes": ["m5.large"], "ProductDescriptions": ["Linux/UNIX"], "AvailabilityZone": "us-east-1a", **more}
    return list(world.ec2.describe_spot_price_history(**request)["SpotPriceHistory"])


def test_asking_for_now_gives_the_one_price_in_force(world: World) -> None:
    now = world.region.now()

    rows = history(world, StartTime=now)

    assert len(rows) == 1
    assert rows[0]["Timestamp"] < now
    assert rows[0]["ProductDescription"] == "Linux/UNIX"
    assert rows[0]["AvailabilityZoneId"] == "use1-az6"


def test_the_history_has_the_changes_and_the_price_before_them(world: World) -> None:
    since = world.region.now() - timedelta(days=7)

    rows = history(world, StartTime=since)

    moments = [row["Timestamp"] for row in rows]
    assert moments == sorted(moments, reverse=True)
    assert moments[-1] < since < moments[-2]
    assert 7 <= len(rows) <= 7 * 4 + 2


def test_prices_change_in_small_steps_far_below_on_demand(world: World) -> None:
    prices = [Decimal(row["SpotPrice"]) for row in history(world)]

    steps = [abs(after / before - 1) for after, before in pairwise(prices)]
    assert max(steps) <= Decimal("0.05")
    assert min(steps) > 0
    assert max(prices) < Decimal("0.096")


def test_a_price_can_be_fixed_from_now_on(world: World) -> None:
    body = {"instance_type": "r5.large", "az_id": "use1-az5", "usd_per_hour": "0.1111"}
    world.region.control("POST", "/prices", body)

    rows = history(world, InstanceTypes=["r5.large"], AvailabilityZone="us-east-1f", StartTime=world.region.now())

    assert (rows[0]["AvailabilityZoneId"], Decimal(rows[0]["SpotPrice"])) == ("use1-az5", Decimal("0.1111"))


def test_history_goes_back_ninety_days(world: World) -> None:
    rows = history(world, StartTime=datetime(2020, 1, 1, tzinfo=UTC))

    assert world.region.now() - rows[-1]["Timestamp"] < timedelta(days=92)


def test_long_histories_come_in_pages(world: World) -> None:
    request = {"InstanceTypes": ["m5.large", "c5.large"], "ProductDescriptions": ["Linux/UNIX (Amazon VPC)"]}
    paginator = world.ec2.get_paginator("describe_spot_price_history")

    pages = [page["SpotPriceHistory"] for page in paginator.paginate(**request, PaginationConfig={"PageSize": 500})]

    rows = [(row["Timestamp"], row["InstanceType"], row["AvailabilityZone"]) for page in pages for row in page]
    assert len(pages) > 1
    assert len(pages[0]) == 500
    assert len(rows) == len(set(rows))


def test_other_products_have_no_prices_and_unknown_types_are_refused(world: World) -> None:
    assert history(world, ProductDescriptions=["Windows"]) == []
    with pytest.raises(ClientError) as caught:
        history(world, InstanceTypes=["m5.nonsense"])
    assert error_code(caught.value) == "InvalidParameterValue"


def test_every_type_of_the_catalogue_is_described(world: World) -> None:
    types = world.ec2.describe_instance_types()["InstanceTypes"]

    assert {one["InstanceType"] for one in types} == {entry.instance_type for entry in CATALOGUE}
    large = next(one for one in types if one["InstanceType"] == "m5.large")
    assert (large["VCpuInfo"]["DefaultVCpus"], large["MemoryInfo"]["SizeInMiB"]) == (2, 8192)
    assert large["ProcessorInfo"]["SupportedArchitectures"] == ["x86_64"]


def test_every_type_is_offered_in_every_zone(world: World) -> None:
    wanted = [{"Name": "instance-type", "Values": ["m5.large"]}]

    offers = world.ec2.describe_instance_type_offerings(LocationType="availability-zone-id", Filters=wanted)

    assert {offer["Location"] for offer in offers["InstanceTypeOfferings"]} == {f"use1-az{number}" for number in range(1, 7)}


def test_zones_have_names_and_ids_and_one_subnet_each(world: World) -> None:
    zones = {zone["ZoneId"]: zone["ZoneName"] for zone in world.ec2.describe_availability_zones()["AvailabilityZones"]}
    subnets = {one["AvailabilityZoneId"]: one["AvailabilityZone"] for one in world.ec2.describe_subnets()["Subnets"]}

    assert zones == subnets
    assert len(zones) == 6


@pytest.mark.parametrize("account_id", ["123456789012", "222222222222"])
def test_an_assumed_role_of_any_account_sees_the_one_region(world: World, account_id: str) -> None:
    instance_id = world.launch(world.image())

    ec2 = world.region.ec2_as(f"arn:aws:iam::{account_id}:role/control")

    assert ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]["InstanceId"] == instance_id


def price_list(world: World, **more: Any) -> dict[str, Any]:
    """Return the on-demand offers of Linux on shared hardware, as the Price List API tells them."""
    plain = {"regionCode": "us-east-1", "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in {**plain, **more.pop("also", {})}.items()]
    request = {"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "Filters": filters, **more}
    return dict(world.region.client("pricing").get_products(**request))


def test_the_price_list_tells_what_each_type_of_the_catalogue_costs_on_demand(world: World) -> None:
    products = [json.loads(text) for text in price_list(world)["PriceList"]]

    told = {}
    for product in products:
        (term,) = product["terms"]["OnDemand"].values()
        (rate,) = term["priceDimensions"].values()
        assert rate["unit"] == "Hrs"
        told[product["product"]["attributes"]["instanceType"]] = Decimal(rate["pricePerUnit"]["USD"])
    assert told == {entry.instance_type: entry.usd_per_hour for entry in CATALOGUE}


def test_the_price_list_comes_in_pages(world: World) -> None:
    first = price_list(world, MaxResults=10)
    second = price_list(world, MaxResults=10, NextToken=first["NextToken"])

    assert (len(first["PriceList"]), len(second["PriceList"])) == (10, len(CATALOGUE) - 10)
    assert "NextToken" not in second


def test_the_price_list_has_nothing_of_other_systems_and_regions(world: World) -> None:
    assert price_list(world, also={"operatingSystem": "Windows"})["PriceList"] == []
    assert price_list(world, also={"regionCode": "eu-west-1"})["PriceList"] == []


@pytest.mark.parametrize(
    ("wrong", "code"), [({"NextToken": "?"}, "InvalidNextTokenException"), ({"MaxResults": 101}, "InvalidParameterException")]
)
def test_the_price_list_refuses_what_aws_refuses(world: World, wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        price_list(world, **wrong)

    assert error_code(caught.value) == code
