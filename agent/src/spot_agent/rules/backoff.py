"""How long to wait after failures."""

from __future__ import annotations


def backoff_seconds(failures: int, base_seconds: float, cap_seconds: float, jitter_ratio: float) -> float:
    """Doubles from `base_seconds` with each failure in a row (`failures` >= 1) up to `cap_seconds`.

    `jitter_ratio` in 0..1 takes up to half of it away, so that many daemons do not return together.
    """
    exponent = min(max(failures, 1) - 1, 30)
    full_seconds = min(cap_seconds, base_seconds * float(2**exponent))
    return full_seconds * (1.0 - 0.5 * min(max(jitter_ratio, 0.0), 1.0))


def is_worth_logging(failures: int) -> bool:
    """The first failure of a row, then every power of two: an outage must not fill the disk."""
    return failures > 0 and failures & (failures - 1) == 0
