"""When an instance was away for so long that others may have acted as if it were gone."""

from __future__ import annotations

LEAST_ABSENCE_SECONDS = 2.0
"""Longer than the clocks differ by rounding, and shorter than EC2 takes to call an instance stopped."""


def was_away(known_seconds: float, suspended_seconds: float) -> bool:
    """Whether the instance was suspended since `known_seconds` of suspension were known."""
    return suspended_seconds - known_seconds >= LEAST_ABSENCE_SECONDS
