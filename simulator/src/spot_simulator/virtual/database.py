"""The database server of a run: SQLite in memory, seen by server processes through connections that can fail."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from typing import TypeVar, cast

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from spot_server.clock import SystemClock
from spot_server.db.engine import create_database_engine
from spot_server.db.runner import Database, Transaction
from spot_server.migrations import migrate
from spot_server.policy import MovePolicy
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.one_connection import OneConnection
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.table_watch import TableWatch

T = TypeVar("T")


class Blow(StrEnum):
    """What can happen to a transaction."""

    DIE_BEFORE = "die_before"  # the process is killed before it commits
    DIE_AFTER = "die_after"  # the process is killed after the commit, before anybody heard of it
    FAIL_BEFORE = "fail_before"  # the connection breaks before the commit
    FAIL_AFTER = "fail_after"  # the commit is made, its answer is lost


class DatabaseServer:
    """Outlives every process. `blow`, if there is one, is asked at each write that changes something which blow falls on it, if any."""

    def __init__(self) -> None:
        """Start with an empty schema. One database at a time: all have one engine, which knows the statements of the runs before."""
        self.engine = _engine()
        self.one_connection = _one_connection()
        """The engine for whoever opens transactions only."""
        self.raw = _raw(self.engine)
        self.raw.deserialize(_template())
        self.is_away = False
        self.writes = 0
        self.watch = TableWatch(self.engine)
        self.blow: Callable[[str], Blow | None] | None = None
        self.announced: set[str] = set()
        """Instances for which a web process committed a command: who waits there is answered at once, not at the poller's next look."""

    def database_of(self, process: Process, clock: ProcessClock, policy: MovePolicy) -> "VulnerableDatabase":
        """Return the database as one process uses it."""
        return VulnerableDatabase(self, process, clock, policy)

    def has_open_commands(self) -> bool:
        """Tell whether any command waits for its answer."""
        return self.raw.execute("SELECT 1 FROM commands WHERE open_instance_id IS NOT NULL LIMIT 1").fetchone() is not None

    def has_open_command_of(self, instance_id: str) -> bool:
        """Tell whether any command of an instance waits for its answer."""
        return self.raw.execute("SELECT 1 FROM commands WHERE open_instance_id = ? LIMIT 1", (instance_id,)).fetchone() is not None

    def heard_since(self, moment: datetime) -> list[tuple[str, datetime]]:
        """Return the instances that were heard after `moment`, and when they last were."""
        rows = self.raw.execute("SELECT instance_id, last_heartbeat_at FROM instances WHERE last_heartbeat_at > ?", (stored(moment),))
        return [(instance_id, moment_of(heard_at)) for instance_id, heard_at in rows]

    def lease_expires_at(self) -> datetime | None:
        """Return when the jobs lease runs out; None when nobody has it."""
        row = self.raw.execute("SELECT expires_at FROM leases").fetchone()
        return None if row is None else moment_of(row[0])

    @property
    def is_certain(self) -> bool:
        """Whether every transaction is certain to be carried out."""
        return not self.is_away and self.blow is None

    def prolong_lease(self, holder: str, epoch: int, expires_at: datetime) -> bool:
        """Do what a renewal of the jobs lease does; False when it is another's by now."""
        done = self.raw.execute("UPDATE leases SET expires_at = ? WHERE holder = ? AND epoch = ?", (stored(expires_at), holder, epoch))
        return done.rowcount == 1

    def close(self) -> None:
        """Let the next run have the engine."""
        self.watch.close()


def stored(moment: datetime) -> str:
    """Return an aware moment in UTC as it is in the rows."""
    return moment.isoformat(" ", "microseconds")[:26]


@lru_cache(maxsize=10_000)
def moment_of(text: str) -> datetime:
    """Return the moment that is in the rows as `text`: the same ones are asked for again and again."""
    return datetime.fromisoformat(f"{text}+00:00")


HEARD_AGAIN = """
    UPDATE instances SET last_heartbeat_at = ?1, reported_resources = json_set(
        reported_resources, '$.age_seconds',
        json_extract(reported_resources, '$.age_seconds') + (julianday(?1) - julianday(last_heartbeat_at)) * 86400.0
    )
"""
"""What a heartbeat with nothing new changes: it came at a moment, and the look at EC2 that it tells of is older by as much."""


@cache
def _engine() -> Engine:
    return create_database_engine("sqlite://")


@cache
def _one_connection() -> Engine:
    return cast("Engine", OneConnection(_engine()))


@cache
def _template() -> bytes:
    engine = create_database_engine("sqlite://")
    migrate(engine, clock=SystemClock(), sleeper=SystemClock())
    return _raw(engine).serialize()


def _raw(engine: Engine) -> sqlite3.Connection:
    """Return SQLite's own connection: there is one, as there is one thread."""
    with engine.connect() as connection:
        return cast("sqlite3.Connection", connection.connection.dbapi_connection)


class VulnerableDatabase(Database):
    """The product's own runner, on connections that break and in a process that dies.

    `doings` counts writes, and reads that found something.
    """

    def __init__(self, server: DatabaseServer, process: Process, clock: ProcessClock, policy: MovePolicy) -> None:
        super().__init__(server.one_connection, clock=clock, sleeper=clock, policy=policy)
        self._server = server
        self._process = process
        self.doings = 0

    def _attempt(self, use_case: Callable[[Transaction], T], *, is_write: bool) -> T:
        self._process.check()
        if self._server.is_away:
            raise _broken("unable to open a connection: the database is away")
        if not is_write:
            found = super()._attempt(use_case, is_write=False)
            self.doings += bool(found)
            return found
        self.doings += 1
        result, blow = super()._attempt(lambda tx: self._struck(use_case, tx), is_write=True)
        if blow is Blow.DIE_AFTER:
            self._process.kill()
        if blow is Blow.FAIL_AFTER:
            raise _broken("the connection was lost while the transaction was committed")
        return result

    def _struck(self, use_case: Callable[[Transaction], T], tx: Transaction) -> tuple[T, Blow | None]:
        watch = self._server.watch
        before = watch.changes
        result = use_case(tx)
        if watch.changes == before:
            return result, None
        self._server.writes += 1
        blow = None if self._server.blow is None else self._server.blow(self._process.name)
        if blow is Blow.DIE_BEFORE:
            self._process.kill()
        if blow is Blow.FAIL_BEFORE:
            raise _broken("the connection was lost")
        return result, blow

    def _may_repeat(self, error: object, attempt: int, elapsed_seconds: float) -> bool:
        # As on a server database: a lost connection is repeated, at once and a few times. SQLite itself never loses one.
        return isinstance(error, OperationalError) and isinstance(error.orig, ConnectionBroken) and attempt < MOST_ATTEMPTS


class ConnectionBroken(sqlite3.OperationalError):
    """Stands for MySQL's 2006 and 2013."""


MOST_ATTEMPTS = 6


def _broken(message: str) -> OperationalError:
    return OperationalError("", {}, ConnectionBroken(message), connection_invalidated=True)
