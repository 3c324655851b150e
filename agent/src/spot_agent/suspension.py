"""Coming back from hibernation: EC2 called this instance stopped meanwhile, and another may be the primary by now."""

from __future__ import annotations

from spot_agent.clock import Bell, Clock
from spot_agent.logs import Log
from spot_agent.roles import Roles
from spot_agent.rules.suspension import was_away


class SuspensionWatch:
    """Silences a workload that a suspension froze and that goes on from memory, until the server says that it may serve."""

    def __init__(self, clock: Clock, roles: Roles, heartbeat_bell: Bell, log: Log) -> None:
        self._clock = clock
        self._roles = roles
        self._heartbeat_bell = heartbeat_bell
        self._log = log
        self._known_seconds = clock.suspended_seconds()

    def look(self) -> float | None:
        """How long the instance was suspended since the last look, when that is long enough to count; the workload is silent then.

        The permission goes first, then the server is asked by way of a heartbeat, then the workload is stopped: that may take a while.
        """
        suspended_seconds = self._clock.suspended_seconds()
        if not was_away(self._known_seconds, suspended_seconds):
            return None
        away_seconds = suspended_seconds - self._known_seconds
        self._known_seconds = suspended_seconds
        was_allowed = self._roles.withdraw()
        self._log.warning("back_from_suspension", away_seconds=round(away_seconds, 1), was_allowed_to_serve=was_allowed)
        self._heartbeat_bell.ring()
        if was_allowed:
            self._roles.silence()
        return away_seconds
