"""How a campaign is ended from outside: at SIGTERM as at an interruption at the terminal, with what was counted kept."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_BEYOND = 128
"""A shell calls the end by a signal so much more than its number."""


class Interrupted(BaseException):
    """Somebody ends the campaign. Not an Exception: nothing that is played may hold it."""

    def __init__(self, number: int) -> None:
        """`number` is the signal's."""
        super().__init__(signal.Signals(number).name)
        self.exit_code = _BEYOND + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise Interrupted at the first SIGINT or SIGTERM inside the block, also where the shell that started it had SIGINT ignored.

    Later ones are let pass: what is kept takes a moment.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
