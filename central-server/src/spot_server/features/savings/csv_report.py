"""A report as CSV: one line for each row, numbers as the wire has them, so that a spreadsheet adds up to the total."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from spot_server.features.savings.report_rules import Totals
from spot_server.features.savings.service import Report

AMOUNTS = (
    "paid_usd",
    "primary_spot_usd",
    "primary_on_demand_usd",
    "replica_usd",
    "overlap_usd",
    "image_usd",
    "address_usd",
    "on_demand_usd",
    "saved_usd",
)
COUNTS = (
    "day_count",
    "uncompared_day_count",
    "unpriced_seconds",
    "unsized_image_count",
    "switch_count",
    "interruption_count",
    "downtime_seconds",
)
COLUMNS = ("period", "agent_id", "logical_agent_id", *AMOUNTS, *COUNTS, "is_complete")


def report_csv(report: Report) -> str:
    """Return the rows as CSV with a header; an amount that is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in report.rows:
        names = (row.period, row.agent_id or "", _harmless(row.logical_agent_id or ""))
        writer.writerow([*names, *_figures(row.totals), "true" if row.is_complete else "false"])
    return text.getvalue()


def _figures(totals: Totals) -> list[str]:
    amounts: list[Decimal | None] = [getattr(totals, name) for name in AMOUNTS]
    return [*("" if one is None else format(one, "f") for one in amounts), *(str(getattr(totals, name)) for name in COUNTS)]


def _harmless(name: str) -> str:
    """Keep a spreadsheet from taking a name that somebody chose for a formula."""
    return f"'{name}" if name[:1] in {"=", "+", "-", "@", "\t", "\r"} else name
