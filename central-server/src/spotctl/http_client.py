"""HTTP as spotctl speaks it: bounded in time, no redirects, nothing repeated here. The only file that knows urllib3."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.util import make_headers, parse_url

CONNECT_TIMEOUT_SECONDS = 5.0


class TransportFailed(Exception):
    """There is no answer, or not all of it: what the request did is then not known."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`headers` are found whatever their case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`timeout_seconds` bounds the silence between two bytes of the answer."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_seconds: float


class Transport(Protocol):
    """Sends one request. Raises TransportFailed."""

    def send(self, request: HttpRequest) -> HttpAnswer:
        """Return the answer, whatever its status."""


class HttpClient:
    """A Transport for one server; HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment count."""

    def __init__(self, server_url: str, ca_file: str | None = None) -> None:
        """`ca_file`: certificates (PEM) to trust instead of the machine's. Raises TransportFailed when it cannot be read."""
        self._pool = _pool_for(server_url, ca_file)

    def send(self, request: HttpRequest) -> HttpAnswer:
        """Send it once. A redirect is an answer: the token goes nowhere else."""
        limits = urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=request.timeout_seconds)
        try:
            answer = self._pool.request(
                request.method,
                request.url,
                body=request.body,
                headers=dict(request.headers),
                timeout=limits,
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise TransportFailed(_reason(error)) from error
        return HttpAnswer(answer.status, answer.data, answer.headers)


def _pool_for(server_url: str, ca_file: str | None) -> urllib3.PoolManager:
    trust = None
    if urlsplit(server_url).scheme == "https":
        try:
            trust = ssl.create_default_context(cafile=None if ca_file is None else Path(ca_file).expanduser())
        except OSError as error:
            raise TransportFailed(f"the certificates in {ca_file} cannot be used: {error}") from error
    proxy_url = _proxy_for(server_url)
    if proxy_url is None:
        return urllib3.PoolManager(ssl_context=trust)
    login = parse_url(proxy_url).auth
    return urllib3.ProxyManager(
        proxy_url, ssl_context=trust, proxy_headers=make_headers(proxy_basic_auth=unquote(login)) if login else None
    )


def _proxy_for(url: str) -> str | None:
    parts, proxies = urlsplit(url), getproxies()
    proxy_url = proxies.get(parts.scheme) or proxies.get("all")
    if proxy_url is None or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy_url if "://" in proxy_url else f"http://{proxy_url}"


def _reason(error: Exception) -> str:
    """Say it without the repr of a connection object, which helps nobody."""
    match error:
        case urllib3.exceptions.NameResolutionError():
            return "its name cannot be resolved"
        case urllib3.exceptions.NewConnectionError():
            return "the connection was refused, or there is no way to it"
        case urllib3.exceptions.ConnectTimeoutError():
            return f"no connection within {CONNECT_TIMEOUT_SECONDS:.0f} s"
        case urllib3.exceptions.ReadTimeoutError():
            return "it did not answer in time"
        case urllib3.exceptions.SSLError():
            return f"its certificate is not trusted: {error}"
        case urllib3.exceptions.ProxyError():
            return "the proxy of the environment cannot be used"
        case _:
            return f"the connection broke ({type(error).__name__})"
