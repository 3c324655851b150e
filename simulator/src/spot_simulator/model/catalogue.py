"""The instance types of the region and their on-demand prices.

The prices are the simulator's own: made up, round, near the usual magnitude. They are not AWS's price list.
"""

import csv
import io
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One instance type; its processors and memory are AWS's."""

    instance_type: str
    usd_per_hour: Decimal
    vcpus: int
    memory_mib: int


CATALOGUE: tuple[CatalogueEntry, ...] = tuple(
    CatalogueEntry(instance_type, Decimal(price), vcpus, memory_gib * 1024)
    for instance_type, price, vcpus, memory_gib in (
        ("t3.medium", "0.042", 2, 4),
        ("t3.large", "0.084", 2, 8),
        ("m5.large", "0.096", 2, 8),
        ("m5a.large", "0.086", 2, 8),
        ("m6i.large", "0.098", 2, 8),
        ("m6a.large", "0.088", 2, 8),
        ("c5.large", "0.085", 2, 4),
        ("c6i.large", "0.086", 2, 4),
        ("r5.large", "0.125", 2, 16),
        ("m5.xlarge", "0.190", 4, 16),
        ("c5.xlarge", "0.170", 4, 8),
        ("g4ad.xlarge", "0.420", 4, 16),
        ("g4ad.2xlarge", "0.600", 8, 32),
        ("g4ad.4xlarge", "0.960", 16, 64),
    )
)

TYPES: tuple[str, ...] = tuple(entry.instance_type for entry in CATALOGUE)
_USD_PER_HOUR = {entry.instance_type: entry.usd_per_hour for entry in CATALOGUE}


def on_demand_usd_per_hour(instance_type: str) -> Decimal | None:
    """Return the on-demand price, or None for a type that the region does not offer."""
    return _USD_PER_HOUR.get(instance_type)


def catalogue_csv(region: str) -> str:
    """Write the catalogue as CSV with the columns ``instance_type, region, usd_per_hour``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("instance_type", "region", "usd_per_hour"))
    writer.writerows((entry.instance_type, region, entry.usd_per_hour) for entry in CATALOGUE)
    return text.getvalue()
