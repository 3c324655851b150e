"""Writing prices to a file as they come: CSV, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from spot_server.features.training_data.queries import PricedPool, PriceRow
from spot_server.http.fields import moment_text, usd_text

COLUMNS = (
    "region",
    "az_id",
    "instance_type",
    "product",
    "at",
    "usd_per_hour",
    "on_demand_usd_per_hour",
    "source",
    "is_interpolated",
    "distinct_price_count",
)

Priced = Iterable[tuple[PricedPool, list[PriceRow]]]


class ParquetUnavailable(Exception):
    """Parquet cannot be written: pyarrow, which the server does not need otherwise, is not installed."""


def write_csv(priced: Priced, out: TextIO) -> int:
    """Write a heading and all rows: times in UTC, prices as decimals, an unknown on-demand price as nothing. Return how many rows."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for pool, rows in priced:
        writer.writerows(_values(pool, rows))
        count += len(rows)
    return count


def _values(pool: PricedPool, rows: Iterable[PriceRow]) -> Iterator[tuple[object, ...]]:
    market = (pool.region, pool.az_id, pool.instance_type, pool.product)
    on_demand = "" if pool.on_demand_usd_per_hour is None else usd_text(pool.on_demand_usd_per_hour)
    for row in rows:
        told = (row.source.value, str(row.is_interpolated).lower(), row.distinct_price_count)
        yield (*market, moment_text(row.at), usd_text(row.usd_per_hour), on_demand, *told)


def write_parquet(priced: Priced, path: str) -> int:
    """Write the same columns as Parquet, one group of rows for each stretch; money as decimal, times with microseconds in UTC.

    Raises ParquetUnavailable before anything is written.
    """
    arrow, parquet = require_pyarrow()
    schema = _schema(arrow)
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for pool, rows in priced:
            writer.write_table(arrow.Table.from_pylist(list(_records(pool, rows)), schema=schema))
            count += len(rows)
    return count


def require_pyarrow(find: Callable[[str], Any] = importlib.import_module) -> tuple[Any, Any]:
    """Return pyarrow and its part for Parquet, looked for when they are needed: they are no dependency of the server."""
    try:
        return find("pyarrow"), find("pyarrow.parquet")
    except ImportError as error:
        raise ParquetUnavailable("Parquet needs pyarrow, which is not installed: install it, or use --format csv") from error


def _schema(arrow: Any) -> Any:  # noqa: ANN401 - pyarrow is not there when types are checked
    text, money = arrow.string(), arrow.decimal128(18, 8)
    types = (text, text, text, text, arrow.timestamp("us", tz="UTC"), money, money, text, arrow.bool_(), arrow.int32())
    return arrow.schema(list(zip(COLUMNS, types, strict=True)))


def _records(pool: PricedPool, rows: Iterable[PriceRow]) -> Iterator[dict[str, object]]:
    for row in rows:
        values = (
            pool.region,
            pool.az_id,
            pool.instance_type,
            pool.product,
            row.at,
            row.usd_per_hour,
            pool.on_demand_usd_per_hour,
            row.source.value,
            row.is_interpolated,
            row.distinct_price_count,
        )
        yield dict(zip(COLUMNS, values, strict=True))
