"""Whether a web process can serve now. Asked for often, so the answer is kept for a second."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from spot_server.clock import Clock
from spot_server.db.runner import Database
from spot_server.errors import ProductError
from spot_server.migrations import schema_state

KEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer, and why."""

    is_ready: bool
    detail: str


class ReadinessCheck:
    """Remembers the last answer of one process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing is known yet."""
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: tuple[float, Readiness] | None = None

    def ask(self) -> Readiness:
        """Return whether database and schema are there, as of at most KEEP_SECONDS ago."""
        with self._lock:
            now_seconds = self._clock.monotonic_seconds()
            if self._kept is None or now_seconds - self._kept[0] >= KEEP_SECONDS:
                self._kept = (now_seconds, check_database(self._database))
            return self._kept[1]


def check_database(database: Database) -> Readiness:
    """Tell whether the server can work with the database, in one line for a person."""
    try:
        state = database.read(lambda tx: schema_state(tx.connection))
    except ProductError as error:
        cause = getattr(error.__cause__, "orig", None)
        return Readiness(is_ready=False, detail=f"the database cannot be reached: {cause or error.detail}")
    except SQLAlchemyError as error:
        return Readiness(is_ready=False, detail=f"the database refuses: {getattr(error, 'orig', None) or error}")
    if not state.is_current:
        return Readiness(is_ready=False, detail=state.explain())
    return Readiness(is_ready=True, detail=f"schema {state.current}")
