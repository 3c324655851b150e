"""Reading recorded spot prices: CSV (or .csv.gz) with ts_utc, region, az, instance_type, product, price_usd_hr."""

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from spot_simulator.clock import parse_time
from spot_simulator.model.prices import PriceAxis, PriceChange

PRODUCT = "Linux/UNIX"
_PRODUCTS = frozenset({PRODUCT, f"{PRODUCT} (Amazon VPC)"})
_LONGEST_PLAYED_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """One row of the file; ``az`` is a zone's name or id."""

    at: datetime
    az: str
    instance_type: str
    usd_per_hour: Decimal


def read_recording(path: Path, region: str) -> list[RecordedRow]:
    """Return the Linux rows of ``region``, oldest first. Raise ``ValueError`` that names the line if one is malformed."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = []
    for number, row in enumerate(csv.DictReader(io.StringIO(content.decode())), start=2):
        try:
            if row["region"] == region and row["product"] in _PRODUCTS:
                price = Decimal(row["price_usd_hr"])
                rows.append(RecordedRow(parse_time(row["ts_utc"]), row["az"], row["instance_type"], price))
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise ValueError(f"{path}, line {number}: not a price row: {error}") from error
    return sorted(rows, key=lambda row: row.at)


def replayed(rows: Iterable[RecordedRow], axis: PriceAxis, az_ids: Mapping[str, str]) -> dict[tuple[str, str], list[PriceChange]]:
    """Place a recording on the region's clock: {(instance type, az id): changes}, repeats of a price left out.

    The last seven days of it (at most its second half) are played after the region's start, at the region's speed; the rest is
    history. ``az_ids`` maps zone names to ids; rows of other zones are left out.
    """
    rows = list(rows)
    if not rows:
        return {}
    first, last = rows[0].at, rows[-1].at
    pivot = last - min(timedelta(days=_LONGEST_PLAYED_DAYS), (last - first) / 2)
    series: dict[tuple[str, str], list[PriceChange]] = defaultdict(list)
    for row in rows:
        az_id = az_ids.get(row.az, row.az)
        if az_id not in az_ids.values():
            continue
        changes = series[row.instance_type, az_id]
        if not changes or changes[-1].usd_per_hour != row.usd_per_hour:
            changes.append(PriceChange(axis.wall((row.at - pivot) / timedelta(days=1)), row.usd_per_hour))
    return dict(series)
