"""On-demand prices from a catalogue file: CSV with instance_type, region and usd_per_hour, read once at start."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from spot_server.features.pricing.market_rules import USD_PER_HOUR_MAX

COLUMNS = ("instance_type", "region", "usd_per_hour")


class CatalogueError(Exception):
    """The catalogue of on-demand prices cannot be used; says where."""

    def __init__(self, path: Path, line: int, column: str, reason: str) -> None:
        """`line` counts from 1, the header included."""
        super().__init__(f"{path}, line {line}, column {column}: {reason}")
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class OnDemandPrice:
    """What an instance type costs on demand in a region (Linux), where that is from, and of when."""

    usd_per_hour: Decimal
    source: str
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class OnDemandCatalogue:
    """All known on-demand prices by (instance type, region)."""

    prices: dict[tuple[str, str], OnDemandPrice] = field(default_factory=dict)

    def price_of(self, instance_type: str, region: str) -> OnDemandPrice | None:
        """Return the price, or None when it is not known: a missing price is never a free one."""
        return self.prices.get((instance_type, region))

    def usd_per_hour(self) -> dict[tuple[str, str], Decimal]:
        """Return the bare prices by (instance type, region)."""
        return {market: price.usd_per_hour for market, price in self.prices.items()}


def load_catalogue(path: str) -> OnDemandCatalogue:
    """Read the file at `path`; an empty path gives an empty catalogue. CatalogueError names the first wrong line and column."""
    if not path:
        return OnDemandCatalogue()
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
        observed_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(file, 0, "(file)", str(error)) from error
    return OnDemandCatalogue(dict(_rows(file, text, observed_at)))


def _rows(file: Path, text: str, observed_at: datetime) -> Iterator[tuple[tuple[str, str], OnDemandPrice]]:
    reader = csv.DictReader(text.splitlines(), restkey="(more)")
    for column in COLUMNS:
        if column not in (reader.fieldnames or ()):
            raise CatalogueError(file, 1, column, "this column is missing")
    lines: dict[tuple[str, str], int] = {}
    for row in reader:
        line = reader.line_num
        key = (_text(file, line, row, "instance_type"), _text(file, line, row, "region"))
        if key in lines:
            raise CatalogueError(file, line, "instance_type", f"{key[0]} in {key[1]} is there already, in line {lines[key]}")
        lines[key] = line
        yield key, OnDemandPrice(_price(file, line, row), "catalogue", observed_at)


def _text(file: Path, line: int, row: dict[str, str | None], column: str) -> str:
    value = (row[column] or "").strip()
    if not value:
        raise CatalogueError(file, line, column, "is empty")
    return value


def _price(file: Path, line: int, row: dict[str, str | None]) -> Decimal:
    raw = _text(file, line, row, "usd_per_hour")
    try:
        price = Decimal(raw)
    except InvalidOperation:
        raise CatalogueError(file, line, "usd_per_hour", f"{raw!r} is not a decimal number") from None
    if not price.is_finite() or not 0 < price <= USD_PER_HOUR_MAX:
        raise CatalogueError(file, line, "usd_per_hour", f"{raw!r} is not more than 0 and at most {USD_PER_HOUR_MAX}")
    return price
