"""What one step of a worker did. The loop logs it; the log is the operator's view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Did:
    """Something happened. `next_after_seconds` overrides the worker's period once."""

    event: str
    fields: dict[str, Any] = field(default_factory=dict)
    next_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do, and why."""

    reason: str
    next_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The step could not do its work; the loop backs off, or waits `retry_after_seconds` if given."""

    event: str
    fields: dict[str, Any] = field(default_factory=dict)
    retry_after_seconds: float | None = None


Outcome = Did | Idle | Failed
