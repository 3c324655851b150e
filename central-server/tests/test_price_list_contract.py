"""The adapters of the markets against botocore's own description of EC2 and the Price List API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.market_ports import OnDemandFacts, SpotPriceFacts
from spot_server.aws.price_list import PAGE_PRODUCTS, PriceList, endpoint_region
from spot_server.aws.spot_market import PAGE_ROWS, Boto3Market

SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def client(service: str) -> Any:
    create: Any = boto3.client
    return create(service, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


def product(instance_type: str, *rates: tuple[str, str, str | None]) -> str:
    """A product in the shape of AWS's answers; `rates` are (unit, USD, effective date)."""
    terms = {
        f"SKU{number}.JRTCKXETXF": {
            "priceDimensions": {
                f"SKU{number}.JRTCKXETXF.6YS6EN2CT7": {
                    "unit": unit,
                    "endRange": "Inf",
                    "description": f"${usd} per On Demand Linux {instance_type} Instance Hour",
                    "appliesTo": [],
                    "rateCode": f"SKU{number}.JRTCKXETXF.6YS6EN2CT7",
                    "beginRange": "0",
                    "pricePerUnit": {"USD": usd},
                }
            },
            "sku": f"SKU{number}",
            "offerTermCode": "JRTCKXETXF",
            "termAttributes": {},
            **({} if since is None else {"effectiveDate": since}),
        }
        for number, (unit, usd, since) in enumerate(rates)
    }
    attributes = {"instanceType": instance_type, "operatingSystem": "Linux", "tenancy": "Shared", "regionCode": "us-east-1"}
    told = {"productFamily": "Compute Instance", "sku": "SKU0", "attributes": attributes}
    return json.dumps(
        {"product": told, "serviceCode": "AmazonEC2", "terms": {"OnDemand": terms}, "publicationDate": "2026-01-01T00:00:00Z"}
    )


@pytest.fixture
def pricing() -> Iterator[tuple[PriceList, Stubber]]:
    """A client that checks every call and answer by botocore's model of the Price List API."""
    made = client("pricing")
    with Stubber(made) as stub:
        yield PriceList(lambda: made, "us-east-1"), stub
        stub.assert_no_pending_responses()


def asked(**more: Any) -> dict[str, Any]:
    fields = {
        "regionCode": "us-east-1",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "licenseModel": "No License required",
    }
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
    return {"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "MaxResults": PAGE_PRODUCTS, "Filters": filters, **more}


def test_prices_are_read_page_by_page_as_botocore_describes_them(pricing: tuple[PriceList, Stubber]) -> None:
    prices, stub = pricing
    large, metal = product("m5.large", ("Hrs", "0.0960000000", "2025-11-01T00:00:00Z")), product("m5.metal", ("Hrs", "4.6080000000", None))
    stub.add_response("get_products", {"PriceList": [large], "NextToken": "more"}, asked())
    stub.add_response("get_products", {"PriceList": [metal]}, asked(NextToken="more"))

    pages = list(prices.on_demand_prices("Linux/UNIX"))

    assert pages == [
        (OnDemandFacts("m5.large", Decimal("0.096"), datetime(2025, 11, 1, tzinfo=UTC)),),
        (OnDemandFacts("m5.metal", Decimal("4.608"), None),),
    ]


def test_what_is_listed_at_nothing_or_not_by_the_hour_is_no_price_and_of_two_the_newer_counts(pricing: tuple[PriceList, Stubber]) -> None:
    prices, stub = pricing
    listed = [
        product("u-6tb1.metal", ("Hrs", "0.0000000000", None)),
        product("m5.large", ("Quantity", "7.0000000000", None)),
        product("c5.large", ("Hrs", "0.0900000000", "2024-01-01T00:00:00Z"), ("Hrs", "0.0850000000", "2025-01-01T00:00:00Z")),
    ]
    stub.add_response("get_products", {"PriceList": listed}, asked())

    ((price,),) = prices.on_demand_prices("Linux/UNIX")

    assert (price.instance_type, price.usd_per_hour) == ("c5.large", Decimal("0.085"))


def test_a_product_that_is_no_product_is_a_failure_and_not_a_missing_price(pricing: tuple[PriceList, Stubber]) -> None:
    prices, stub = pricing
    stub.add_response("get_products", {"PriceList": ['{"product": {}}']}, asked())

    with pytest.raises(AwsFailed, match="price_list_not_read"):
        list(prices.on_demand_prices("Linux/UNIX"))


def test_a_refusal_of_the_price_list_has_its_meaning(pricing: tuple[PriceList, Stubber]) -> None:
    prices, stub = pricing
    stub.add_client_error("get_products", "AccessDeniedException", http_status_code=400)

    with pytest.raises(AwsFailed) as refused:
        list(prices.on_demand_prices("Linux/UNIX"))

    assert refused.value.error_class is ErrorClass.NOT_AUTHORIZED


def test_a_product_that_the_list_has_no_word_for_is_not_asked_about(pricing: tuple[PriceList, Stubber]) -> None:
    assert list(pricing[0].on_demand_prices("BeOS")) == []


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [("us-west-2", "us-east-1"), ("eu-west-1", "eu-central-1"), ("ap-northeast-1", "ap-south-1"), ("cn-north-1", "cn-northwest-1")],
)
def test_the_price_list_is_asked_where_it_has_an_endpoint(region: str, endpoint: str) -> None:
    assert endpoint_region(region) == endpoint


def test_spot_prices_are_read_page_by_page_an_empty_page_included() -> None:
    ec2 = client("ec2")
    request = {"InstanceTypes": ["m5.large"], "ProductDescriptions": ["Linux/UNIX"], "StartTime": SINCE, "EndTime": UNTIL}
    row = {
        "AvailabilityZone": "us-east-1a",
        "InstanceType": "m5.large",
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": "0.035100",
        "Timestamp": SINCE,
    }
    with Stubber(ec2) as stub:
        stub.add_response(
            "describe_spot_price_history", {"SpotPriceHistory": [], "NextToken": "more"}, {**request, "MaxResults": PAGE_ROWS}
        )
        answer = {"SpotPriceHistory": [row], "NextToken": ""}
        stub.add_response("describe_spot_price_history", answer, {**request, "MaxResults": PAGE_ROWS, "NextToken": "more"})
        market = Boto3Market(ec2, PriceList(lambda: None, "us-east-1"))

        pages = list(market.spot_prices(["m5.large"], ["Linux/UNIX"], SINCE, UNTIL))

    assert pages == [(), (SpotPriceFacts("us-east-1a", "m5.large", "Linux/UNIX", Decimal("0.0351"), SINCE),)]
