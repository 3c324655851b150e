"""How far a long act is, told to the server now and then: for people, so nothing depends on it."""

from __future__ import annotations

from spot_agent.clock import Clock
from spot_agent.errors import ServerFailed
from spot_agent.logs import Log
from spot_agent.model import JsonObject
from spot_agent.ports import CentralApi

TELL_EVERY_SECONDS = 10.0


class ProgressReports:
    """The first report of an act comes only after TELL_EVERY_SECONDS: a short act has none, and is not held up by one."""

    def __init__(self, api: CentralApi, clock: Clock, log: Log) -> None:
        self._api = api
        self._clock = clock
        self._log = log
        self._about = ""
        self._due_seconds = 0.0

    def tell(self, switch_id: str, detail: JsonObject) -> None:
        """Report, unless it is too soon. What does not get through is left out: the next one says more."""
        now_seconds = self._clock.monotonic_seconds()
        if self._about != switch_id:
            self._about, self._due_seconds = switch_id, now_seconds + TELL_EVERY_SECONDS
        if now_seconds < self._due_seconds:
            return
        self._due_seconds = now_seconds + TELL_EVERY_SECONDS
        try:
            self._api.report("switch-report", {"switch_id": switch_id, "timing": {}, "detail": detail})
        except ServerFailed as error:
            self._log.info("progress_not_told", error=str(error))
