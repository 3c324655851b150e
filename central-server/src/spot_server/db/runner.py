"""The one way to the database: a use case runs whole in one transaction, and is repeated whole when the database says so."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, CursorResult, Engine, Executable
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spot_server.clock import Clock, Sleeper
from spot_server.db.engine import IS_WRITE_OPTION
from spot_server.db.event_log import NewEvent, append_events
from spot_server.errors import DatabaseUnavailable
from spot_server.policy import MovePolicy

T = TypeVar("T")

RETRYABLE_MYSQL_CODES = frozenset({1020, 1047, 1205, 1213, 2006, 2013, 4031})
"""Changed since last read, certification failure, lock time-out, deadlock, connection gone or lost, idle time-out.
Source: MySQL and MariaDB error references."""

CONNECT_MYSQL_CODES = frozenset({1040, 1053, 2002, 2003})
"""Too many connections, shutdown in progress, cannot connect: the database is away for now."""

MAX_ATTEMPTS = 6
RETRY_BASE_SECONDS = 0.02
SQLITE_BUSY_DEADLINE_SECONDS = 10.0
"""How long after SQLite's first refusal a use case is repeated. The time in this process's own queue before it does not count: a thousand
writers that come at once take longer than this on a slow disk, and each of them would end at the first refusal."""

log = structlog.get_logger()


@dataclass(slots=True)
class Transaction:
    """What a use case works with. Nothing below the runner commits; events are written last, in commit order."""

    connection: Connection
    now: datetime
    policy: MovePolicy
    pending_events: list[NewEvent] = field(default_factory=list)

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]:  # noqa: ANN401 - SQLAlchemy's own
        """Run one statement inside this transaction."""
        return self.connection.execute(statement, parameters)

    def emit(
        self,
        kind: str,
        *,
        client_id: str,
        agent_id: str | None = None,
        instance_id: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an event to the client's log; it gets its number when the transaction is about to commit."""
        self.pending_events.append(NewEvent(client_id, kind, agent_id, instance_id, dict(data or {})))


class Database:
    """Runs use cases. `write` repeats the whole use case on deadlock, lock time-out and lost connections, so use cases are repeatable."""

    def __init__(self, engine: Engine, *, clock: Clock, sleeper: Sleeper, policy: MovePolicy | None = None) -> None:
        """Share `engine` between threads; on SQLite writers queue up in this process before SQLite's own lock."""
        self.engine = engine
        self._clock = clock
        self._sleeper = sleeper
        self.policy = policy or MovePolicy()
        self.on_commit: Callable[[Sequence[NewEvent]], None] | None = None
        """Told the events of each write once they are committed. Must not fail, nor take long: the connection is not given back yet."""

        self._is_sqlite = engine.dialect.name == "sqlite"
        self._writer_lock: AbstractContextManager[Any] = threading.Lock() if self._is_sqlite else nullcontext()

    def write(self, use_case: Callable[[Transaction], T]) -> T:
        """Run `use_case` in one read-write transaction and return its result after the commit."""
        return self._run(use_case, is_write=True)

    def read(self, use_case: Callable[[Transaction], T]) -> T:
        """Run `use_case` in one transaction that writes nothing."""
        return self._run(use_case, is_write=False)

    def _run(self, use_case: Callable[[Transaction], T], *, is_write: bool) -> T:
        refused_at_seconds: float | None = None
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._attempt(use_case, is_write=is_write)
            except PoolTimeout as error:
                raise DatabaseUnavailable("all connections to the database are in use; try again") from error
            except DBAPIError as error:
                now_seconds = self._clock.monotonic_seconds()
                refused_at_seconds = now_seconds if refused_at_seconds is None else refused_at_seconds
                if not self._may_repeat(error, attempt, now_seconds - refused_at_seconds):
                    if is_database_away(error):
                        raise DatabaseUnavailable from error
                    raise
                log.debug("transaction_repeated", attempt=attempt, reason=str(error.orig))
                # Jitter decorrelates two transactions that deadlocked with each other; 2^4 caps one wait at 0.3 s.
                self._sleeper.sleep(RETRY_BASE_SECONDS * 2 ** min(attempt - 1, 4) * random.uniform(0.5, 1.0))  # noqa: S311

    def _attempt(self, use_case: Callable[[Transaction], T], *, is_write: bool) -> T:
        lock = self._writer_lock if is_write else nullcontext()
        with lock, self.engine.connect().execution_options(**{IS_WRITE_OPTION: is_write}) as connection:
            with connection.begin():
                tx = Transaction(connection, self._clock.now(), self.policy)
                result = use_case(tx)
                append_events(connection, tx.pending_events, tx.now)
            if tx.pending_events and self.on_commit is not None:
                self.on_commit(tx.pending_events)
            return result

    def _may_repeat(self, error: DBAPIError, attempt: int, refused_for_seconds: float) -> bool:
        if self._is_sqlite:
            return is_sqlite_busy(error) and refused_for_seconds < SQLITE_BUSY_DEADLINE_SECONDS
        return attempt < MAX_ATTEMPTS and mysql_code(error) in RETRYABLE_MYSQL_CODES


def mysql_code(error: DBAPIError) -> int | None:
    """Return the server's error number, or None when the driver gave none."""
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def is_sqlite_busy(error: DBAPIError) -> bool:
    """Return whether another process held SQLite's write lock."""
    text = str(error.orig)
    return "database is locked" in text or "database table is locked" in text


def is_database_away(error: DBAPIError) -> bool:
    """Return whether the database cannot be reached or does not answer, as opposed to refusing this statement."""
    if not isinstance(error, OperationalError):
        return error.connection_invalidated
    return mysql_code(error) in CONNECT_MYSQL_CODES | RETRYABLE_MYSQL_CODES or is_sqlite_busy(error) or "unable to open" in str(error.orig)
