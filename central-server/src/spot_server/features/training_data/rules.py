"""Over which time prices are given out, decided from values alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spot_server.errors import FieldInvalid
from spot_server.moments import FIRST_YEAR, LAST_YEAR, is_believable

USUAL_MONTHS = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of consolidated prices, whatever span was asked for."""

    has_pools: bool
    """Somebody has seen a price."""
    reach: tuple[datetime, datetime] | None
    """The first and the last bucket of all pools; None: nothing is consolidated."""
    next_consolidation_at: datetime | None
    """From when on the next one is due; None: there was none yet, and it is due at once."""


def why_nothing(kept: Kept, region: str | None) -> str:
    """Return in words why a span has no prices."""
    where = "" if region is None else f" in {region}"
    if not kept.has_pools:
        return f"no pool is known{where}: nobody has seen a price there" if where else "no pool is known: nobody has seen a price"
    if kept.reach is not None:
        first, last = (moment.isoformat() for moment in kept.reach)
        return f"the consolidated prices{where} reach from {first} to {last}"
    if kept.next_consolidation_at is None:
        return f"none is consolidated yet{where}, and no consolidation has begun: `spot-server jobs` does that"
    return f"none is consolidated yet{where}: the next consolidation is due at {kept.next_consolidation_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, its end left out."""

    since: datetime
    until: datetime


def choose_span(since: str | None, until: str | None, now: datetime) -> Span:
    """Read both ends as RFC 3339 text or as a day in UTC; left out: the last three calendar months. FieldInvalid for what is no span."""
    end = now if until is None else read_moment("until", until)
    begin = months_before(end, USUAL_MONTHS) if since is None else read_moment("since", since)
    if begin >= end:
        raise FieldInvalid("since", begin.isoformat(), f"a moment before {end.isoformat()}")
    return Span(begin, end)


def read_moment(field: str, text: str) -> datetime:
    """Return the moment; without a zone it is meant in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FieldInvalid(field, text, "a day such as 2026-01-01, or a time such as 2026-01-01T12:00:00Z") from None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if not is_believable(aware):
        raise FieldInvalid(field, text, f"a moment of the years {FIRST_YEAR} to {LAST_YEAR}")
    return aware.astimezone(UTC)


def months_before(moment: datetime, months: int) -> datetime:
    """Return the same time of the same day so many months earlier (>= 1), or of the last day that the month has."""
    years, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    first = moment.replace(year=years, month=month + 1, day=1)
    days_in_month = ((first + timedelta(days=31)).replace(day=1) - first).days
    return first.replace(day=min(moment.day, days_in_month))
