"""The server's client against a server that misbehaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_fakes.http_server import Handler, HttpFake
from spot_agent.central_api import Credentials, HttpCentralApi
from spot_agent.errors import NotRegistered, ServerRefused, ServerUnreachable, TokenRefused
from spot_agent.http_client import HttpClient, Timeouts

pytestmark = pytest.mark.server


class _Handler(Handler):
    fake: Server

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.fake.seen.append((self.path, self.headers.get("Authorization", ""), self.body()))
        if self.fake.hangs:
            self.fake.closing.wait(5)
            self.close_connection = True
            return
        self.answer(self.fake.status, self.fake.text, "application/json", self.fake.missing_bytes)


class Server(HttpFake):
    """Answers everything alike."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.status = 200
        self.text = "{}"
        self.hangs = False
        self.missing_bytes = 0
        self.seen: list[tuple[str, str, Any]] = []


@pytest.fixture
def server() -> Iterator[Server]:
    fake = Server()
    with fake:
        yield fake


def _api(server: Server) -> HttpCentralApi:
    credentials = Credentials(server.url, "agent-1", "so_agent_x")
    return HttpCentralApi(HttpClient(), lambda: credentials, Timeouts(0.5, 0.5))


def test_a_call_carries_the_token_and_the_agents_path(server: Server) -> None:
    _api(server).heartbeat({"epoch": 1})

    assert server.seen == [("/api/agents/agent-1/heartbeat", "Bearer so_agent_x", {"epoch": 1})]


def test_a_long_poll_names_its_wait_and_a_plain_poll_does_not(server: Server) -> None:
    _api(server).pending_commands(50)
    _api(server).pending_commands(0)

    assert [path.rpartition("/")[2] for path, _, _ in server.seen] == ["pending-commands?wait=50", "pending-commands"]


def test_new_and_known_registrations_are_told_apart_by_status(server: Server) -> None:
    server.status = 201
    assert _api(server).register(server.url, "so_enrol_x", {})[0]
    server.status = 200
    assert not _api(server).register(server.url, "so_enrol_x", {})[0]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 302])
def test_a_status_that_may_pass_is_unreachable(server: Server, status: int) -> None:
    server.status = status

    with pytest.raises(ServerUnreachable, match=str(status)):
        _api(server).config()


def test_a_problem_is_refused_with_its_type_and_wait(server: Server) -> None:
    server.status = 425
    server.text = json.dumps({"type": "https://x/problems/instance-not-matched-yet", "detail": "soon", "retry_after_seconds": 4})

    with pytest.raises(ServerRefused) as caught:
        _api(server).config()

    assert (caught.value.problem, caught.value.retry_after_seconds) == ("instance-not-matched-yet", 4)


def test_a_401_is_a_refused_token(server: Server) -> None:
    server.status = 401
    server.text = "<html>not even JSON</html>"

    with pytest.raises(TokenRefused, match="status-401"):
        _api(server).config()


@pytest.mark.parametrize("text", ["", "<html>", "[1]", '{"half"'])
def test_a_200_that_is_no_json_object_is_no_answer(server: Server, text: str) -> None:
    server.text = text

    with pytest.raises(ServerUnreachable):
        _api(server).config()


def test_an_answer_that_breaks_off_is_no_answer(server: Server) -> None:
    server.missing_bytes = 50

    with pytest.raises(ServerUnreachable):
        _api(server).config()


def test_a_server_that_hangs_is_given_up(server: Server) -> None:
    server.hangs = True

    with pytest.raises(ServerUnreachable, match="ReadTimeout"):
        _api(server).heartbeat({})


def test_a_server_that_is_not_there_is_unreachable() -> None:
    credentials = Credentials("http://127.0.0.1:9", "agent-1", "t")

    with pytest.raises(ServerUnreachable, match="ConnectionError"):
        HttpCentralApi(HttpClient(), lambda: credentials).config()


def test_without_a_token_nothing_is_called() -> None:
    with pytest.raises(NotRegistered):
        HttpCentralApi(HttpClient(), lambda: None).config()


def test_a_netrc_entry_does_not_replace_the_token(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    _api(server).config()

    assert server.seen[0][1] == "Bearer so_agent_x"


def test_the_token_is_not_in_the_text_of_the_credentials() -> None:
    assert "so_agent_x" not in repr(Credentials("u", "a", "so_agent_x"))
