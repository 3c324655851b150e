"""Sends requests and notes how they went, while the window is open."""

from __future__ import annotations

import asyncio

from bench.connection import Answer, AnswerUnreadable, Connection
from bench.plan import Seen, Window

MOST_EXAMPLES = 10
PATIENCE_SECONDS = 30.0
FIRST_ERROR_STATUS = 400


class Recorder:
    """The book of one generator."""

    def __init__(self, window: Window) -> None:
        """Nothing was seen yet."""
        self.window = window
        self.seen = Seen()
        self._loop = asyncio.get_running_loop()

    def is_open(self, moment_seconds: float) -> bool:
        """Whether something sent at this moment counts."""
        return self.window.begin_seconds <= moment_seconds < self.window.end_seconds

    async def send(self, kind: str, connection: Connection, request: bytes, *, wait_seconds: float = 0.0) -> Answer | None:
        """Send one request, note its time or its failure, and return a good answer or None.

        Of a request that may be parked for `wait_seconds` only a failure is noted: when it ends is no matter of speed.
        """
        sent_seconds = self._loop.time()
        try:
            async with asyncio.timeout(wait_seconds + PATIENCE_SECONDS):
                answer = await connection.call(request)
        except (OSError, AnswerUnreadable, ValueError) as error:  # TimeoutError is an OSError
            connection.close()
            self._fail(kind, sent_seconds, f"{kind}: {type(error).__name__}: {error}", was_parked=wait_seconds > 0)
            return None
        if answer.status >= FIRST_ERROR_STATUS:
            self._fail(
                kind, sent_seconds, f"{kind}: {answer.status}: {answer.body[:200].decode(errors='replace')}", was_parked=wait_seconds > 0
            )
            return None
        if wait_seconds == 0 and self.is_open(sent_seconds):
            self.note(kind, answer.arrived_seconds - sent_seconds)
        return answer

    def note(self, kind: str, duration_seconds: float) -> None:
        """Add one measurement."""
        self.seen.times_ms.setdefault(kind, []).append(duration_seconds * 1000)

    def _fail(self, kind: str, sent_seconds: float, example: str, *, was_parked: bool) -> None:
        # A parked request may have been sent long before the window.
        if self.is_open(sent_seconds) or (was_parked and self.is_open(self._loop.time())):
            self.seen.errors[kind] = self.seen.errors.get(kind, 0) + 1
            if len(self.seen.error_examples) < MOST_EXAMPLES:
                self.seen.error_examples.append(example)
        elif sent_seconds < self.window.begin_seconds:
            self.seen.errors_while_settling += 1
