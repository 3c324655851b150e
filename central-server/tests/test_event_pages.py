"""Events as pages and as a stream: nothing lost, nothing doubled, no database connection held."""

from __future__ import annotations

import json
import threading

import pytest
from flask import Flask
from sqlalchemy.pool import QueuePool

from server_support.builders import create_client, create_client_token
from server_support.clock import FakeClock
from server_support.http import Http
from spot_server.db.runner import Database, Transaction
from spot_server.features.events.service import EventPage, read_events
from spot_server.features.events.stream import KEEP_ALIVE_SECONDS, STREAM_SECONDS, await_page, stream_events, wait_key
from spot_server.features.retention.log_queries import delete_log_ends
from spot_server.http.context import AppContext
from spot_server.http.poller import Poller
from spot_server.http.waiting import WaitingRoom


@pytest.fixture
def client_id(database: Database) -> str:
    return create_client(database)


def emit(database: Database, client_id: str, *kinds: str) -> None:
    def act(tx: Transaction) -> None:
        for kind in kinds:
            tx.emit(kind, client_id=client_id, data={"kind": kind})

    database.write(act)


def test_pages_go_on_where_the_last_one_ended(database: Database, http: Http, client_id: str) -> None:
    emit(database, client_id, "a", "b", "c")
    client = http.as_(create_client_token(database, client_id))

    first = client.get(f"/api/client/{client_id}/events", limit=2).json
    second = client.get(f"/api/client/{client_id}/events", after=first["next_after"]).json
    third = client.get(f"/api/client/{client_id}/events", after=second["next_after"]).json

    assert [row["kind"] for row in first["items"] + second["items"]] == ["a", "b", "c"]
    assert (third["items"], third["next_after"]) == ([], second["next_after"])


def test_a_reader_may_begin_with_now(database: Database, http: Http, client_id: str) -> None:
    emit(database, client_id, "a")
    client = http.as_(create_client_token(database, client_id))

    now = client.get(f"/api/client/{client_id}/events", after=-1).json
    emit(database, client_id, "b")

    later = client.get(f"/api/client/{client_id}/events", after=now["next_after"]).json
    assert [row["kind"] for row in later["items"]] == ["b"]


def test_a_waiting_reader_is_woken_by_the_poller_and_holds_no_connection(context: AppContext, client_id: str) -> None:
    database, room = context.database, context.waiting_room
    poller = Poller(context, period_seconds=1)
    poller.step()
    pages: list[EventPage] = []
    has_looked = threading.Event()

    def read(after: int | None) -> EventPage:
        page = database.read(lambda tx: read_events(tx, client_id, after, most=10))
        has_looked.set()
        return page

    def wait() -> None:
        pages.append(await_page(read, room, context.clock, client_id, 0, 50))

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert has_looked.wait(60)
    assert room.occupied == 1
    pool = database.engine.pool
    assert not isinstance(pool, QueuePool) or pool.checkedout() == 0
    emit(database, client_id, "a")
    poller.step()
    waiter.join(60)

    assert [event.kind for page in pages for event in page.items] == ["a"]


def test_a_full_room_answers_at_once(database: Database, clock: FakeClock, client_id: str) -> None:
    room = WaitingRoom(clock, seats=0, fresh_seconds=1)

    page = await_page(lambda after: EventPage([], after or 0), room, clock, client_id, 7, 50)

    assert page == EventPage([], 7)


def test_a_stream_sends_numbered_events_and_ends_after_its_time(context: AppContext, clock: FakeClock, client_id: str) -> None:
    emit(context.database, client_id, "a", "b")

    def read(after: int | None) -> EventPage:
        page = context.database.read(lambda tx: read_events(tx, client_id, after, most=1))
        if not page.items:
            clock.advance(STREAM_SECONDS)
        return page

    lines = list(stream_events(read, context.waiting_room, clock, client_id, 0))

    assert lines[0].startswith("retry: ")
    assert [line.splitlines()[:2] for line in lines[1:]] == [["id: 1", "event: a"], ["id: 2", "event: b"]]
    assert json.loads(lines[1].splitlines()[2].removeprefix("data: "))["data"] == {"kind": "a"}
    assert context.waiting_room.occupied == 0


def test_a_reader_that_goes_away_gives_its_seat_back(context: AppContext, client_id: str) -> None:
    stream = stream_events(lambda after: EventPage([], after or 0), context.waiting_room, context.clock, client_id, 0)
    next(stream)
    taken = context.waiting_room.occupied

    stream.close()

    assert (taken, context.waiting_room.occupied) == (1, 0)


def test_the_stream_resumes_after_the_last_event_id(app: Flask, database: Database, client_id: str) -> None:
    emit(database, client_id, "a", "b")
    headers = {
        "Authorization": f"Bearer {create_client_token(database, client_id)}",
        "Accept": "text/event-stream",
        "Last-Event-ID": "1",
    }

    response = app.test_client().get(f"/api/client/{client_id}/events", headers=headers, buffered=False)

    chunks = iter(response.response)
    begun = [next(chunks), next(chunks)]
    response.close()
    assert response.mimetype == "text/event-stream"
    assert "id: 2" in str(begun[1])


