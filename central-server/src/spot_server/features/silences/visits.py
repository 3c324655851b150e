"""Which of the silent are looked into in a run: those whose time has come, and those about whom EC2 has just answered."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class Visits:
    """Remembered by one process only to be quick: after a start every silence is looked into anew."""

    def __init__(self) -> None:
        """Know of no visit yet."""
        self._due_seconds: dict[str, float] = {}
        self._asked: frozenset[str] = frozenset()

    def due(self, suspects: Sequence[str], asked: Collection[str], now_seconds: float) -> list[str]:
        """Return whom to look into now. `asked`: those about whom a question to EC2 is open. Who is silent no more is forgotten."""
        answered = self._asked - frozenset(asked)
        self._asked = frozenset(asked)
        self._due_seconds = {key: self._due_seconds[key] for key in suspects if key in self._due_seconds}
        return [key for key in suspects if key in answered or now_seconds >= self._due_seconds.get(key, now_seconds)]

    def note(self, agent_id: str, due_seconds: float, *, is_asked: bool = False) -> None:
        """Remember when (on the steady clock) to look into this silence again, unless EC2, which was asked just now, answers before."""
        if is_asked:
            self._asked |= {agent_id}
        self._due_seconds[agent_id] = due_seconds
