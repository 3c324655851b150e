"""Handing commands out: at once, after a wait, or with a full room."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from server_support.clock import FakeClock
from spot_server.db.event_log import NewEvent
from spot_server.features.commands.delivery import Delivery, await_commands, wake_waiters
from spot_server.features.commands.ledger import ISSUED
from spot_server.http.waiting import WaitingRoom, WaitKey

MINE = ("agent-1", "i-1")
COMMAND: Any = "command"
"""Stands for any command: delivery does not look into them."""

NEXT_WAIT_SECONDS = 50
SHORT_SECONDS = 0.01


@dataclass
class Shelf:
    """Stands in for the transaction that takes commands; counts how often it is asked."""

    answers: list[list[Any]] = field(default_factory=list)
    asked: int = 0

    def take(self) -> list[Any]:
        self.asked += 1
        return self.answers.pop(0) if self.answers else []


class RoomWhereTheFirstWaitIsWoken(WaitingRoom):
    """Its poller finds a command as soon as somebody has sat down and looked around."""

    def has_deliverable(self, key: WaitKey) -> bool | None:
        before = super().has_deliverable(key)
        self.looked([key])
        return before


@pytest.fixture
def room(clock: FakeClock) -> WaitingRoom:
    return WaitingRoom(clock, seats=1, fresh_seconds=1.0)


def ask(shelf: Shelf, room: WaitingRoom, clock: FakeClock, wait_seconds: float) -> Delivery:
    return await_commands(shelf.take, room, clock, MINE, wait_seconds=wait_seconds, next_wait_seconds=NEXT_WAIT_SECONDS)


def test_without_a_wait_the_database_is_asked_once(room: WaitingRoom, clock: FakeClock) -> None:
    room.looked([])
    shelf = Shelf([[COMMAND]])

    assert ask(shelf, room, clock, 0) == Delivery([COMMAND], NEXT_WAIT_SECONDS)


def test_a_wait_for_nothing_costs_no_transaction(room: WaitingRoom, clock: FakeClock) -> None:
    room.looked([])
    shelf = Shelf()

    delivery = ask(shelf, room, clock, SHORT_SECONDS)

    assert (delivery, shelf.asked) == (Delivery([], NEXT_WAIT_SECONDS), 0)


def test_what_was_there_before_the_wait_is_handed_out_at_once(room: WaitingRoom, clock: FakeClock) -> None:
    room.looked([MINE])
    shelf = Shelf([[COMMAND]])

    assert ask(shelf, room, clock, 30).commands == [COMMAND]


def test_what_comes_during_the_wait_ends_it(clock: FakeClock) -> None:
    room = RoomWhereTheFirstWaitIsWoken(clock, seats=1, fresh_seconds=1.0)
    room.looked([])
    shelf = Shelf([[COMMAND]])

    assert ask(shelf, room, clock, 30).commands == [COMMAND]


def test_a_wake_up_for_what_another_request_took_goes_on_waiting(clock: FakeClock) -> None:
    room = RoomWhereTheFirstWaitIsWoken(clock, seats=1, fresh_seconds=1.0)
    room.looked([])
    shelf = Shelf([[], [COMMAND]])

    assert (ask(shelf, room, clock, 30).commands, shelf.asked) == ([COMMAND], 2)


def test_a_poller_that_does_not_look_is_not_believed(room: WaitingRoom, clock: FakeClock) -> None:
    shelf = Shelf([[COMMAND]])

    assert ask(shelf, room, clock, 30).commands == [COMMAND]


def test_a_wait_that_ends_while_the_poller_stands_still_asks_the_database_itself(room: WaitingRoom, clock: FakeClock) -> None:
    shelf = Shelf([[], [COMMAND]])

    assert ask(shelf, room, clock, SHORT_SECONDS).commands == [COMMAND]


def test_a_full_room_answers_at_once_and_asks_to_poll_plainly(room: WaitingRoom, clock: FakeClock) -> None:
    room.looked([MINE])
    shelf = Shelf([[COMMAND]])

    with room.seat(MINE):
        delivery = ask(shelf, room, clock, 30)

    assert delivery == Delivery([COMMAND], 0, was_refused=True)


def test_a_plain_poll_is_invited_to_wait_only_while_there_are_seats(room: WaitingRoom, clock: FakeClock) -> None:
    with room.seat(MINE):
        while_full = ask(Shelf(), room, clock, 0)

    assert (while_full.wait_seconds, ask(Shelf(), room, clock, 0).wait_seconds) == (0, NEXT_WAIT_SECONDS)


def test_a_process_that_stops_sends_its_waiters_home(room: WaitingRoom, clock: FakeClock) -> None:
    room.looked([])
    room.close()

    assert ask(Shelf(), room, clock, 30).commands == []


def test_only_commands_that_were_issued_wake_the_daemons_that_they_are_for(room: WaitingRoom) -> None:
    room.looked([])
    events = [NewEvent("client-1", kind, "agent-1", "i-1", {}) for kind in ("heartbeat", "command_finished")]
    of_nobody = NewEvent("client-1", ISSUED, "agent-1", None, {})

    wake_waiters(room, [*events, of_nobody])
    before = room.has_deliverable(MINE)
    wake_waiters(room, [NewEvent("client-1", ISSUED, "agent-1", "i-1", {})])

    assert (before, room.has_deliverable(MINE)) == (False, True)
