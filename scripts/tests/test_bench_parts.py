"""The parts of scripts/bench.sh that read: answers, metrics, /proc, and each other's files."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.canned import ANSWER, Canned
from bench.connection import AnswerUnreadable, Connection, Head, read_head
from bench.decisions import main as measure_decisions
from bench.figures import Spread
from bench.flat_out import PAGES, request_of
from bench.hot_paths import HotPath
from bench.measure import Ceiling
from bench.plan import Plan, Seen, Window, rates_of, read_plan, read_seen, write_json
from bench.proc import parse_memory, parse_stat
from bench.report import hot_path_lines, summary_lines
from bench.server import page_counts
from bench.wire import HOST, Daemon, price_report_body, request_bytes

DAEMON = Daemon("agent-1", "i-0000000000000001f", "so_agent_x")


def test_a_head_is_read_when_it_is_complete() -> None:
    data = b"HTTP/1.1 202 Accepted\r\nconTENT-length: 12\r\nConnection: close\r\n\r\n{}"

    assert read_head(data) == Head(status=202, head_bytes=len(data) - 2, body_bytes=12, is_last=True)


@given(st.integers(min_value=0, max_value=len(ANSWER) - 1))
def test_half_an_answer_is_waited_for(cut: int) -> None:
    head = read_head(ANSWER[:cut])

    assert head is None or head.head_bytes + head.body_bytes > cut


def test_an_answer_without_a_length_is_not_guessed_at() -> None:
    with pytest.raises(AnswerUnreadable):
        read_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.server
def test_a_connection_is_kept_and_opened_again_when_it_was_closed() -> None:
    async def call_three_times() -> list[int]:
        server = await asyncio.get_running_loop().create_server(Canned, HOST, 0)
        connection = Connection(server.sockets[0].getsockname()[1])
        statuses = [(await connection.call(request_bytes("GET", "/healthz"))).status for _ in range(2)]
        connection.close()
        statuses.append((await connection.call(request_bytes("GET", "/healthz"))).status)
        connection.close()
        server.close()
        return statuses

    assert asyncio.run(call_three_times()) == [200, 200, 200]


@pytest.mark.server
def test_requests_on_one_connection_take_turns_and_none_goes_unanswered() -> None:
    async def call_at_once() -> list[int]:
        server = await asyncio.get_running_loop().create_server(Canned, HOST, 0)
        connection = Connection(server.sockets[0].getsockname()[1])
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(connection.call(request_bytes("GET", "/healthz")) for _ in range(3)))
        connection.close()
        server.close()
        return [answer.status for answer in answers]

    assert asyncio.run(call_at_once()) == [200, 200, 200]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_a_request_whose_length_is_right(page: str) -> None:
    head, _, body = request_of(page)(DAEMON, "2026-01-01T00:00:00Z").partition(b"\r\n\r\n")

    assert head.startswith((b"GET /", b"POST /"))
    if body:
        json.loads(body)
        assert b"Content-Length: %d" % len(body) in head


def test_a_price_report_has_eighteen_rows_of_different_pools() -> None:
    body = price_report_body(DAEMON.instance_id, "report-1", "2026-01-01T00:00:00Z")

    assert len({(row["az_id"], row["instance_type"]) for row in body["prices"]}) == 18


def test_a_thousand_agents_send_what_the_intervals_say() -> None:
    rates = rates_of(1000)

    assert (round(rates.heartbeats, 1), round(rates.price_reports, 1), rates.commands) == (33.3, 3.3, 5.0)


def test_a_plan_and_what_was_seen_survive_their_files(tmp_path: Path) -> None:
    plan = Plan("mixed", 8080, Window(1.0, 2.0, 3.5), (DAEMON,), rates_of(10))
    seen = Seen(times_ms={"poll": [1.5]}, errors={"poll": 1}, arrivals_seconds={"command-1": 2.25}, parked=[1])

    write_json(tmp_path / "plan.json", plan)
    write_json(tmp_path / "seen.json", seen)

    assert (read_plan(tmp_path / "plan.json"), read_seen(tmp_path / "seen.json")) == (plan, seen)


def test_counts_of_a_page_are_added_up_over_methods_and_statuses() -> None:
    before = page_counts("")
    after = page_counts(
        "# TYPE spot_http_requests_total counter\n"
        'spot_http_requests_total{endpoint="a",method="GET",status_class="2xx"} 3.0\n'
        'spot_http_requests_total{endpoint="a",method="GET",status_class="5xx"} 1.0\n'
        "# TYPE spot_http_sql_statements_total counter\n"
        'spot_http_sql_statements_total{endpoint="a"} 8.0\n'
    )

    assert after.since(before, "a") == (8.0, 4.0)
    assert after.since(before, "never asked") == (0.0, 0.0)


def test_a_process_whose_name_has_spaces_and_parentheses_is_read() -> None:
    stat = parse_stat("12 (a (b) c) S 1 12 12 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 7 0 100 1000 10 18446744073709551615")

    assert (stat.user_ticks, stat.system_ticks, stat.threads) == (250, 50, 7)


def test_memory_is_read_in_mebibytes() -> None:
    assert parse_memory("55a-7ff [rollup]\nRss:       2048 kB\nPss:        512 kB\n") == {"Rss": 2.0, "Pss": 0.5}


def test_hot_paths_stand_in_columns_by_database_and_a_missing_one_is_left_empty() -> None:
    paths = [HotPath("sqlite", "poll: service", 160.2, 400.0, 1), HotPath("mariadb", "poll: request", 900.0, 1200.4, 0)]

    header, first, second = hot_path_lines(paths)

    assert header.split()[-6:] == ["mariadb", "p50", "mariadb", "p99", "mariadb", "statements"]
    assert (first.split(), second.split()) == (["poll:", "service", "160", "400", "1"], ["poll:", "request", "900", "1,200"])


def test_the_summary_says_what_the_generator_could_do_by_itself() -> None:
    lines = summary_lines([], Ceiling(19_580.0, Spread(97_900, 1.11, 5.01, 9.0), 21.4))

    assert "19,580 requests/s" in lines[-1]


def test_a_round_of_risks_and_decisions_is_measured_for_a_few_agents(capsys: pytest.CaptureFixture[str]) -> None:
    measure_decisions(["--agents", "8", "--pools", "12", "--database", "sqlite", "--mariadb-pid", "1"])

    table = capsys.readouterr().out.splitlines()[-4:]
    assert [line.split()[:4] for line in table] == [["sqlite", number, "8", "12"] for number in ("1", "2", "3", "4")]
