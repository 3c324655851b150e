"""HTTP against servers, proxies and certificates that are not as they should be."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_fakes.certificates import Authority
from agent_fakes.http_server import Handler, HttpFake
from spot_agent.errors import HttpFailed
from spot_agent.http_client import HttpClient, Timeouts

pytestmark = pytest.mark.server
SHORT = Timeouts(0.5, 0.5)


class _Handler(Handler):
    fake: Server

    def do_GET(self) -> None:
        self.fake.seen.append((self.path, self.headers.get("Proxy-Authorization"), self.client_address))
        if self.fake.gathers is not None:
            self.fake.gathers.wait(5)
        if self.path.endswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Set-Cookie", "a=b")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.answer(200, "here", missing_bytes=self.fake.missing_bytes)


class Server(HttpFake):
    """Answers every GET alike. `gathers` holds each answer until as many requests are there as it asks for."""

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        super().__init__(_Handler, trust=trust)
        self.seen: list[tuple[str, str | None, tuple[str, int]]] = []
        self.missing_bytes = 0
        self.gathers: threading.Barrier | None = None


@pytest.fixture
def server() -> Iterator[Server]:
    fake = Server()
    with fake:
        yield fake


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure_server(authority: Authority) -> Iterator[Server]:
    fake = Server(authority.server_context())
    with fake:
        yield fake


def _get(http: HttpClient, url: str) -> bytes:
    return http.send("GET", url, {}, SHORT).body


def test_a_connection_is_kept_for_the_next_request(server: Server) -> None:
    http = HttpClient()

    for _ in range(3):
        _get(http, server.url)

    assert len({address for _, _, address in server.seen}) == 1


def test_threads_do_not_wait_for_each_others_connections(server: Server) -> None:
    http, threads = HttpClient(), 6
    server.gathers = threading.Barrier(threads)
    answers: list[bytes] = []
    callers = [threading.Thread(target=lambda: answers.append(_get(http, server.url))) for _ in range(threads)]

    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert answers == [b"here"] * threads


def test_a_redirection_is_an_answer_and_not_followed(server: Server) -> None:
    answer = HttpClient().send("GET", f"{server.url}/moved", {}, SHORT)

    assert (answer.status, answer.headers.get("location")) == (302, "/elsewhere")
    assert [path for path, _, _ in server.seen] == ["/moved"]


def test_half_an_answer_is_none(server: Server) -> None:
    server.missing_bytes = 10

    with pytest.raises(HttpFailed):
        _get(HttpClient(), server.url)


@pytest.mark.parametrize("url", ["http://", "nonsense", "ftp://127.0.0.1/", "http://[", "http://127.0.0.1:99999/"])
def test_an_address_that_is_none_is_a_failure_and_no_crash(url: str) -> None:
    with pytest.raises(HttpFailed):
        _get(HttpClient(), url)


def test_a_certificate_that_the_machine_does_not_trust_is_refused(secure_server: Server) -> None:
    with pytest.raises(HttpFailed, match="SSLError"):
        _get(HttpClient(), secure_server.url)

    assert secure_server.seen == []


def test_a_certificate_for_another_name_is_refused(secure_server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trusted))

    with pytest.raises(HttpFailed, match="SSLError"):
        _get(HttpClient(), secure_server.url.replace("127.0.0.1", "localhost"))


def test_a_certificate_that_the_machine_comes_to_trust_is_accepted_without_a_restart(
    secure_server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = HttpClient()
    with pytest.raises(HttpFailed):
        _get(http, secure_server.url)

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trusted))

    assert _get(http, secure_server.url) == b"here"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_of_the_environment_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str) -> None:
    monkeypatch.setenv(variable, f"{scheme}user:pass%20word@127.0.0.1:{server.port}")

    assert _get(HttpClient(), "http://central.example/a") == b"here"

    assert [seen[:2] for seen in server.seen] == [("http://central.example/a", "Basic dXNlcjpwYXNzIHdvcmQ=")]


def test_a_proxy_is_left_out_where_the_environment_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(HttpFailed):
        _get(HttpClient(), server.url)

    monkeypatch.setenv("no_proxy", "example.com, 127.0.0.1")

    assert _get(HttpClient(), server.url) == b"here"


def test_a_client_without_proxies_goes_straight(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert _get(HttpClient(uses_proxies=False), server.url) == b"here"
