"""Which names of time zones are taken."""

from __future__ import annotations

from zoneinfo import available_timezones

NOT_A_PLACE = frozenset({"localtime", "Factory", "posixrules"})
"""What stands beside the zones in their database: the machine's own zone, which two servers may have differently, and no zone at all."""


def is_time_zone(name: str) -> bool:
    """Whether it is an IANA time zone such as Europe/Berlin, the same on every machine."""
    return name in available_timezones() and name not in NOT_A_PLACE
