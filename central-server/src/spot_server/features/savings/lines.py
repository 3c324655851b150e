"""A line as a document, as it is stored and as it is shown: the same text, so that a stored day reads as it was reckoned."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from spot_server.features.savings.rules import Line


def line_document(line: Line) -> dict[str, Any]:
    """Return a line as JSON: money as decimal text, moments as RFC 3339 in UTC; what is None is left out."""
    members = {
        "purpose": line.purpose.value,
        "hour_at": _moment(line.hour_at),
        "since": _moment(line.since),
        "until": _moment(line.until),
        "what": line.what,
        "mode": None if line.mode is None else line.mode.value,
        "instance_type": line.instance_type,
        "az_id": line.az_id,
        "quantity": _plain(line.quantity),
        "unit": line.unit.value,
        "usd_per_unit": _plain(line.usd_per_unit),
        "usd": _plain(line.usd),
        "price_source": line.source,
        "price_bucket_at": _moment(line.bucket_at),
        "price_effective_at": _moment(line.effective_at),
    }
    return {name: value for name, value in members.items() if value is not None}


@lru_cache(maxsize=1024)
def _moment(value: datetime | None) -> str | None:
    # The same hours come again for each agent of a batch: to write them anew took a quarter of the time of a day.
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: Decimal | None) -> str | None:
    if value is None:
        return None
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
