"""The central server's agent side over HTTPS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from spot_agent import __version__
from spot_agent.errors import HttpFailed, NotRegistered, ServerRefused, ServerUnreachable, TokenRefused
from spot_agent.http_client import HttpAnswer, Timeouts
from spot_agent.journal import Journal
from spot_agent.journal_contents import JournalContents
from spot_agent.model import JsonObject
from spot_agent.ports import Readiness
from spot_agent.rules.registration import server_url_now
from spot_agent.settings import Settings

LONG_POLL_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the server is and who we are to it."""

    server_url: str
    agent_id: str
    token: str = field(repr=False)


_HEADERS = {
    "User-Agent": f"spot-agent/{__version__}",
    "Accept": "application/json, application/problem+json",
    "Content-Type": "application/json",
}


def credentials_in(journal: Journal, settings: Settings) -> Callable[[], Credentials | None]:
    """Return what reads the credentials that the journal holds at the moment of the call."""
    return lambda: credentials_of(journal.read(), settings)


def credentials_of(contents: JournalContents, settings: Settings) -> Credentials | None:
    """With what to call the server; None before the registration."""
    if contents.agent_id is None or contents.token is None:
        return None
    url = server_url_now(contents.server_url, contents.environment_server_url, settings.server_url)
    return Credentials(url, contents.agent_id, contents.token)


class Http(Protocol):
    """What carries a request to the server and its answer back."""

    def send(self, method: str, url: str, headers: Mapping[str, str], timeouts: Timeouts, body: bytes | None = None) -> HttpAnswer:
        """The answer, whatever its status. HttpFailed when there is none: what the request did is then not known."""


class HttpCentralApi:
    """Nothing is retried here: each worker knows what a repeat would mean."""

    def __init__(self, http: Http, credentials: Callable[[], Credentials | None], timeouts: Timeouts | None = None) -> None:
        self._http = http
        self._credentials = credentials
        self._timeouts = timeouts or Timeouts()

    def register(self, server_url: str, token: str, body: JsonObject) -> tuple[bool, JsonObject]:
        """Register with an enrolment token or a nonce; (is_new, answer)."""
        answer = self._send("POST", f"{server_url}/api/agents/register", token, body)
        return answer.status == 201, _json_object(answer)

    def readiness(self, server_url: str) -> Readiness:
        """Ask the page that tells whether the server can serve. It needs no token."""
        try:
            answer = self._http.send("GET", f"{server_url}/readyz", _HEADERS, self._timeouts)
        except HttpFailed as error:
            return Readiness(None, _reason(error))
        page = _problem(answer)
        return Readiness(answer.status, str(page.get("detail", "")), "status" in page, _date(answer))

    def heartbeat(self, body: JsonObject) -> JsonObject:
        """Report what this instance sees of itself; the answer carries the server's view."""
        return self._call("POST", "heartbeat", body)

    def config(self) -> JsonObject:
        """Fetch the configuration of this agent."""
        return self._call("GET", "config")

    def pending_commands(self, wait_seconds: float) -> JsonObject:
        """Fetch the commands that wait; the server may park the request up to `wait_seconds` (0 = do not wait)."""
        read_seconds = wait_seconds + LONG_POLL_GRACE_SECONDS
        path = f"pending-commands?wait={int(wait_seconds)}" if wait_seconds >= 1 else "pending-commands"
        return self._call("GET", path, read_seconds=read_seconds)

    def executed(self, command_id: str, body: JsonObject) -> JsonObject:
        """Tell the outcome of a command; the same outcome again is fine."""
        return self._call("POST", f"commands/{command_id}/executed", body)

    def report(self, kind: str, body: JsonObject) -> JsonObject:
        """Send a report; `kind` is the last part of its path."""
        return self._call("POST", kind, body)

    def replicas(self) -> JsonObject:
        """List this agent's replicas."""
        return self._call("GET", "replicas")

    def replica_status(self, replica_id: str, body: JsonObject) -> JsonObject:
        """Report how far this instance is as a replica."""
        return self._call("POST", f"replicas/{replica_id}/status", body)

    def _call(self, method: str, path: str, body: JsonObject | None = None, read_seconds: float | None = None) -> JsonObject:
        known = self._credentials()
        if known is None:
            raise NotRegistered
        url = f"{known.server_url}/api/agents/{known.agent_id}/{path}"
        return _json_object(self._send(method, url, known.token, body, read_seconds))

    def _send(self, method: str, url: str, token: str, body: JsonObject | None, read_seconds: float | None = None) -> HttpAnswer:
        timeouts = self._timeouts if read_seconds is None else replace(self._timeouts, read_seconds=read_seconds)
        sent = None if body is None else json.dumps(body, allow_nan=False).encode()
        try:
            answer = self._http.send(method, url, {**_HEADERS, "Authorization": f"Bearer {token}"}, timeouts, sent)
        except HttpFailed as error:
            raise ServerUnreachable(str(error)) from error
        _raise_for_status(answer)
        return answer


def _raise_for_status(answer: HttpAnswer) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    if not 400 <= status < 500 or status in (408, 429):
        raise ServerUnreachable(f"status {status}")
    problem = _problem(answer)
    name = str(problem.get("type") or problem.get("title") or "").rsplit("/", 1)[-1] or f"status-{status}"
    detail = str(problem.get("detail") or problem.get("title") or "")
    kind = TokenRefused if status == 401 else ServerRefused
    raise kind(status, name, detail, _retry_after_seconds(answer, problem))


def _reason(error: BaseException) -> str:
    """The operating system's own words, which urllib3 wraps twice: "Connection refused"."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def _date(answer: HttpAnswer) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None


def _problem(answer: HttpAnswer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after_seconds(answer: HttpAnswer, problem: dict[str, Any]) -> float | None:
    for value in (problem.get("retry_after_seconds"), answer.headers.get("Retry-After")):
        try:
            seconds = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if 0 <= seconds <= 3_600:
            return seconds
    return None


def _json_object(answer: HttpAnswer) -> JsonObject:
    try:
        body = json.loads(answer.body)
    except ValueError as error:
        raise ServerUnreachable("the answer is not JSON") from error
    if not isinstance(body, dict):
        raise ServerUnreachable("the answer is not a JSON object")
    return body
