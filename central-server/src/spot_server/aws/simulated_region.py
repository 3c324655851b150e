"""The simulated region as the player of game days, through its control API."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.playing import Experiment, ExperimentState, PlayOrder
from spot_server.aws.region_calls import close_calls, play_calls
from spot_server.words import GameDayKind

TIMEOUT_SECONDS = 10.0
_UP = frozenset({"pending", "running"})


class SimulatedRegion:
    """The GameDayPlayer of the demo and the system tests."""

    def __init__(self, url: str) -> None:
        """`url` is the region's, such as http://127.0.0.1:8400."""
        parts = urlsplit(url)
        self._host, self._prefix, self._is_https = parts.netloc, parts.path.rstrip("/"), parts.scheme == "https"

    def play(self, order: PlayOrder) -> dict[str, str]:
        """Make the event happen, unless the instance has it already: from an earlier try whose answer was lost."""
        if not self._has_event(order):
            for call in play_calls(order):
                self._call("POST", call.path, call.body)
        return {}

    def look(self, order: PlayOrder) -> Experiment:
        """The region does what it was told at once."""
        return Experiment(ExperimentState.ENDED)

    def close(self, order: PlayOrder) -> None:
        """Give capacity back. A notice cannot be taken back, here as on AWS."""
        for call in close_calls(order):
            self._call("POST", call.path, call.body)

    def _has_event(self, order: PlayOrder) -> bool:
        state = self._call("GET", "/_region/state", None)
        instance = next((made for made in state["instances"] if made["instance_id"] == order.instance_id), None)
        if instance is None:
            raise AwsFailed(ErrorClass.NOT_FOUND, "no_such_instance", f"the simulated region has no instance {order.instance_id}")
        if instance["state"] not in _UP:
            return True
        if order.kind is GameDayKind.RECOMMENDATION:
            said = instance["rebalance_at"]
            return said is not None and datetime.fromisoformat(said) >= order.began_at
        return order.kind is not GameDayKind.LOSS and instance["notice"] is not None

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        connect = http.client.HTTPSConnection if self._is_https else http.client.HTTPConnection
        connection = connect(self._host, timeout=TIMEOUT_SECONDS)
        was_sent = False
        try:
            connection.connect()
            was_sent = True
            content = None if body is None else json.dumps(dict(body))
            connection.request(method, self._prefix + path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, text = answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            message = f"the simulated region at {self._host}: {error}"
            raise AwsFailed(ErrorClass.UNREACHABLE, type(error).__name__, message, may_have_acted=was_sent) from error
        finally:
            connection.close()
        return _document(status, text)


def _document(status: int, text: str) -> dict[str, Any]:
    try:
        document: Any = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise AwsFailed(ErrorClass.UNEXPECTED, f"http_{status}", "what answers is no simulated region", may_have_acted=True)
    if status >= 500:
        raise AwsFailed(ErrorClass.UNREACHABLE, f"http_{status}", str(document.get("title")), may_have_acted=True)
    if status >= 400:
        raise AwsFailed(ErrorClass.REFUSED, f"http_{status}", f"{document.get('title')} ({document.get('field')}={document.get('value')})")
    return document
