"""The server's client side over HTTP. Every request that spotctl makes may be repeated: reads, and writes with a request_id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from spotctl.clock import Clock
from spotctl.credentials import Credentials
from spotctl.errors import Refused, Unreachable
from spotctl.http_client import HttpAnswer, HttpRequest, Transport, TransportFailed
from spotctl.problems import refusal_of

Json = dict[str, Any]

ANSWER_SECONDS = 30.0
WAIT_MARGIN_SECONDS = 15.0
"""On top of what the server was asked to wait."""

PAUSES_SECONDS = (0.5, 1.0, 2.0)
"""Between the tries of one request."""

LONGEST_PAUSE_SECONDS = 10.0
"""What a server's Retry-After is obeyed up to."""

PASSING_STATUSES = frozenset({425, 429, 502, 503, 504})
PAGE_ROWS = 500
"""The most that the server gives at once."""


class Api:
    """One client's pages of one server."""

    def __init__(self, transport: Transport, credentials: Credentials, clock: Clock) -> None:
        """`clock` passes the time between two tries."""
        self._transport = transport
        self._credentials = credentials
        self._clock = clock

    def who(self) -> Json:
        """Return whom the token speaks for."""
        return self._call("GET", "/api/client/validate", None, ANSWER_SECONDS)

    def get(self, *segments: str, wait_seconds: float = 0.0, **query: Any) -> Json:  # noqa: ANN401 - query values
        """Read a page of the client. `wait_seconds` is what the server was asked to wait, as part of `query` too."""
        asked = {name: value for name, value in query.items() if value is not None}
        path = self._path(segments) + (f"?{urlencode(asked)}" if asked else "")
        return self._call("GET", path, None, ANSWER_SECONDS if not wait_seconds else wait_seconds + WAIT_MARGIN_SECONDS)

    def post(self, *segments: str, body: Json | None = None) -> Json:
        """Write. A repeat must be harmless: `body` has a `request_id`, or the page itself is so."""
        return self._call("POST", self._path(segments), body or {}, ANSWER_SECONDS)

    def items(self, *segments: str, **query: Any) -> Iterator[Json]:  # noqa: ANN401 - query values
        """Read a list, page after page."""
        cursor = None
        while True:
            page = self.get(*segments, limit=PAGE_ROWS, cursor=cursor, **query)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _path(self, segments: tuple[str, ...]) -> str:
        return "/".join(["/api/client", quote(self._credentials.client_id, safe=""), *(quote(part, safe="") for part in segments)])

    def _call(self, method: str, path: str, body: Json | None, timeout_seconds: float) -> Json:
        request = HttpRequest(
            method=method,
            url=self._credentials.server_url + path,
            headers=self._headers(),
            body=None if body is None else json.dumps(body).encode(),
            timeout_seconds=timeout_seconds,
        )
        answer = self._answer(request)
        document = _document(answer)
        if 200 <= answer.status < 300 and document is not None:
            return document
        if document is not None and answer.status >= 400 and "title" in document:
            raise _with_hint(refusal_of(answer.status, document), body)
        kind = answer.headers.get("Content-Type", "nothing that has a type")
        raise Unreachable(f"{self._credentials.server_url} answered {answer.status} with {kind}: is this a Spot Optimizer server?")

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._credentials.token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "spotctl",
        }

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        """Send until there is an answer that will not pass by itself; the last try's outcome counts."""
        for pause_seconds in PAUSES_SECONDS:
            try:
                answer = self._transport.send(request)
            except TransportFailed:
                self._clock.sleep(pause_seconds)
                continue
            if answer.status not in PASSING_STATUSES:
                return answer
            self._clock.sleep(max(pause_seconds, _asked_pause_seconds(answer)))
        try:
            return self._transport.send(request)
        except TransportFailed as failed:
            text = f"{self._credentials.server_url} cannot be reached: {failed}"
            raise Unreachable(text + _repeat_hint(request.body)) from failed


def _document(answer: HttpAnswer) -> Json | None:
    try:
        document = json.loads(answer.body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _asked_pause_seconds(answer: HttpAnswer) -> float:
    said = answer.headers.get("Retry-After", "")
    return min(float(said), LONGEST_PAUSE_SECONDS) if said.isdigit() else 0.0


def _with_hint(refused: Refused, body: Json | None) -> Refused:
    if body is not None and refused.problem.get("status", 0) >= 500:
        return Refused(f"{refused}{_repeat_hint(json.dumps(body).encode())}", refused.exit_code, refused.problem)
    return refused


def _repeat_hint(body: bytes | None) -> str:
    """Tell how to repeat a write of which nobody knows whether it was done."""
    request_id = json.loads(body).get("request_id") if body else None
    return f" (whether it was done is not known; the same command with --request-id {request_id} is safe)" if request_id else ""
