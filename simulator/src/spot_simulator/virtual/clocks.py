"""The clocks that processes read: one time for all, seen through each machine's own error."""

from datetime import datetime, timedelta

from spot_simulator.virtual.limits import Limits
from spot_simulator.virtual.process import Process


class ProcessClock:
    """Clock and sleeper of one process; fits the server's and the daemon's ports.

    Its wall clock is `skew_seconds` ahead of the truth (negative: behind), and may be set while it runs; the monotonic one is never wrong.
    """

    def __init__(self, process: Process, *, skew_seconds: float = 0.0, booted_at: datetime | None = None) -> None:
        """`booted_at`: when the machine booted, in true time."""
        self._process = process
        self.skew_seconds = skew_seconds
        self._booted_at = booted_at or process.scheduler.now()
        self.limits: Limits | None = None
        """What notes with what the wall time is compared from now on."""

    def now(self) -> datetime:
        """Return what the machine's wall clock shows."""
        now = self._process.scheduler.now() + timedelta(seconds=self.skew_seconds)
        return now if self.limits is None else self.limits.moment(now)

    def monotonic_seconds(self) -> float:
        """Return the seconds since the run began."""
        return self._process.scheduler.monotonic_seconds()

    def suspended_seconds(self) -> float:
        """Return 0: nothing hibernates in memory."""
        return 0.0

    def booted_at(self) -> datetime:
        """Return when the machine booted, on its own wall clock."""
        return self._booted_at + timedelta(seconds=self.skew_seconds)

    def sleep(self, duration_seconds: float) -> None:
        """Let time pass for the task that calls."""
        self._process.sleep(duration_seconds)
