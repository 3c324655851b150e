"""The pretend network: what arrives, what does not, and what the caller knows of it."""

from datetime import UTC, datetime

import pytest

from spot_simulator.virtual.network import Network, Request, Response, Unanswered
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.scheduler import Scheduler

REQUEST = Request("POST", "/write", "token", b"{}")


class Stage:
    """A server that counts, and a client that calls."""

    def __init__(self, work_seconds: float = 0.0) -> None:
        self.scheduler = Scheduler(datetime(2026, 1, 1, tzinfo=UTC))
        self.network = Network(self.scheduler, 1)
        self.server, self.client = Process(self.scheduler, "web-1"), Process(self.scheduler, "client")
        self.handled = 0
        self.results: list[object] = []
        self._work_seconds = work_seconds
        self.network.listen("server", self.server, self._handle)

    def _handle(self, request: Request) -> Response:
        self.handled += 1
        if self._work_seconds:
            self.server.sleep(self._work_seconds)
        return Response(200, request.body or b"")

    def call(self, timeout_seconds: float = 5.0) -> None:
        def work() -> None:
            try:
                self.results.append(self.network.call(self.client, "i-1", "server", REQUEST, timeout_seconds).status)
            except Unanswered as error:
                self.results.append((str(error), round(self.scheduler.monotonic_seconds())))

        self.client.spawn(work)

    def run(self, until_seconds: float = 60.0) -> list[object]:
        self.scheduler.run_until(until_seconds)
        return self.results


def test_an_answer_comes_after_two_ways() -> None:
    stage = Stage()
    stage.call()

    assert stage.run(0.0405) == [200]


def test_a_cut_costs_the_callers_patience_and_nothing_arrives() -> None:
    stage = Stage()
    stage.network.cut("i-1", "server")
    stage.call()

    assert (stage.run(), stage.handled) == ([("timed out", 5)], 0)


def test_a_cut_while_the_server_works_loses_the_answer_only() -> None:
    stage = Stage(work_seconds=1.0)
    stage.call()
    stage.scheduler.after(0.5, lambda: stage.network.cut("i-1", "server"))

    assert (stage.run(), stage.handled) == ([("timed out", 5)], 1)


def test_after_the_mend_messages_pass_again() -> None:
    stage = Stage()
    stage.network.cut("i-1", "server")
    stage.network.mend("server", "i-1")
    stage.call()

    assert stage.run() == [200]


def test_where_no_process_listens_the_call_is_refused_at_once() -> None:
    stage = Stage()
    stage.server.kill()
    stage.call()

    assert stage.run() == [("refused", 0)]


def test_a_server_that_dies_at_work_resets_the_connection() -> None:
    stage = Stage(work_seconds=2.0)
    stage.call()
    stage.scheduler.after(1.0, stage.server.kill)

    assert (stage.run(), stage.handled) == ([("refused", 1)], 1)


def test_a_caller_that_dies_does_not_take_its_request_back() -> None:
    stage = Stage(work_seconds=1.0)
    stage.call()
    stage.scheduler.after(0.5, stage.client.kill)

    assert (stage.run(), stage.handled) == ([], 1)


def test_a_doubled_request_is_handled_twice_and_answered_once() -> None:
    stage = Stage()
    stage.network.weather.double_probability = 1.0
    stage.call()

    assert (stage.run(), stage.handled) == ([200], 2)


def test_a_lost_message_is_counted() -> None:
    stage = Stage()
    stage.network.weather.loss_probability = 1.0
    stage.call()

    assert (stage.run(), stage.handled, stage.network.counts.lost) == ([("timed out", 5)], 0, 1)


@pytest.mark.parametrize("dead", [0, 1])
def test_requests_go_in_turn_to_the_processes_that_live(dead: int) -> None:
    stage = Stage()
    second = Process(stage.scheduler, "web-2")
    answered: list[str] = []

    def handle(_request: Request) -> Response:
        answered.append("web-2")
        return Response(200, b"")

    stage.network.listen("server", second, handle)
    [stage.server, second][dead].kill()
    for _ in range(4):
        stage.call()

    assert (stage.run(), stage.handled, len(answered)) == ([200] * 4, *((0, 4) if dead == 0 else (4, 0)))
