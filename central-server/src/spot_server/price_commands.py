"""What the command line does with prices: taking a catalogue in, and giving consolidated prices out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from spot_server.clock import SystemClock
from spot_server.db.factory import build_database
from spot_server.db.runner import Database
from spot_server.features.on_demand.queries import NewPrice, store_prices
from spot_server.features.pricing.market_rules import LINUX
from spot_server.features.pricing.on_demand import load_catalogue
from spot_server.features.training_data.queries import read_kept, stream_rows
from spot_server.features.training_data.rules import choose_span, why_nothing
from spot_server.features.training_data.writing import Priced, require_pyarrow, write_csv, write_parquet
from spot_server.settings import Settings
from spot_server.words import OnDemandSource

STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True)
class WantedExport:
    """The arguments of `spot-server export-training-data`; `out` is a file, or `-` for standard output."""

    out: str
    kind: str
    since: str | None
    until: str | None
    region: str | None


def import_on_demand_prices(settings: Settings, path: str, region: str | None) -> str:
    """Store the prices of a catalogue and return a sentence. CatalogueError, and nothing is stored, when a line cannot be used."""
    catalogue = load_catalogue(path, region=region, leave_out_unpriced=True)
    prices = [NewPrice(of, instance_type, LINUX, price.usd_per_hour) for (instance_type, of), price in catalogue.prices.items()]

    def store(database: Database) -> str:
        count = database.write(partial(store_prices, prices=prices, source=OnDemandSource.CATALOGUE))
        regions = len({price.region for price in prices})
        left_out = len(catalogue.unpriced_lines)
        rest = f"; {left_out} without a price left out, the first in line {catalogue.unpriced_lines[0]}" if left_out else ""
        return f"stored {count} on-demand prices of {regions} regions{rest}"

    return _with_database(settings, store)


def export_training_data(settings: Settings, wanted: WantedExport) -> str:
    """Write consolidated prices, a stretch at a time, and return a sentence for standard error; where there are none it says why.

    A file gets its name when it is complete. FieldInvalid for what is no span; ParquetUnavailable; OSError.
    """
    span = choose_span(wanted.since, wanted.until, SystemClock().now())
    if wanted.kind == "parquet":
        require_pyarrow()

    def write(database: Database) -> str:
        priced = stream_rows(database, span, wanted.region)
        if wanted.out == STANDARD_OUTPUT:
            count = write_csv(priced, sys.stdout)
        else:
            count = _in_place_of(Path(wanted.out), lambda part: _write_file(part, wanted.kind, priced))
        said = f"wrote {count} prices from {span.since.isoformat()} to {span.until.isoformat()}"
        if count:
            return said
        period = timedelta(seconds=settings.consolidation_period_seconds)
        kept = database.read(partial(read_kept, region=wanted.region, period=period))
        return f"{said}: {why_nothing(kept, wanted.region)}"

    return _with_database(settings, write)


def _write_file(path: Path, kind: str, priced: Priced) -> int:
    if kind == "parquet":
        return write_parquet(priced, str(path))
    with path.open("w", encoding="utf-8", newline="") as out:
        return write_csv(priced, out)


def _in_place_of(path: Path, write: Callable[[Path], int]) -> int:
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    try:
        count = write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _with_database(settings: Settings, act: Callable[[Database], str]) -> str:
    database = build_database(settings, SystemClock())
    try:
        return act(database)
    finally:
        database.engine.dispose()
