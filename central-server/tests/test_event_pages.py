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

    def read(after: int) -> EventPage:
        return database.read(lambda tx: read_events(tx, client_id, after, most=10))

    def wait() -> None:
        pages.append(await_page(read, room, context.clock, client_id, 0, 50))

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not room.occupied:
        pass
    waiter.join(0.05)
    pool = database.engine.pool
    assert not isinstance(pool, QueuePool) or pool.checkedout() == 0
    emit(database, client_id, "a")
    poller.step()
    waiter.join(10)

    assert [event.kind for page in pages for event in page.items] == ["a"]


def test_a_full_room_answers_at_once(database: Database, clock: FakeClock, client_id: str) -> None:
    room = WaitingRoom(clock, seats=0, fresh_seconds=1)

    page = await_page(lambda after: EventPage([], after), room, clock, client_id, 7, 50)

    assert page == EventPage([], 7)


def test_a_stream_sends_numbered_events_and_ends_after_its_time(context: AppContext, clock: FakeClock, client_id: str) -> None:
    emit(context.database, client_id, "a", "b")

    def read(after: int) -> EventPage:
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
    stream = stream_events(lambda after: EventPage([], after), context.waiting_room, context.clock, client_id, 0)
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
