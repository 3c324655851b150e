"""HTTP as the daemon speaks it: bounded in time, no redirects, no cookies, nothing repeated. The only file that knows urllib3."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.util import make_headers, parse_url

from spot_agent.errors import HttpFailed

KEPT_CONNECTIONS = 8
"""To one host: more than the daemon has threads, so that none has to connect anew."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect, and between two bytes of the answer."""

    connect_seconds: float = 3.0
    read_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`headers` are found whatever their case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpClient:
    """Keeps its connections, and lends them to one thread at a time. Safe to share between threads."""

    def __init__(self, *, uses_proxies: bool = True) -> None:
        """`uses_proxies`: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment, as they are at each request."""
        self._uses_proxies = uses_proxies
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str | None], urllib3.PoolManager] = {}

    def send(self, method: str, url: str, headers: Mapping[str, str], timeouts: Timeouts, body: bytes | None = None) -> HttpAnswer:
        """The answer, whatever its status. HttpFailed when there is none, or not all of it: what it did is then not known."""
        limits = urllib3.Timeout(connect=timeouts.connect_seconds, read=timeouts.read_seconds)
        try:
            pool = self._pool_for(url)
            answer = pool.request(method, url, body=body, headers=dict(headers), timeout=limits, retries=False, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if isinstance(error, urllib3.exceptions.SSLError):
                self._forget_pools()
            raise HttpFailed(type(error).__name__) from error
        return HttpAnswer(answer.status, answer.data, answer.headers)

    def _pool_for(self, url: str) -> urllib3.PoolManager:
        scheme = urlsplit(url).scheme.lower()
        if scheme not in ("http", "https"):
            raise ValueError(f"no http or https address: {url}")
        key = (scheme, _proxy_for(url) if self._uses_proxies else None)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = _new_pool(*key)
            return self._pools[key]

    def _forget_pools(self) -> None:
        """The machine's certificates may have been renewed since they were read."""
        with self._lock:
            self._pools = {}


def _new_pool(scheme: str, proxy_url: str | None) -> urllib3.PoolManager:
    """All its connections share one reading of the machine's certificates, which takes 50 ms and 0.7 MiB."""
    trust = ssl.create_default_context() if scheme == "https" else None
    if proxy_url is None:
        return urllib3.PoolManager(maxsize=KEPT_CONNECTIONS, ssl_context=trust)
    login = parse_url(proxy_url).auth
    headers = make_headers(proxy_basic_auth=unquote(login)) if login else None
    return urllib3.ProxyManager(proxy_url, maxsize=KEPT_CONNECTIONS, ssl_context=trust, proxy_headers=headers)


def _proxy_for(url: str) -> str | None:
    """What the environment says, as curl and other programs read it."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy_url = proxies.get(parts.scheme.lower()) or proxies.get("all")
    if proxy_url is None or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy_url if "://" in proxy_url else f"http://{proxy_url}"
