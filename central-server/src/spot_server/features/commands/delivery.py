"""Handing commands out, at once or as soon as there are any. A request that waits holds no database connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spot_server.clock import Clock
from spot_server.db.event_log import NewEvent
from spot_server.features.commands.ledger import ISSUED
from spot_server.features.commands.queries import Command
from spot_server.http.waiting import WaitingRoom, WaitKey


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a daemon is answered. `wait_seconds` is how long it should wait next time; 0: poll plainly."""

    commands: list[Command]
    wait_seconds: int
    was_refused: bool = False
    """Whether the waiting room was full."""


def wake_waiters(room: WaitingRoom, events: Sequence[NewEvent]) -> None:
    """Wake the daemons that wait in this process for what it has just committed; the pollers of the others find it at their next look.

    Not those who read events: a stream that is read at every commit would cost more than one that is read a few times a second.
    """
    keys = [(event.agent_id, event.instance_id) for event in events if event.kind == ISSUED and event.agent_id and event.instance_id]
    if keys:
        room.wake(keys)


def await_commands(
    take: Callable[[], list[Command]],
    room: WaitingRoom,
    clock: Clock,
    key: WaitKey,
    *,
    wait_seconds: float,
    next_wait_seconds: int,
) -> Delivery:
    """Return what `take` finds, waiting up to `wait_seconds` for it.

    `take` (a transaction) is called only when the poller saw something for `key`, or did not look of late: renewing a wait costs no SQL.
    """
    if wait_seconds <= 0:
        return Delivery(take(), next_wait_seconds if room.has_seats else 0)
    deadline_seconds = clock.monotonic_seconds() + wait_seconds
    with room.seat(key) as seat:
        if seat is None:
            return Delivery(take(), 0, was_refused=True)
        is_over = False
        while True:
            commands = take() if room.has_deliverable(key) is not False else []
            remaining_seconds = deadline_seconds - clock.monotonic_seconds()
            if commands or is_over or room.is_closed or remaining_seconds <= 0:
                return Delivery(commands, next_wait_seconds)
            is_over = not seat.wait(remaining_seconds)
