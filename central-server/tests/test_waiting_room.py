"""The waiting room: seats, wake-ups, and what the poller's last look says."""

from __future__ import annotations

import threading

import pytest

from server_support.clock import FakeClock
from spot_server.http.waiting import WaitingRoom

MINE = ("agent-1", "i-1")
OTHER = ("agent-2", "i-2")
LONG_SECONDS = 30.0


@pytest.fixture
def room(clock: FakeClock) -> WaitingRoom:
    return WaitingRoom(clock, seats=2, fresh_seconds=1.0)


def test_a_full_room_has_no_seat_and_a_seat_that_is_left_is_free_again(room: WaitingRoom) -> None:
    with room.seat(MINE) as first:
        with room.seat(MINE) as second, room.seat(OTHER) as third:
            assert (first is not None, second is not None, third) == (True, True, None)
            assert not room.has_seats
        with room.seat(OTHER) as fourth:
            assert fourth is not None

    assert room.occupied == 0


def test_a_look_wakes_everyone_who_waits_for_what_it_found(room: WaitingRoom) -> None:
    with room.seat(MINE) as first, room.seat(MINE) as second:
        assert first is not None
        assert second is not None

        room.looked([MINE, OTHER])

        assert [first.wait(0), second.wait(0)] == [True, True]


def test_a_look_lets_the_others_wait(room: WaitingRoom) -> None:
    with room.seat(MINE) as seat:
        assert seat is not None

        room.looked([OTHER])

        assert not seat.wait(0)


def test_what_this_process_committed_wakes_who_waits_for_it_and_is_there_for_who_comes_next(room: WaitingRoom) -> None:
    room.looked([])
    with room.seat(MINE) as mine, room.seat(OTHER) as other:
        assert mine is not None
        assert other is not None

        room.wake([MINE])

        assert [mine.wait(0), other.wait(0)] == [True, False]
    assert [room.has_deliverable(key) for key in (MINE, OTHER)] == [True, False]


def test_the_next_look_knows_better_than_a_wake_up(room: WaitingRoom) -> None:
    room.wake([MINE])

    room.looked([])

    assert room.has_deliverable(MINE) is False


def test_a_wake_up_counts_once(room: WaitingRoom) -> None:
    with room.seat(MINE) as seat:
        assert seat is not None
        room.looked([MINE])
        seat.wait(0)

        assert not seat.wait(0)


def test_a_look_reaches_a_thread_that_waits(room: WaitingRoom) -> None:
    was_woken: list[bool] = []
    is_seated = threading.Event()

    def wait() -> None:
        with room.seat(MINE) as seat:
            is_seated.set()
            was_woken.append(seat is not None and seat.wait(LONG_SECONDS))

    thread = threading.Thread(target=wait)
    thread.start()
    is_seated.wait(LONG_SECONDS)

    room.looked([MINE])

    thread.join(LONG_SECONDS)
    assert was_woken == [True]


def test_nobody_looked_yet_so_nothing_is_known(room: WaitingRoom) -> None:
    assert room.has_deliverable(MINE) is None


def test_a_fresh_look_tells_what_was_there(room: WaitingRoom) -> None:
    room.looked([OTHER])

    assert (room.has_deliverable(MINE), room.has_deliverable(OTHER)) == (False, True)


def test_an_old_look_says_nothing_any_more(room: WaitingRoom, clock: FakeClock) -> None:
    room.looked([OTHER])

    clock.advance(1.1)

    assert room.has_deliverable(OTHER) is None


def test_closing_the_room_ends_every_wait_and_lets_nobody_in(room: WaitingRoom) -> None:
    with room.seat(MINE) as seat:
        assert seat is not None

        room.close()

        assert seat.wait(0)
        with room.seat(MINE) as late:
            assert late is None
