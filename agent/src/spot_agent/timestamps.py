"""RFC 3339 UTC on the wire, aware datetimes inside."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

UTC = timezone.utc

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII)


def to_wire(moment: datetime) -> str:
    """Microseconds are kept when there are any; always ends in Z. Refuses a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place on the wire")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def from_wire(text: str) -> datetime:
    """Aware UTC. ValueError for anything but RFC 3339 with an offset (Python 3.10's fromisoformat takes no Z)."""
    found = _RFC3339.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    year, month, day, hour, minute, second = (int(found.group(i)) for i in range(1, 7))
    microsecond = int((found.group(7) or "0").ljust(6, "0")[:6])
    moment = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
    if found.group(8):
        return moment
    offset = timedelta(hours=int(found.group(10)), minutes=int(found.group(11)))
    return moment - offset if found.group(9) == "+" else moment + offset


def optional_from_wire(value: object) -> datetime | None:
    """None for a missing or unreadable time: a field that we cannot read must not lose the message that holds it."""
    if not isinstance(value, str):
        return None
    try:
        return from_wire(value)
    except ValueError:
        return None
