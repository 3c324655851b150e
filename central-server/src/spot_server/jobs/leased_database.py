"""The database as jobs see it: every write is made only while this process leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from spot_server.db.runner import Database, Transaction
from spot_server.jobs.lease import Lease

T = TypeVar("T")


class LeasedDatabase(Database):
    """A Database whose `write` raises LeaseLost, and writes nothing, once another jobs process has taken over."""

    def __init__(self, database: Database, lease: Lease) -> None:
        """Guard `database` with `lease`; engine, clock and writer lock stay shared."""
        self.engine = database.engine
        self.policy = database.policy
        self._database = database
        self._lease = lease

    def write(self, use_case: Callable[[Transaction], T]) -> T:
        """Check the lease, hold it, and run `use_case`, in one transaction."""

        def guarded(tx: Transaction) -> T:
            self._lease.check(tx)
            return use_case(tx)

        return self._database.write(guarded)

    def read(self, use_case: Callable[[Transaction], T]) -> T:
        """Run `use_case`; reading needs no lease."""
        return self._database.read(use_case)
