"""What every setting of a backtest has in common: the bounds of what can be meant."""

from __future__ import annotations

SECONDS_PER_HOUR = 3600.0
ON_DEMAND = -1
"""In the place of a pool's number: on-demand capacity, which is always there."""

MOST_PRICE_RATIO = 100.0
"""On demand by spot; today's prices are 1.4 to 4."""


class ImpossibleTerms(ValueError):
    """Terms that cannot be played; names the value and says what could be."""


def require(holds: bool, name: str, value: object, expected: str) -> None:  # noqa: FBT001 - a condition reads first
    """Raise ImpossibleTerms unless `holds`."""
    if not holds:
        raise ImpossibleTerms(f"{name} {value}: expected {expected}")
