"""The sweep that deletes history which is old enough, a little at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from spot_server.clock import Sleeper
from spot_server.db.runner import Transaction
from spot_server.features.retention.log_queries import delete_log_ends, find_log_ends
from spot_server.features.retention.queries import ALL_AGED, delete_aged, find_aged
from spot_server.features.retention.rules import Record, RetentionPolicy, cutoffs
from spot_server.jobs.registry import JobContext
from spot_server.settings import Settings

PAUSE_SECONDS = 0.05
"""Between two batches: on SQLite, where one writes at a time, everybody else has their turn."""


K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Sweep(Generic[K]):
    """How rows of one kind are found, in a transaction that only reads, and deleted, in another."""

    record: Record
    find: Callable[[Transaction, datetime, int], Sequence[K]]
    delete: Callable[[Transaction, Sequence[K]], int]


SWEEPS: tuple[Sweep[Any], ...] = (
    Sweep(Record.EVENTS, find_log_ends, delete_log_ends),
    *(Sweep(rows.record, partial(find_aged, rows=rows), partial(delete_aged, rows=rows)) for rows in ALL_AGED),
)


def policy_of(settings: Settings) -> RetentionPolicy:
    """Return the settings that say how long what is kept."""
    return RetentionPolicy(
        event_days=settings.event_retention_days,
        audit_days=settings.audit_retention_days,
        notification_days=settings.notification_retention_days,
        cleanup_days=settings.cleanup_retention_days,
        decision_days=settings.decision_retention_days,
        switch_days=settings.switch_retention_days,
        interruption_days=settings.interruption_retention_days,
        instance_days=settings.terminated_instance_retention_days,
        price_days=settings.price_retention_days,
        risk_days=settings.risk_retention_days,
    )


class RetentionSweep:
    """Deletes what is old enough, one batch per transaction and one batch of each kind in turn, up to a number of rows per run.

    A run that is ended anywhere is simply followed by the next one: which rows go is decided anew from what is there.
    """

    def __init__(self, sleeper: Sleeper) -> None:
        """`sleeper` waits between batches."""
        self._sleeper = sleeper

    def __call__(self, context: JobContext) -> str:
        """Delete, and say how many of what, and whether more is left for the next run."""
        moments = cutoffs(policy_of(context.settings), context.clock.now())
        deleted: Counter[Record] = Counter()
        waiting, seen = list(SWEEPS), 0
        while (rows_left := context.settings.retention_run_rows - deleted.total()) > 0:
            if not waiting:
                if deleted.total() == seen:
                    return _sentence(deleted, is_cut_short=False)
                # What went may have been all that kept something else: look once more at every kind.
                waiting, seen = list(SWEEPS), deleted.total()
            sweep = waiting.pop(0)
            most = min(context.settings.retention_batch_rows, rows_left)
            count = self._take_batch(context, sweep, moments[sweep.record], most)
            if count:
                deleted[sweep.record] += count
                waiting.append(sweep)
        return _sentence(deleted, is_cut_short=True)

    def _take_batch(self, context: JobContext, sweep: Sweep[Any], before: datetime, most: int) -> int:
        """Delete one batch and return how many rows it had: 0 when nothing was found, or another process deleted it meanwhile."""
        keys = context.database.read(lambda tx: sweep.find(tx, before, most))
        if not keys:
            return 0
        count = context.database.write(lambda tx: sweep.delete(tx, keys))
        context.metrics.retention_deleted_rows.labels(sweep.record.value).inc(count)
        self._sleeper.sleep(PAUSE_SECONDS)
        return count


def _sentence(deleted: Counter[Record], *, is_cut_short: bool) -> str:
    told = ", ".join(f"{count} {record.value}" for record, count in deleted.items() if count)
    rest = "; the next run goes on" if is_cut_short else ""
    return f"deleted {told}{rest}" if told else ""
