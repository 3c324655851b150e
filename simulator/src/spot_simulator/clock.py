"""Time as a port: the only file of the package that reads the machine's clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the region gets its time from; a virtual clock may stand here."""

    def now(self) -> datetime:
        """Return the wall time, aware, UTC: for records."""
        ...

    def monotonic_seconds(self) -> float:
        """Return a time that never goes back: for durations."""
        ...


class Sleeper(Protocol):
    """How the region waits."""

    def sleep(self, seconds: float) -> None:
        """Return when ``seconds`` (>= 0) have passed."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        """Return the machine's monotonic time."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)


def rfc3339(moment: datetime) -> str:
    """Write an aware time as RFC 3339 UTC with microseconds and a ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def aws_time(moment: datetime) -> str:
    """Write an aware time as EC2 and its metadata do: whole seconds and a ``Z``; the fraction is cut off."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time; one without a zone is UTC. Raise ``ValueError`` on anything else."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
