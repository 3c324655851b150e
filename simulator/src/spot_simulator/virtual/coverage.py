"""Which step of which move was met by which kind of fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.schedule import MOVES, Event, Kind

LEAST_SECONDS = 1.0
"""A fault of one instant, such as a kill, counts for the step that is under way then; it is looked for at the next look."""

Met = tuple[str, str, str]
"""Trigger of the move, name of its step, kind of the fault."""

_RUNNING = (
    "SELECT a.logical_agent_id, s.switch_id, s.trigger, p.name FROM switch_steps p JOIN switches s ON s.switch_id = p.switch_id"
    " JOIN agents a ON a.agent_id = s.agent_id WHERE p.status IN ('running', 'undoing')"
)
_OF_ONE_AGENT = frozenset(
    {
        Kind.KILL_DAEMON,
        Kind.JOURNAL_BLOW,
        Kind.CUT_FROM_SERVER,
        Kind.CUT_FROM_EC2,
        Kind.METADATA_FAULT,
        Kind.START_FAILS,
    }
)


class Coverage:
    """Counts each step of each move once per fault that lasted while it ran."""

    def __init__(self, fleet: Fleet) -> None:
        """Nothing was met yet."""
        self._fleet = fleet
        self._lasting: list[tuple[float, int, Event]] = []
        self._seen: set[tuple[int, str, str]] = set()
        self.faults = 0
        self.met: Counter[Met] = Counter()

    def begin(self, event: Event) -> None:
        """Remember a fault that begins now; moves are none."""
        if event.kind in MOVES:
            return
        self.faults += 1
        lasts_seconds = max(LEAST_SECONDS, float(event.facts.get("for_seconds", 0.0)))
        self._lasting.append((self._fleet.scheduler.monotonic_seconds() + lasts_seconds, self.faults, event))
        self.look()

    def look(self) -> None:
        """Count what runs now against the faults that last now."""
        now_seconds = self._fleet.scheduler.monotonic_seconds()
        self._lasting = [entry for entry in self._lasting if entry[0] >= now_seconds]
        if not self._lasting:
            return
        for name, switch_id, trigger, step in self._fleet.database.raw.execute(_RUNNING).fetchall():
            for number, kind in self._faults_of(name):
                if (number, switch_id, step) not in self._seen:
                    self._seen.add((number, switch_id, step))
                    self.met[trigger, step, kind] += 1

    def _faults_of(self, logical_agent_id: str) -> Iterator[tuple[int, str]]:
        members = self._fleet.members
        for _, number, event in self._lasting:
            if event.kind not in _OF_ONE_AGENT or members[(event.agent or 0) % len(members)].name == logical_agent_id:
                yield number, event.kind.value
