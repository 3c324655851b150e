"""Spot Advisor's bands of interruption from a file: CSV with snapshot, region, instance_type, savings_pct and interruption_band."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from spot_server.cells import shown_cell, whole_number
from spot_server.features.pricing.market_rules import SPOT_OPENED_AT
from spot_server.features.risk.model import BAND_COUNT

COLUMNS = ("snapshot", "region", "instance_type", "savings_pct", "interruption_band")
LARGEST_SAVINGS_PERCENT = 100
LONGEST_REGION, LONGEST_TYPE = 32, 64


class AdvisorFileInvalid(Exception):
    """A file of Spot Advisor's bands cannot be used; says where."""

    def __init__(self, path: Path, line: int, column: str, reason: str) -> None:
        """`line` counts from 1, the header included; 0 when it is about the whole file."""
        super().__init__(f"{path}, line {line}, column {column}: {reason}" if line else f"{path}: {reason}")
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class AdvisorBand:
    """What Spot Advisor said of a type in a region at `snapshot_at` (midnight UTC): band 0 to 4, savings in percent of on-demand."""

    region: str
    instance_type: str
    band: int
    savings_percent: int
    snapshot_at: datetime


def read_advisor_file(path: Path, *, now: datetime | None = None) -> list[AdvisorBand]:
    """Read every row, gzipped or not. AdvisorFileInvalid names the first wrong line and column, a snapshot after `now` among them."""
    rows = list(_rows(path))
    for line, row in rows:
        if now is not None and row.snapshot_at > now:
            raise AdvisorFileInvalid(path, line, "snapshot", f"'{row.snapshot_at:%Y-%m-%d}' is a day to come")
        if row.snapshot_at < SPOT_OPENED_AT:
            raise AdvisorFileInvalid(path, line, "snapshot", f"'{row.snapshot_at:%Y-%m-%d}' was before EC2 sold spot capacity")
    if not rows:
        raise AdvisorFileInvalid(path, 0, "", "there is no row after the header")
    seen: set[tuple[str, str, datetime]] = set()
    for line, row in rows:
        key = (row.region, row.instance_type, row.snapshot_at)
        if key in seen:
            raise AdvisorFileInvalid(path, line, "instance_type", f"{row.instance_type!r} in {row.region} is there twice for one snapshot")
        seen.add(key)
    return [row for _, row in rows]


def newest_bands(rows: list[AdvisorBand]) -> list[AdvisorBand]:
    """Return the newest row of each (region, instance type)."""
    newest: dict[tuple[str, str], AdvisorBand] = {}
    for row in sorted(rows, key=lambda row: row.snapshot_at):
        newest[row.region, row.instance_type] = row
    return list(newest.values())


def _rows(path: Path) -> Iterator[tuple[int, AdvisorBand]]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise AdvisorFileInvalid(path, 0, "", f"cannot be read: {error}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for name in COLUMNS:
            if name not in (reader.fieldnames or ()):
                raise AdvisorFileInvalid(path, 1, name, "this column is missing")
        for row in reader:
            if None in row:
                raise AdvisorFileInvalid(path, reader.line_num, COLUMNS[-1], "there are more cells than the header names")
            yield reader.line_num, _row(path, reader.line_num, row)
    except csv.Error as error:
        raise AdvisorFileInvalid(path, reader.reader.line_num, COLUMNS[0], f"is no CSV: {error}") from error


def _row(path: Path, line: int, row: dict[str, str | None]) -> AdvisorBand:
    def wrong(column: str, what: str) -> AdvisorFileInvalid:
        return AdvisorFileInvalid(path, line, column, f"{shown_cell(row[column] or '')} is {what}")

    def whole(column: str, least: int, most: int) -> int:
        number = whole_number(row[column] or "")
        if number is None or not least <= number <= most:
            raise wrong(column, f"no whole number from {least} to {most}")
        return number

    def named(column: str, most: int) -> str:
        text = row[column] or ""
        if not text or len(text) > most or text != text.strip():
            raise wrong(column, "no name")
        return text

    try:
        snapshot_at = datetime.strptime(row["snapshot"] or "", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise wrong("snapshot", "no day such as 2025-06-28") from error
    return AdvisorBand(
        named("region", LONGEST_REGION),
        named("instance_type", LONGEST_TYPE),
        whole("interruption_band", 0, BAND_COUNT - 1),
        # Below 0 where the price on demand was just cut below that of spot capacity.
        whole("savings_pct", -LARGEST_SAVINGS_PERCENT, LARGEST_SAVINGS_PERCENT),
        snapshot_at,
    )
