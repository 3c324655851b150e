"""Which moments are believed, wherever they come from."""

from __future__ import annotations

from datetime import UTC, datetime

FIRST_YEAR, LAST_YEAR = 1970, 2999
"""What lies outside is a mistake, and far enough inside of what a datetime can hold: hours and years may be added to what is believed."""


def is_believable(moment: datetime) -> bool:
    """Whether a moment can be calculated with."""
    return FIRST_YEAR <= moment.year <= LAST_YEAR


def read_told_moment(text: object) -> datetime | None:
    """Return the aware moment that a daemon or EC2 wrote in ISO 8601; None for anything else, and for what no clock shows.

    What they tell besides an act's outcome must never keep the outcome from being recorded.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None and is_believable(moment) else None
    except (ValueError, OverflowError):
        return None