def test_wake_ups_of_one_client_leave_the_others_waiting(context: AppContext, client_id: str) -> None:
    with context.waiting_room.seat(wait_key("other")) as seat:
        assert seat is not None
        context.waiting_room.looked({wait_key(client_id)})

        assert not seat.wait(0.01)
    assert KEEP_ALIVE_SECONDS < STREAM_SECONDS


def prune(database: Database, client_id: str, *, through: int) -> None:
    """Delete the events up to this number, as the retention sweep does."""
    database.write(lambda tx: delete_log_ends(tx, [(client_id, through)]))


@pytest.mark.parametrize(("after", "kinds"), [(None, ["c", "d"]), (2, ["c", "d"]), (3, ["d"]), (4, [])])
def test_a_reader_that_has_seen_all_that_is_gone_misses_nothing(
    database: Database, http: Http, client_id: str, after: int | None, kinds: list[str]
) -> None:
    emit(database, client_id, "a", "b", "c", "d")
    prune(database, client_id, through=2)
    client = http.as_(create_client_token(database, client_id))

    page = client.get(f"/api/client/{client_id}/events", **({} if after is None else {"after": after})).json

    assert ([row["kind"] for row in page["items"]], page["next_after"]) == (kinds, 4)


@pytest.mark.parametrize("query", [{"after": 0}, {"after": 1}, {"after": 1, "wait": 5}], ids=str)
def test_a_reader_that_would_miss_something_is_told_so_and_where_to_go_on(
    database: Database, http: Http, client_id: str, query: dict[str, int]
) -> None:
    emit(database, client_id, "a", "b", "c", "d")
    prune(database, client_id, through=2)
    client = http.as_(create_client_token(database, client_id))

    gone = client.get(f"/api/client/{client_id}/events", **query)
    resumed = client.get(f"/api/client/{client_id}/events", after=gone.json["oldest_sequence"] - 1).json

    assert (gone.status, gone.json["type"]) == (410, "/problems/events-gone")
    assert (gone.json["after"], gone.json["oldest_sequence"], gone.json["last_sequence"]) == (query["after"], 3, 4)
    assert "after=2" in gone.json["detail"]
    assert [row["kind"] for row in resumed["items"]] == ["c", "d"]


def test_a_reader_from_before_a_log_that_is_empty_by_now_is_told_too(database: Database, http: Http, client_id: str) -> None:
    emit(database, client_id, "a", "b")
    prune(database, client_id, through=2)
    client = http.as_(create_client_token(database, client_id))

    old = client.get(f"/api/client/{client_id}/events", after=1)
    present = client.get(f"/api/client/{client_id}/events", after=2).json
    new = client.get(f"/api/client/{client_id}/events").json
    emit(database, client_id, "c")
    later = client.get(f"/api/client/{client_id}/events", after=new["next_after"]).json

    assert (old.status, old.json["oldest_sequence"]) == (410, 3)
    assert (present["items"], present["next_after"], new["items"], new["next_after"]) == ([], 2, [], 2)
    assert [row["kind"] for row in later["items"]] == ["c"]


def test_a_reader_of_another_log_with_larger_numbers_is_not_left_waiting(database: Database, http: Http, client_id: str) -> None:
    emit(database, client_id, "a", "b")
    client = http.as_(create_client_token(database, client_id))

    answer = client.get(f"/api/client/{client_id}/events", after=7)

    assert (answer.status, answer.json["last_sequence"]) == (410, 2)
    assert "ends at 2" in answer.json["detail"]


def test_a_log_that_nothing_was_ever_written_to_can_be_read_from_its_beginning(database: Database, http: Http, client_id: str) -> None:
    client = http.as_(create_client_token(database, client_id))

    answers = [client.get(f"/api/client/{client_id}/events", **query) for query in ({}, {"after": 0}, {"after": -1})]

    assert [(answer.status, answer.json["next_after"]) for answer in answers] == [(200, 0)] * 3


def test_a_stream_that_would_begin_with_a_hole_is_refused(app: Flask, database: Database, client_id: str) -> None:
    emit(database, client_id, "a", "b", "c")
    prune(database, client_id, through=2)
    token = create_client_token(database, client_id)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream", "Last-Event-ID": "1"}

    response = app.test_client().get(f"/api/client/{client_id}/events", headers=headers)

    assert (response.status_code, response.mimetype) == (410, "application/problem+json")
    assert response.get_json()["oldest_sequence"] == 3


def test_a_stream_that_is_overtaken_ends_so_that_its_reader_comes_back(context: AppContext, client_id: str) -> None:
    database = context.database
    emit(database, client_id, "a", "b", "c")

    def read(after: int | None) -> EventPage:
        page = database.read(lambda tx: read_events(tx, client_id, after, most=1))
        prune(database, client_id, through=2)
        return page

    lines = list(stream_events(read, context.waiting_room, context.clock, client_id, None))

    assert [line.splitlines()[0] for line in lines[1:]] == ["id: 1"]
    assert context.waiting_room.occupied == 0
