"""The lane of what daemons report: so many at once, the others wait, and nobody for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from spot_server.errors import DatabaseUnavailable
from spot_server.http.lane import Lane


def test_never_more_than_its_width_go_on_at_once_and_all_get_through() -> None:
    lane, lock = Lane(3), threading.Lock()
    inside, most, through = 0, 0, 0
    is_full = threading.Event()

    def pass_through() -> None:
        nonlocal inside, most, through
        with lane.turn():
            with lock:
                inside += 1
                most = max(most, inside)
                if inside == 3:
                    is_full.set()
            # The first three wait for each other: a narrower lane would be stuck here.
            assert is_full.wait(30)
            with lock:
                inside -= 1
                through += 1

    with ThreadPoolExecutor(20) as threads:
        for passing in [threads.submit(pass_through) for _ in range(20)]:
            passing.result()

    assert (most, through, inside) == (3, 20, 0)


def test_whoever_gets_no_turn_in_time_is_told_to_try_again_and_takes_nobodys() -> None:
    lane = Lane(1, patience_seconds=0)

    with lane.turn(), pytest.raises(DatabaseUnavailable, match="try again"), lane.turn():
        pass

    with lane.turn():
        pass


def test_a_turn_is_given_back_when_what_it_was_for_fails() -> None:
    lane = Lane(1, patience_seconds=0)

    with pytest.raises(ZeroDivisionError), lane.turn():
        _ = 1 / 0

    with lane.turn():
        pass
