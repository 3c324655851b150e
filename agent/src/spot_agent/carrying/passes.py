"""What the two sides of the rsync carry are told, and what they say."""

from __future__ import annotations

from dataclasses import dataclass

from spot_agent.rules.rsync import Counted, Door, Pass


@dataclass(frozen=True, slots=True)
class Order:
    """One pass of one move. `trusted_before_seconds`: what was last changed before is whole in the image (None: there is none)."""

    move_id: str
    which: Pass
    door: Door
    bound_seconds: float
    trusted_before_seconds: float | None


@dataclass(frozen=True, slots=True)
class HookOrder:
    """One pass of one move by the person's own hook: to which instance, and how long at most."""

    move_id: str
    which: Pass
    host: str
    instance_id: str
    bound_seconds: float


@dataclass(frozen=True, slots=True)
class HookRan:
    """A hook's pass that is over, with the end of its output."""

    output: str
    took_seconds: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A pass that is over. `is_whole` is False when files changed or vanished under it; the last pass is always whole."""

    counted: Counted
    took_seconds: float
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Sending:
    """A pass that is under way, and what it has sent so far."""

    counted: Counted
