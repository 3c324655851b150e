"""Who leads the jobs: one row, the database's own clock, compare-and-set, and an epoch that every write of a job checks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import leases

JOBS_LEASE = "jobs"


_EPOCH_KEPT = select(leases.c.epoch).where(leases.c.name == bindparam("name")).with_for_update(read=True)
"""Nobody takes over until the end of the transaction that asks."""


class LeaseLost(Exception):
    """Another jobs process leads now; what this one was about to write is not written."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Who leads, since which epoch, until when (on the database's clock)."""

    holder: str
    epoch: int
    expires_at: datetime


def database_now(tx: Transaction) -> datetime:
    """Return the database's own time: two jobs processes may have clocks that differ."""
    if tx.connection.dialect.name == "sqlite":
        written = tx.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
        return datetime.fromisoformat(written).replace(tzinfo=UTC)
    moment: datetime = tx.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one()
    return moment.replace(tzinfo=UTC)


def read_lease(tx: Transaction, name: str = JOBS_LEASE) -> LeaseRow | None:
    """Return the row, or None if nobody ever led."""
    row = tx.execute(select(leases.c.holder, leases.c.epoch, leases.c.expires_at).where(leases.c.name == name)).one_or_none()
    return None if row is None else LeaseRow(row.holder, row.epoch, row.expires_at)


class Lease:
    """One process's claim to lead. `epoch` is None while it does not lead."""

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        duration_seconds: float,
        name: str = JOBS_LEASE,
        read_now: Callable[[Transaction], datetime] = database_now,
    ) -> None:
        """`holder` tells one process from another, over restarts too."""
        self._database = database
        self._holder = holder
        self._duration = timedelta(seconds=duration_seconds)
        self._name = name
        self._read_now = read_now
        self._lock = threading.Lock()
        self._epoch: int | None = None

    @property
    def epoch(self) -> int | None:
        """The epoch under which this process leads, or None."""
        return self._epoch

    def acquire(self) -> bool:
        """Take the lease if it is free or has run out; return whether this process leads now."""
        with self._lock:
            try:
                self._epoch = self._database.write(self._take)
            except IntegrityError:
                # Two processes met at the very first row.
                self._epoch = None
            return self._epoch is not None

    def renew(self) -> bool:
        """Lead for another duration; False (and no longer leading) when another process has taken over."""
        with self._lock:
            if self._epoch is None:
                return False
            epoch = self._epoch
            if not self._database.write(lambda tx: self._prolong(tx, epoch)):
                self._epoch = None
            return self._epoch is not None

    def release(self) -> None:
        """Let the next process lead at once."""
        with self._lock:
            if self._epoch is None:
                return
            epoch, self._epoch = self._epoch, None
            self._database.write(lambda tx: self._end(tx, epoch))

    def give_up(self) -> None:
        """Stop leading without telling the database, when it cannot be told."""
        self._epoch = None

    def check(self, tx: Transaction) -> None:
        """Raise LeaseLost unless this process leads; nobody can take over until the end of the transaction."""
        row = tx.execute(_EPOCH_KEPT, {"name": self._name}).one_or_none()
        if self._epoch is None or row is None or row.epoch != self._epoch:
            raise LeaseLost

    def _take(self, tx: Transaction) -> int | None:
        now = self._read_now(tx)
        row = read_lease(tx, self._name)
        if row is None:
            tx.execute(insert(leases).values(name=self._name, holder=self._holder, epoch=1, expires_at=now + self._duration))
            return 1
        statement = (
            update(leases)
            .where(leases.c.name == self._name, leases.c.epoch == row.epoch, leases.c.expires_at <= now)
            .values(holder=self._holder, epoch=row.epoch + 1, expires_at=now + self._duration)
        )
        return row.epoch + 1 if tx.execute(statement).rowcount == 1 else None

    def _prolong(self, tx: Transaction, epoch: int) -> bool:
        now = self._read_now(tx)
        statement = update(leases).where(leases.c.name == self._name, leases.c.epoch == epoch)
        return tx.execute(statement.values(expires_at=now + self._duration)).rowcount == 1

    def _end(self, tx: Transaction, epoch: int) -> None:
        now = self._read_now(tx)
        tx.execute(update(leases).where(leases.c.name == self._name, leases.c.epoch == epoch).values(expires_at=now))
