"""What is done for a workload that stands still and that no move looks after, decided from values alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from spot_server.words import StepStatus

SERVE_PAUSE_SECONDS = 30.0
LONGEST_SERVE_PAUSE_SECONDS = 900.0
"""Between two orders to serve that did not help, the first and the longest."""

SERVE_ORDERS_COUNTED = timedelta(hours=2)
"""Orders that are older belong to another story as well."""

NOT_YET_STOPPED = frozenset({StepStatus.PENDING, StepStatus.UNDONE})


def is_workload_held(quiesce_status: StepStatus | None) -> bool:
    """Tell whether a move says which side may serve: from its QUIESCE on, until that is taken back. None: no move runs."""
    return quiesce_status is not None and quiesce_status not in NOT_YET_STOPPED


@dataclass(frozen=True, slots=True)
class ServeOrder:
    """An order to serve that was given before. `ended_at` is None while an answer may still come; `has_helped`: it served then."""

    issued_at: datetime
    ended_at: datetime | None
    has_helped: bool


@dataclass(frozen=True, slots=True)
class StandstillFacts:
    """A PRIMARY whose daemon says that it is quiesced. `orders`: what it was told for that reason under this epoch, newest first."""

    is_quiesced: bool
    is_reachable: bool
    is_held: bool
    is_enabled: bool
    orders: Sequence[ServeOrder]
    now: datetime


@dataclass(frozen=True, slots=True)
class TellToServe:
    """Tell it to serve. `in_vain_count` orders of late did not help."""

    in_vain_count: int


@dataclass(frozen=True, slots=True)
class TellAPerson:
    """The agent is disabled: it is observed, and a person hears of it."""


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """Nothing to do now."""

    reason: str


StandstillDecision = TellToServe | TellAPerson | LeaveAlone


def decide_standstill(facts: StandstillFacts) -> StandstillDecision:
    """Say what to do about a PRIMARY that stands still.

    What its daemon says of being quiesced counts, not whether it serves: a slow start, or a person's maintenance, looks the same.
    """
    if not facts.is_quiesced:
        return LeaveAlone("it may serve")
    if not facts.is_reachable:
        return LeaveAlone("its daemon cannot be reached")
    if facts.is_held:
        return LeaveAlone("a move says which side may serve")
    if not facts.is_enabled:
        return TellAPerson()
    in_vain = _orders_in_vain(facts)
    if not in_vain:
        return TellToServe(0)
    ended_at = in_vain[0].ended_at
    if ended_at is None:
        return LeaveAlone("it was told, and has not answered yet")
    if facts.now - ended_at < timedelta(seconds=serve_pause_seconds(len(in_vain))):
        return LeaveAlone("it was told of late")
    return TellToServe(len(in_vain))


def _orders_in_vain(facts: StandstillFacts) -> list[ServeOrder]:
    """Return the orders of late that did not help, since the last one that did: what came before it is another story."""
    since_last_help = takewhile(lambda order: not order.has_helped, facts.orders)
    return [order for order in since_last_help if facts.now - order.issued_at < SERVE_ORDERS_COUNTED]


def serve_pause_seconds(orders_in_vain: int) -> float:
    """Return how long to wait after that many orders (>= 1) that did not help."""
    return min(SERVE_PAUSE_SECONDS * 2.0 ** min(orders_in_vain - 1, 10), LONGEST_SERVE_PAUSE_SECONDS)
