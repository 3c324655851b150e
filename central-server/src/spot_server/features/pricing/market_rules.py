"""Which markets there are: the types, zones and products that a price report may name, and what a price there may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spot_server.features.pricing.rules import RefusedRow, ReportedPrice, whole_micros

USD_PER_HOUR_MAX = Decimal(500)
"""Above any spot or on-demand instance that EC2 sells (the dearest are near 400 USD an hour); more is a mistake of units."""

ON_DEMAND_MULTIPLE_MAX = 10
"""A spot price above this many times on demand is a mistake: EC2 sells spot for on demand at most, and above ten times it never did."""

FUTURE_TOLERANCE = timedelta(minutes=5)
"""A daemon's clock may be ahead by this much before its times are refused."""

SPOT_OPENED_AT = datetime(2009, 12, 14, tzinfo=UTC)
"""Nothing had a spot price before. A price itself may be years old: EC2 tells the last change, however long ago it was.
Source: aws.amazon.com/about-aws/whats-new/2009/12/14/amazon-ec2-spot-instances."""

LONGEST_TYPE = 64
"""What the tables keep of an instance type's name."""

LINUX = "Linux/UNIX"
_IN_A_VPC = " (Amazon VPC)"
PRODUCTS = frozenset(
    f"{system}{network}" for system in (LINUX, "Red Hat Enterprise Linux", "SUSE Linux", "Windows") for network in ("", _IN_A_VPC)
)
"""What DescribeSpotPriceHistory knows. Source: the EC2 API reference."""

INSTANCE_TYPE = r"[a-z][a-z0-9-]*\.[a-z0-9-]+"
"""The shape of an instance type's name, such as m5.large or u7i-12tb.224xlarge."""

_DIRECTIONS = {"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw"}
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KnownMarkets:
    """What the server knows of one region. `az_ids` is empty while nobody has looked there, `on_demand` holds what has a price."""

    region: str
    instance_types: frozenset[str]
    az_ids: frozenset[str] = frozenset()
    on_demand_usd_per_hour: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    """By (instance type, product)."""


def check_price(index: int, price: ReportedPrice, known: KnownMarkets, *, now: datetime) -> RefusedRow | None:
    """Return why a row cannot be used, or None. The report's own shape is the schema's to check."""
    return _check_market(index, price, known) or _check_amount(index, price, known) or _check_time(index, price, now)


def _check_market(index: int, price: ReportedPrice, known: KnownMarkets) -> RefusedRow | None:
    if price.region != known.region:
        return RefusedRow(index, "region", price.region, f"the agent lives in {known.region}")
    if price.product not in PRODUCTS:
        return RefusedRow(index, "product", price.product, f"EC2 sells {', '.join(sorted(PRODUCTS))}")
    if not is_known_zone(price.az_id, known.region, known.az_ids):
        return RefusedRow(index, "az_id", price.az_id, _zones_of(known))
    if price.instance_type not in known.instance_types:
        reason = "not a type that the agent may use, that EC2 described, or that has an on-demand price"
        return RefusedRow(index, "instance_type", price.instance_type, reason)
    return None


def _check_amount(index: int, price: ReportedPrice, known: KnownMarkets) -> RefusedRow | None:
    said = str(price.usd_per_hour)
    if whole_micros(price.usd_per_hour) <= 0:
        return RefusedRow(index, "spot_usd_per_hour", said, "a price is more than 0")
    on_demand = known.on_demand_usd_per_hour.get((price.instance_type, price.product))
    if is_absurd(price.usd_per_hour, on_demand):
        most = f"{USD_PER_HOUR_MAX} USD per hour" if on_demand is None else f"ten times the on-demand price of {on_demand:f} USD per hour"
        return RefusedRow(index, "spot_usd_per_hour", said, f"a price is at most {most}")
    return None


def _check_time(index: int, price: ReportedPrice, now: datetime) -> RefusedRow | None:
    if price.effective_at > now + FUTURE_TOLERANCE:
        return RefusedRow(index, "effective_at", price.effective_at.isoformat(), "a price is not from the future")
    if price.effective_at < SPOT_OPENED_AT:
        reason = f"no spot price took effect before {SPOT_OPENED_AT:%Y-%m-%d}, when EC2 began to sell spot capacity"
        return RefusedRow(index, "effective_at", price.effective_at.isoformat(), reason)
    return None


def base_product(product: str) -> str:
    """Return the product without its network: on demand costs the same in a VPC."""
    return product.removesuffix(_IN_A_VPC)


def products_asked(product: str) -> tuple[str, ...]:
    """Return what to ask EC2 for: accounts of before 2013 know a pool by two products, without and with its network."""
    return (product, product + _IN_A_VPC)


def is_absurd(usd_per_hour: Decimal, on_demand_usd_per_hour: Decimal | None) -> bool:
    """Tell whether nobody ever paid such a spot price; without an on-demand price only what no instance costs is absurd."""
    if usd_per_hour > USD_PER_HOUR_MAX:
        return True
    return on_demand_usd_per_hour is not None and usd_per_hour > ON_DEMAND_MULTIPLE_MAX * on_demand_usd_per_hour


def is_known_zone(az_id: str, region: str, az_ids: frozenset[str]) -> bool:
    """Tell whether the region has a zone of this id: by EC2's own list, where a control role read it, else by the shape of its ids.

    Ids begin with the region's short name: use1-az6, or usw2-lax1-az1 for a local zone, which EC2 lists to accounts that opted into it
    alone: those are judged by their shape in any case. Source: the EC2 user guide.
    """
    prefix = zone_prefix(region)
    if az_id in az_ids or prefix is None:
        return az_id in az_ids
    found = re.fullmatch(rf"{prefix}((?:-[a-z]{{2,3}}[0-9]?){{0,2}})-(?:az|wlz)[1-9]", az_id, re.ASCII)
    return found is not None and (not az_ids or bool(found[1]))


def is_region_name(text: str) -> bool:
    """Tell whether a text has the shape of a region's name, such as us-east-1 or us-gov-west-1; whether there is such a one EC2 knows."""
    return _REGION.fullmatch(text) is not None


def is_type_name(text: str) -> bool:
    """Tell whether a text has the shape of an instance type's name."""
    return len(text) <= LONGEST_TYPE and re.fullmatch(INSTANCE_TYPE, text, re.ASCII) is not None


def zone_prefix(region: str) -> str | None:
    """Return what the ids of a region's zones begin with (us-east-1: use1, ap-southeast-2: apse2); None for what is no region."""
    if _REGION.fullmatch(region) is None:
        return None
    continent, *directions, number = region.split("-")
    return continent + "".join(_DIRECTIONS.get(word, word[0]) for word in directions) + number


def _zones_of(known: KnownMarkets) -> str:
    if known.az_ids:
        return f"{known.region} has {', '.join(sorted(known.az_ids))}"
    return f"not an AZ id of {known.region}, such as {zone_prefix(known.region)}-az1"
