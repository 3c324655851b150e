"""What a service manager does in production: a server process that ends by itself is started again, though not without end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spot_simulator.demo.processes import ProcessDied, Processes

MOST_STARTS = 5
PERIOD_SECONDS = 60.0
"""One that ends more often than MOST_STARTS times in this period is broken, and starting it once more hides that."""


@dataclass(slots=True)
class ServiceManager:
    """Looks after some of the demo's processes; any other that ends, ends the demo."""

    processes: Processes
    starts: Mapping[str, Callable[[], object]]
    """How each of the processes that it looks after is started, by name."""
    say: Callable[[str], None]
    started_at_seconds: dict[str, list[float]] = field(default_factory=dict)

    def look(self) -> None:
        """Start again what has ended; ProcessDied for what is not looked after, and for what ends too often."""
        for name, start in self.starts.items():
            code = self.processes.ended(name)
            if code is None:
                continue
            now_seconds = self.processes.clock.monotonic_seconds()
            recent = recent_starts(self.started_at_seconds.get(name, ()), now_seconds)
            if len(recent) >= MOST_STARTS:
                raise ProcessDied(f"{name} ended more than {MOST_STARTS} times in {PERIOD_SECONDS:g} s:\n{self.processes.tail(name)}")
            self.started_at_seconds[name] = [*recent, now_seconds]
            start()
            self.say(
                f"{name} {ending_text(code)}: started again, as a service manager would ({len(recent) + 1} of {MOST_STARTS} in a minute)"
            )
        self.processes.check()


def recent_starts(started_at_seconds: Sequence[float], now_seconds: float) -> list[float]:
    """Return the starts that still count against the bound."""
    return [moment for moment in started_at_seconds if now_seconds - moment < PERIOD_SECONDS]


def ending_text(code: int) -> str:
    """Say how a process ended, from the code that `subprocess` gives: below zero it is a signal."""
    if code >= 0:
        return f"ended with code {code}"
    known = {item.value: item.name for item in signal.Signals}
    return f"was ended by {known.get(-code, f'signal {-code}')}"
