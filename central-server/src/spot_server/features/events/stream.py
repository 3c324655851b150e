"""Waiting for events without holding a database connection: as one answer, or as a stream of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from spot_server.clock import Clock
from spot_server.errors import EventsGone
from spot_server.features.events.queries import Event
from spot_server.features.events.schemas import EventAnswer
from spot_server.features.events.service import EventPage
from spot_server.http.waiting import Seat, WaitingRoom, WaitKey

ReadPage = Callable[[int | None], EventPage]
"""Reads what follows a number, or begins with the oldest event, in a transaction of its own."""

STREAM_SECONDS = 300.0
"""A stream ends after this and its reader comes back with the last number: a revoked token is not believed for longer."""

KEEP_ALIVE_SECONDS = 15.0
"""Silence after which a comment is sent, so that proxies keep the connection."""

RETRY_MS = 2000


EVENTS = "events"
"""Begins the keys of those who wait for events."""


def wait_key(client_id: str) -> WaitKey:
    """Return under which key a client's events are waited for; the poller wakes it when the client's sequence has grown."""
    return (EVENTS, client_id)


def await_page(read: ReadPage, room: WaitingRoom, clock: Clock, client_id: str, after: int | None, wait_seconds: float) -> EventPage:
    """Return the events after `after`, waiting up to `wait_seconds` for the first; at once when the room is full."""
    if wait_seconds <= 0:
        return read(after)
    deadline_seconds = clock.monotonic_seconds() + wait_seconds
    # The seat comes before the look, so that an event between the two wakes it.
    with room.seat(wait_key(client_id)) as seat:
        while True:
            page = read(after)
            after = page.next_after
            remaining_seconds = deadline_seconds - clock.monotonic_seconds()
            if page.items or seat is None or room.is_closed or remaining_seconds <= 0:
                return page
            if not seat.wait(remaining_seconds):
                return read(after)


def stream_events(read: ReadPage, room: WaitingRoom, clock: Clock, client_id: str, after: int | None) -> Generator[str, None, None]:
    """Yield server-sent events from after `after` on; `id` is the number to resume with (Last-Event-ID).

    Ends when what comes next is no longer kept: the reader comes back with the last number, and is told.
    """
    end_seconds = clock.monotonic_seconds() + STREAM_SECONDS
    with suppress(GeneratorExit, EventsGone), room.seat(wait_key(client_id)) as seat:
        yield f"retry: {RETRY_MS}\n\n"
        while True:
            page = read(after)
            after = page.next_after
            yield from (_written(event) for event in page.items)
            if page.items:
                continue
            if seat is None or room.is_closed or clock.monotonic_seconds() >= end_seconds:
                return
            yield from _pause(seat)


def _pause(seat: Seat) -> Iterator[str]:
    if not seat.wait(KEEP_ALIVE_SECONDS):
        yield ": still here\n\n"


def _written(event: Event) -> str:
    document = json.dumps(EventAnswer().dump(event), separators=(",", ":"))
    return f"id: {event.sequence}\nevent: {event.kind}\ndata: {document}\n\n"
