"""On-demand prices from a catalogue file: CSV, plain or gzip, with an instance type, a region and a price in USD per hour in each row."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from spot_server.features.pricing.market_rules import USD_PER_HOUR_MAX, is_region_name, is_type_name

PRICE_COLUMNS = ("usd_per_hour", "od_usd_hr", "od_linux")
"""What the column with the price may be called: our own word, and those of public catalogues; the first of them that is there counts."""

MORE = "(more)"
"""Stands for the cells of a line that the header does not name."""

_GZIP_MAGIC = b"\x1f\x8b"


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
    unpriced_lines: tuple[int, ...] = ()
    """Lines of the file that were left out for having no price."""

    def price_of(self, instance_type: str, region: str) -> OnDemandPrice | None:
        """Return the price, or None when it is not known: a missing price is never a free one."""
        return self.prices.get((instance_type, region))

    def usd_per_hour(self) -> dict[tuple[str, str], Decimal]:
        """Return the bare prices by (instance type, region)."""
        return {market: price.usd_per_hour for market, price in self.prices.items()}


def load_catalogue(path: str, *, region: str | None = None, leave_out_unpriced: bool = False) -> OnDemandCatalogue:
    """Read the file at `path`; an empty path gives an empty catalogue. CatalogueError names the first wrong line and column.

    `region` is that of all rows, for a file without such a column; `leave_out_unpriced` passes over rows without a price, which public
    catalogues have for types that are not sold by the hour.
    """
    if not path:
        return OnDemandCatalogue()
    file = Path(path)
    if region is not None and not is_region_name(region):
        raise CatalogueError(file, 0, "region", f"{region!r} was named for all rows, and is no region such as us-east-1")
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == _GZIP_MAGIC else raw).decode("utf-8-sig")
        observed_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise CatalogueError(file, 0, "(file)", str(error)) from error
    sheet = _Sheet(file, region, [] if leave_out_unpriced else None)
    prices = dict(_rows(sheet, text, observed_at))
    return OnDemandCatalogue(prices, tuple(sheet.unpriced_lines or ()))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A file, the region of its rows where they do not say, and which lines were left out; None: none may be."""

    file: Path
    region: str | None
    unpriced_lines: list[int] | None

    def error(self, line: int, column: str, reason: str) -> CatalogueError:
        return CatalogueError(self.file, line, column, reason)


def _rows(sheet: _Sheet, text: str, observed_at: datetime) -> Iterator[tuple[tuple[str, str], OnDemandPrice]]:
    reader = csv.DictReader(text.splitlines(), restkey=MORE)
    price_column = _check_columns(sheet, reader.fieldnames or ())
    lines: dict[tuple[str, str], int] = {}
    for row in reader:
        line = reader.line_num
        _check_whole(sheet, line, row)
        if sheet.unpriced_lines is not None and not (row[price_column] or "").strip():
            sheet.unpriced_lines.append(line)
            continue
        region = sheet.region if sheet.region is not None and "region" not in row else _region(sheet, line, row)
        key = (_instance_type(sheet, line, row), region)
        if key in lines:
            raise sheet.error(line, "instance_type", f"{key[0]} in {key[1]} is there already, in line {lines[key]}")
        lines[key] = line
        yield key, OnDemandPrice(_price(sheet, line, row, price_column), "catalogue", observed_at)


def _check_columns(sheet: _Sheet, columns: Sequence[str]) -> str:
    """Return the column with the price."""
    if "instance_type" not in columns:
        raise sheet.error(1, "instance_type", "this column is missing")
    if "region" not in columns and sheet.region is None:
        raise sheet.error(1, "region", "this column is missing, and no region was named for all rows")
    price_column = next((name for name in PRICE_COLUMNS if name in columns), None)
    if price_column is None:
        raise sheet.error(1, PRICE_COLUMNS[0], f"this column is missing; it may also be called {' or '.join(PRICE_COLUMNS[1:])}")
    return price_column


def _check_whole(sheet: _Sheet, line: int, row: dict[str, str | None]) -> None:
    """A line that was cut off is no row without a price."""
    missing = next((column for column, value in row.items() if value is None), None)
    if missing is not None:
        raise sheet.error(line, missing, "the line ends before this column")
    if MORE in row:
        raise sheet.error(line, list(row)[-2], "there are more cells after this column than the header names")


def _region(sheet: _Sheet, line: int, row: dict[str, str | None]) -> str:
    name = _text(sheet, line, row, "region")
    if not is_region_name(name):
        raise sheet.error(line, "region", f"{name!r} is no region such as us-east-1")
    return name


def _instance_type(sheet: _Sheet, line: int, row: dict[str, str | None]) -> str:
    name = _text(sheet, line, row, "instance_type")
    if not is_type_name(name):
        raise sheet.error(line, "instance_type", f"{name!r} is no instance type such as m5.large")
    return name


def _text(sheet: _Sheet, line: int, row: dict[str, str | None], column: str) -> str:
    value = (row[column] or "").strip()
    if not value:
        raise sheet.error(line, column, "is empty")
    return value


def _price(sheet: _Sheet, line: int, row: dict[str, str | None], column: str) -> Decimal:
    raw = _text(sheet, line, row, column)
    try:
        price = Decimal(raw)
    except InvalidOperation:
        raise sheet.error(line, column, f"{raw!r} is not a decimal number") from None
    if not price.is_finite() or not 0 < price <= USD_PER_HOUR_MAX:
        raise sheet.error(line, column, f"{raw!r} is not more than 0 and at most {USD_PER_HOUR_MAX}")
    return price
