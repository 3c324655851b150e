"""The pools of the measurement and what made-up daemons report of them. Pure; imports nothing of the product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

REGION, PRODUCT, ZONES = "us-east-1", "Linux/UNIX", 6
POOLS_A_REPORT = 20
_FAMILIES = ("c5", "c5a", "c6a", "c6i", "m5", "m5a", "m6a", "m6i", "r5", "r5a", "r6a", "r6i")
_SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge", "metal")


def type_names(pools: int) -> tuple[str, ...]:
    """Return as many instance types as it takes for so many pools in six zones."""
    names = [f"{family}.{size}" for size in _SIZES for family in _FAMILIES]
    wanted = -(-pools // ZONES)
    if wanted > len(names):
        raise ValueError(f"at most {len(names) * ZONES} pools")
    return tuple(names[:wanted])


def markets(pools: int) -> list[tuple[str, str]]:
    """Return (AZ id, instance type) of each pool; the first type has all six zones."""
    return [(f"use1-az{zone}", name) for name in type_names(pools) for zone in range(1, ZONES + 1)][:pools]


def usd_per_hour(pool_number: int) -> str:
    """What a pool costs in reports."""
    return f"{0.03 + pool_number % 400 / 1000:.4f}"


def report_body(number: int, instance_id: str, report_id: str, observed_at: str, every: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the n-th daemon's report of twenty of these pools; daemons look at different ones."""
    first = number * POOLS_A_REPORT
    prices = []
    for step in range(POOLS_A_REPORT):
        place = (first + step) % len(every)
        az_id, instance_type = every[place]
        prices.append(
            {
                "region": REGION,
                "az_id": az_id,
                "az_name": f"us-east-1{'abcdef'[int(az_id[-1]) - 1]}",
                "instance_type": instance_type,
                "product": PRODUCT,
                "spot_usd_per_hour": usd_per_hour(place),
                "effective_at": "2026-01-01T00:00:00Z",
            }
        )
    types = sorted({str(price["instance_type"]) for price in prices})
    described = [{"instance_type": name, "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]} for name in types]
    return {"report_id": report_id, "instance_id": instance_id, "observed_at": observed_at, "prices": prices, "instance_types": described}
