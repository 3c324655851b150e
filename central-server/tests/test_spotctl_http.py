"""spotctl over real sockets: bounded, refused in plain words, and never sent on to another place."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from server_support.processes import environment, free_port
from spotctl.credentials import Credentials, store_credentials
from spotctl.http_client import HttpClient, HttpRequest, TransportFailed

pytestmark = pytest.mark.server


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody to /taken, and counts who goes there."""

    visits: list[str] = []

    def do_GET(self) -> None:
        self.visits.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/taken")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def asking(url: str) -> HttpRequest:
    return HttpRequest("GET", url, {"Authorization": "Bearer so_client_x"}, None, timeout_seconds=0.3)


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with serving(Elsewhere) as url:
        answer = HttpClient(url).send(asking(f"{url}/here"))

    assert (answer.status, Elsewhere.visits) == (302, ["/here"])


def test_a_server_that_is_not_there_is_said_so() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(TransportFailed, match="the connection was refused, or there is no way to it"):
        HttpClient(url).send(asking(url))


def test_a_server_that_never_answers_costs_the_time_out_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(TransportFailed, match="it did not answer in time"):
            HttpClient(url).send(asking(url))


def test_certificates_that_cannot_be_read_are_named() -> None:
    with pytest.raises(TransportFailed, match=r"the certificates in /nowhere/ca\.pem cannot be used"):
        HttpClient("https://spot.test", "/nowhere/ca.pem")


def test_the_installed_program_ends_with_one_line_and_its_code(tmp_path: Path) -> None:
    store_credentials(tmp_path / "c.json", Credentials(f"http://127.0.0.1:{free_port()}", "client-1", "so_client_x"))
    program = [str(Path(sys.executable).with_name("spotctl")), "agents", "--credentials", str(tmp_path / "c.json")]

    ended = subprocess.run(program, env=environment("sqlite://"), capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (5, "", 1)
    assert "cannot be reached: the connection was refused" in ended.stderr


def test_a_shell_is_offered_commands_options_and_nothing_where_nobody_is_logged_in(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("spotctl"))

    def offered(words: str) -> set[str]:
        asked = {"_SPOTCTL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()))}
        variables = environment("sqlite://", XDG_CONFIG_HOME=str(tmp_path), **asked)
        ended = subprocess.run([program], env=variables, capture_output=True, text=True, timeout=60, check=True)
        return {line.partition(",")[2] for line in ended.stdout.splitlines() if line}

    assert {"login", "switch", "events"} <= offered("spotctl")
    assert offered("spotctl switch --agent") == set()
