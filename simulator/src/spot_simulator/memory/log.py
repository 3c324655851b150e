"""The region's numbered log, in memory alone."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from spot_simulator.clock import Clock, rfc3339


class MemoryLog:
    """What happened, numbered from 1 in the order of happening. Entries are made readable when they are read."""

    def __init__(self, clock: Clock) -> None:
        """Start empty. ``listeners`` are called after each entry."""
        self._clock = clock
        self.listeners: list[Callable[[], None]] = []
        self.entries: list[tuple[datetime, str, Mapping[str, object]]] = []

    def append(self, kind: str, **facts: object) -> None:
        """Record an event; ``facts`` are not changed afterwards."""
        self.entries.append((self._clock.now(), kind, facts))
        for listener in list(self.listeners):
            listener()

    def after(self, number: int) -> list[dict[str, object]]:
        """Return the events with a number above ``number``, oldest first, as JSON values."""
        start = max(0, number)
        return [
            {"number": index, "at": rfc3339(at), "kind": kind, **{name: _json(value) for name, value in facts.items()}}
            for index, (at, kind, facts) in enumerate(self.entries[start:], start=start + 1)
        ]


def _json(value: object) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {str(name): _json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_json(part) for part in value]
    if isinstance(value, datetime):
        return rfc3339(value)
    return value if value is None or isinstance(value, bool | int | float | str) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.isoformat() if isinstance(value, date) else repr(value)
