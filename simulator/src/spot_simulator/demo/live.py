"""The live view: one line for each thing that happens, from the server's event stream and the region's own log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import requests

from spot_simulator.demo.apis import CallRefused, JsonApi
from spot_simulator.demo.pricing import CheapestPool, changed_prices, price_facts

SERVER_WAIT_SECONDS = 5
REGION_PERIOD_SECONDS = 0.25
PRICE_PERIOD_SECONDS = 2.0

_REGION_KINDS = frozenset(
    {"address-moved", "capacity", "notice", "rebalance-recommended", "serving", "serving-ended", "service-killed", "workload-fault-ordered"}
)


class LiveView:
    """Follows both logs in threads of its own; a server that is away is simply followed again when it is back."""

    def __init__(
        self,
        *,
        server: JsonApi,
        region: JsonApi,
        names: Callable[[], dict[str, str]],
        say: Callable[[str], None],
        from_now: bool = False,
    ) -> None:
        """`names` maps agent ids to logical ids as far as they are known; `say` prints one line; `from_now` leaves out the past."""
        self._from_now = from_now
        self._server = server
        self._region = region
        self._names = names
        self._say = say
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow_server, name="live-server", daemon=True),
            threading.Thread(target=self._follow_region, name="live-region", daemon=True),
            threading.Thread(target=self._follow_prices, name="live-prices", daemon=True),
        ]

    def start(self) -> None:
        """Begin to follow."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; a request that waits ends with its process."""
        self._stop.set()

    def _follow_server(self) -> None:
        after = -1 if self._from_now else 0
        while not self._stop.is_set():
            try:
                page = self._server.get("/events", after=after, wait=SERVER_WAIT_SECONDS)
            except (CallRefused, requests.RequestException, ValueError):
                self._stop.wait(1)
                continue
            if self._stop.is_set():
                # Whoever follows from now on shows these.
                break
            after = page["next_after"]
            for event in page["items"]:
                line = server_line(event, self._names())
                if line is not None:
                    self._say(line)

    def _region_position(self) -> int:
        try:
            events = self._region.get("/log", after=0)["events"]
        except (CallRefused, requests.RequestException, ValueError):
            return 0
        return max((event["number"] for event in events), default=0)

    def _follow_region(self) -> None:
        after = self._region_position() if self._from_now else 0
        while not self._stop.wait(REGION_PERIOD_SECONDS):
            try:
                events = self._region.get("/log", after=after)["events"]
            except (CallRefused, requests.RequestException, ValueError):
                continue
            for event in events:
                after = max(after, event["number"])
                line = region_line(event)
                if line is not None:
                    self._say(line)

    def _follow_prices(self) -> None:
        seen: dict[str, CheapestPool | None] = {}
        while not self._stop.wait(PRICE_PERIOD_SECONDS):
            try:
                changed = changed_prices(self._server, seen)
            except (CallRefused, requests.RequestException, ValueError):
                continue
            for name, pricing in changed:
                self._say(price_line(name, pricing))


def price_line(name: str, pricing: dict[str, Any]) -> str:
    """Return the current price of a primary's market as a line."""
    said_at = datetime.fromisoformat(pricing["current"]["observed_at"]) + timedelta(seconds=pricing["current"]["age_seconds"])
    return f"{clock_text(said_at.isoformat())}  {name:<8} {'prices_reported':<20} {price_facts(pricing)}"


def server_line(event: dict[str, Any], names: dict[str, str]) -> str | None:
    """Return one event of the server as a line, or None for one that says nothing to a person."""
    data = event["data"]
    kind = event["kind"]
    agent = names.get(event.get("agent_id") or "", "")
    facts = [f"{key}={_short(value)}" for key, value in data.items() if key in _SHOWN and value not in (None, "", [])]
    took = data.get("seconds")
    if took is not None:
        facts.append(f"took {took:.2f} s")
    return f"{clock_text(event['at'])}  {agent:<8} {kind:<20} {' '.join(facts)}  {event.get('instance_id') or ''}".rstrip()


_SHOWN = (
    "command",
    "step",
    "status",
    "trigger",
    "place",
    "from",
    "to",
    "target",
    "kind",
    "response",
    "lead_seconds",
    "epoch",
    "is_undo",
    "reason",
    "failure",
    "accepted",
    "refused",
    "downtime_ms",
    "note",
)


def region_line(event: dict[str, Any]) -> str | None:
    """Return one entry of the region's log as a line, or None for one that the server tells as well."""
    kind = event.get("kind", "")
    if kind not in _REGION_KINDS and not _is_comeback(event):
        return None
    facts = " ".join(f"{key}={_short(value)}" for key, value in event.items() if key not in {"kind", "number", "at"} and value is not None)
    return f"{clock_text(event['at'])}  {'EC2':<8} {kind:<20} {facts}"


def _is_comeback(event: dict[str, Any]) -> bool:
    """Whether a program of an instance ended though nobody asked for it, or was started again after that."""
    kind = event.get("kind")
    return (kind == "service-ended" and event.get("asked") is False) or (kind == "service-started" and event.get("why") == "restart")


def clock_text(moment: str) -> str:
    """Return the time of day of an RFC 3339 time, to the millisecond."""
    return datetime.fromisoformat(moment).strftime("%H:%M:%S.%f")[:-3]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 90 else text[:87] + "..."
