"""A bulkhead: of requests of one kind only so many go on at once, so that they crowd out neither each other nor everything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spot_server.errors import DatabaseUnavailable

PATIENCE_SECONDS = 5.0
"""Half of what a daemon waits for an answer: what is stored later has nobody who hears of it."""


class Lane:
    """Lets `width` through at once; the others wait for their turn. Safe to share between threads.

    Heartbeats and price reports of thousands of daemons come at once, each a short transaction. Twenty of them at a time on one
    interpreter do not get through sooner than four, they spend the processor on taking turns (docs/performance.md has the figures),
    and they hold all of the process's connections, which pages, commands and notices then wait for.
    """

    def __init__(self, width: int, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Let `width` (>= 1) through at once, and have nobody wait for longer than `patience_seconds`."""
        self._free = threading.Semaphore(width)
        self._patience_seconds = patience_seconds

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Go through the lane for the length of the block; DatabaseUnavailable when no turn came in time."""
        if not self._free.acquire(timeout=self._patience_seconds):
            raise DatabaseUnavailable("too many reports of daemons wait to be stored; try again")
        try:
            yield
        finally:
            self._free.release()
