"""The instance metadata service, version 2 only."""

from __future__ import annotations

from dataclasses import replace

from spot_agent import metrics
from spot_agent.clock import Clock
from spot_agent.errors import HttpFailed
from spot_agent.http_client import HttpAnswer, HttpClient, Timeouts
from spot_agent.live import Live
from spot_agent.ports import Absent, Found, Imds, Reading, Unknown

TOKEN_TTL_SECONDS = 21_600
TOKEN_REFRESH_SECONDS = TOKEN_TTL_SECONDS * 0.8
CONNECT_TIMEOUT_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 2.0
LONGEST_BODY_BYTES = 1_048_576


class ImdsV2:
    """Reads with a session token that is fetched early, and once more after a 401. Safe to share between threads."""

    def __init__(self, endpoint: str, clock: Clock, read_timeout_seconds: float = READ_TIMEOUT_SECONDS) -> None:
        self._base = f"{endpoint}/latest"
        self._clock = clock
        self._timeouts = Timeouts(CONNECT_TIMEOUT_SECONDS, read_timeout_seconds)
        self._http = HttpClient(uses_proxies=False)  # a proxy must never stand between an instance and its metadata
        self._token: tuple[str, float] | None = None

    def read(self, path: str) -> Reading:
        """Read one path; only a 404 is absent."""
        token = self._fresh_token()
        if isinstance(token, Unknown):
            return token
        answer = self._get(path, token)
        if isinstance(answer, HttpAnswer) and answer.status == 401:
            self._token = None
            token = self._fresh_token()
            if isinstance(token, Unknown):
                return token
            answer = self._get(path, token)
        return answer if isinstance(answer, Unknown) else _reading(answer)

    def _get(self, path: str, token: str) -> HttpAnswer | Unknown:
        return self._request("GET", f"{self._base}/{path}", {"X-aws-ec2-metadata-token": token})

    def _fresh_token(self) -> str | Unknown:
        now_seconds = self._clock.monotonic_seconds()
        if self._token is not None and now_seconds < self._token[1]:
            return self._token[0]
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_TTL_SECONDS)}
        answer = self._request("PUT", f"{self._base}/api/token", headers)
        if isinstance(answer, Unknown):
            return answer
        token = answer.body.decode("ascii", errors="ignore").strip()
        if answer.status != 200 or not token:
            return Unknown(f"token: status {answer.status}")
        self._token = (token, now_seconds + TOKEN_REFRESH_SECONDS)
        return self._token[0]

    def _request(self, method: str, url: str, headers: dict[str, str]) -> HttpAnswer | Unknown:
        try:
            return self._http.send(method, url, headers, self._timeouts)
        except HttpFailed as error:
            return Unknown(str(error))


def _reading(answer: HttpAnswer) -> Reading:
    """Branches on the status alone: the body of a 404 is HTML."""
    if answer.status == 404:
        return Absent()
    if answer.status != 200:
        return Unknown(f"status {answer.status}")
    if len(answer.body) > LONGEST_BODY_BYTES:
        return Unknown("body too long")
    try:
        return Found(answer.body.decode("utf-8"))
    except UnicodeDecodeError:
        return Unknown("body is not text")


class CountedImds:
    """Counts what got no definite answer, for the heartbeat and for Prometheus."""

    def __init__(self, imds: Imds, live: Live) -> None:
        self._imds = imds
        self._live = live

    def read(self, path: str) -> Reading:
        """Read, and count an unknown."""
        reading = self._imds.read(path)
        if isinstance(reading, Unknown):
            metrics.METADATA_FAILURES.add()
            self._live.change(lambda facts: replace(facts, metadata_failures=facts.metadata_failures + 1))
        return reading
