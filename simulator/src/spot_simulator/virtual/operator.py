"""A person at the API: wishes that are asked for until they are answered, each under a request_id of its own."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from spot_simulator.virtual.network import Network, Request, Response, Unanswered
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.scheduler import Scheduler
from spot_simulator.virtual.web_host import SERVER

TIMEOUT_SECONDS = 10.0
RETRY_SECONDS = 3.0
MOST_TRIES = 20
Json = dict[str, Any]


class Refused(Exception):
    """The server answered, and the answer is no."""

    def __init__(self, status: int, problem: Json) -> None:
        """`problem` is the answer's body."""
        super().__init__(f"{status}: {problem.get('title') or problem.get('detail')}")
        self.status, self.problem = status, problem


class Operator:
    """Everything that was acknowledged to it is kept in `acknowledged`: it must be there at the end."""

    def __init__(self, scheduler: Scheduler, network: Network, client_id: str, token: str) -> None:
        """`token` is a client token."""
        self.process = Process(scheduler, "operator")
        self._network, self._client_id, self._token = network, client_id, token
        self.acknowledged: list[tuple[str, str]] = []
        self.contradictions: list[str] = []
        self._count = 0

    def begin(self, act: Callable[[], None]) -> None:
        """Let a person do something; what the server refuses, or never answers, ends that."""

        def work() -> None:
            try:
                act()
            except (Refused, Unanswered):
                return

        self.process.spawn(work)

    def new_request_id(self) -> str:
        """Return an id for a new wish."""
        self._count += 1
        return f"wish-{self._count}"

    def get(self, path: str) -> Json:
        """Read a page below the client's; asks until it is answered."""
        return self._persist("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Ask for something below the client's pages; asks until it is answered."""
        return self._persist("POST", path, dict(body))

    def delete(self, path: str) -> Json:
        """Delete something below the client's pages; asks until it is answered."""
        return self._persist("DELETE", path, None)

    def acknowledge(self, kind: str, answered_id: str) -> None:
        """Remember that the server said it has this."""
        self.acknowledged.append((kind, answered_id))

    def sleep(self, seconds: float) -> None:
        """Let time pass for the act that calls."""
        self.process.sleep(seconds)

    def _persist(self, method: str, path: str, body: Json | None) -> Json:
        tries = 0
        while True:
            tries += 1
            try:
                response = self._send(method, path, body)
            except Unanswered:
                if tries >= MOST_TRIES:
                    raise
            else:
                if response.status < 500 and response.status != 429:
                    return _read(response)
                if tries >= MOST_TRIES:
                    raise Unanswered(f"status {response.status}")
            self.process.sleep(RETRY_SECONDS)

    def _send(self, method: str, path: str, body: Json | None) -> Response:
        content = None if body is None else json.dumps(body).encode()
        request = Request(method, f"/api/client/{self._client_id}{path}", self._token, content)
        return self._network.call(self.process, "operator", SERVER, request, TIMEOUT_SECONDS)


def _read(response: Response) -> Json:
    body: Json = json.loads(response.body) if response.body else {}
    if response.status >= 400:
        raise Refused(response.status, body)
    return body
