"""The hooks' command against a small control server and real workloads."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from spot_simulator.instance_ctl import check_health, check_standby, control, enabled_services, main
from workload_process import serving_workload

pytestmark = pytest.mark.server


@contextmanager
def init_that_answers(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """Give the address of an init that answers every request so, and the requests that it has seen."""
    seen: list[str] = []

    class Init(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            seen.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the base class chose the names

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Init) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/init", seen
        server.shutdown()
        thread.join()


def disk(root: Path, service: str = "workload") -> Path:
    """Lay out a root volume on which one service is enabled."""
    (root / "etc").mkdir()
    (root / "etc" / "services.json").write_text(json.dumps({"services": [{"name": service}]}))
    (root / "srv" / "workload").mkdir(parents=True)
    return root


def instance(root: Path, port: int) -> dict[str, str]:
    return {"INSTANCE_ROOT": str(root), "INSTANCE_IP": "127.0.0.1", "WORKLOAD_PORT": str(port)}


def test_a_start_is_done_when_the_service_runs() -> None:
    with init_that_answers(200, b'{"state": "running", "detail": ""}') as (url, seen):
        answer = control({"INSTANCE_CTL_URL": url}, "start", "workload")

    assert (answer.is_yes, answer.line) == (True, "workload: running")
    assert seen == ["POST /init/services/workload/start"]


@pytest.mark.parametrize(
    ("verb", "status", "body"),
    [
        ("start", 200, b'{"state": "failed", "detail": "the start guard is missing"}'),
        ("stop", 200, b'{"state": "running", "detail": "the start guard is missing"}'),
        ("status", 200, b'{"state": "stopped", "detail": "the start guard is missing"}'),
        ("start", 404, b'{"detail": "the start guard is missing"}'),
    ],
)
def test_another_state_than_the_wanted_one_is_a_failure_that_says_why(verb: str, status: int, body: bytes) -> None:
    with init_that_answers(status, body) as (url, _):
        answer = control({"INSTANCE_CTL_URL": url}, verb, "workload")

    assert not answer.is_yes
    assert "the start guard is missing" in answer.line


def test_an_init_that_is_not_there_is_a_failure_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("INSTANCE_CTL_URL", "http://127.0.0.1:1")

    assert main(["status", "workload"]) == 1
    assert capsys.readouterr().out == "workload: could not status: [Errno 111] Connection refused\n"


def test_without_a_control_address_it_says_so() -> None:
    assert "INSTANCE_CTL_URL is not set" in control({}, "start", "workload").line


def test_the_serving_check_passes_only_while_the_workload_serves(tmp_path: Path) -> None:
    with serving_workload(tmp_path) as workload:
        env = instance(tmp_path, workload.port)
        assert check_health(env).is_yes

    assert not check_health(env).is_yes


def test_the_standby_check_passes_only_while_the_workload_does_not_serve(tmp_path: Path) -> None:
    root = disk(tmp_path)
    with serving_workload(root) as workload:
        env = instance(root, workload.port)
        assert "serves here" in check_standby(env).line

    assert check_standby(env).is_yes


def test_the_standby_check_needs_the_service_and_its_data(tmp_path: Path) -> None:
    root = disk(tmp_path, "spot-agent")
    assert "not enabled" in check_standby(instance(root, 1)).line

    (root / "etc" / "services.json").write_text('{"services": [{"name": "workload"}]}')
    (root / "srv" / "workload").rmdir()
    assert "data folder is missing" in check_standby(instance(root, 1)).line

    (root / "etc" / "services.json").unlink()
    assert "cannot be read" in check_standby(instance(root, 1)).line


def test_an_unclear_answer_is_no_standby(tmp_path: Path) -> None:
    root = disk(tmp_path)
    with init_that_answers(503, b"") as (url, _):
        port = int(url.rsplit(":", 1)[1].split("/")[0])

        assert not check_standby(instance(root, port)).is_yes
        assert not check_health(instance(root, port)).is_yes


def test_a_service_is_enabled_unless_its_entry_says_otherwise() -> None:
    document = {"services": [{"name": "workload"}, {"name": "other", "enabled": False}]}

    assert enabled_services(document) == {"workload"}


@pytest.mark.parametrize("document", ["workload", ["workload"], {"services": ["workload"]}, {}])
def test_another_document_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"must be \{"):
        enabled_services(document)
