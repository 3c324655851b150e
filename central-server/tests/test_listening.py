"""The port of the web processes: waited for while a predecessor's processes hold it, given up in one line."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from server_support.clock import FakeClock
from spot_server.listening import CannotListen, listen

HOST = "127.0.0.1"


class ClockThatActs(FakeClock):
    """Lets something happen while its owner sleeps, once that much time has passed."""

    def __init__(self, after_seconds: float, act: Callable[[], None]) -> None:
        super().__init__()
        self._after_seconds, self._act = after_seconds, act

    def sleep(self, duration_seconds: float) -> None:
        super().sleep(duration_seconds)
        if self.monotonic_seconds() >= self._after_seconds:
            self._act()


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback address: containers often do not."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def holder() -> Iterator[socket.socket]:
    """A socket of another process, as it were, on a port that is wanted."""
    with socket.create_server((HOST, 0)) as lent:
        yield lent


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def test_a_port_that_is_let_go_in_time_is_had_at_once(holder: socket.socket) -> None:
    port = port_of(holder)
    clock = ClockThatActs(12.0, holder.close)

    with listen(HOST, port, patience_seconds=30, clock=clock) as listener:
        found = port_of(listener)

    assert found == port
    assert clock.monotonic_seconds() == pytest.approx(12.0, abs=0.1)


def test_a_port_that_stays_in_use_is_given_up_with_its_name_and_what_to_do(holder: socket.socket) -> None:
    clock = FakeClock()

    with pytest.raises(CannotListen) as refused:
        listen(HOST, port_of(holder), patience_seconds=30, clock=clock)

    said = f"SPOT_BIND_PORT={port_of(holder)}: another process has been using it for 30 s; stop that one, or choose another port"
    assert str(refused.value) == said
    assert clock.monotonic_seconds() == pytest.approx(30, abs=0.1)


def test_an_address_of_another_machine_is_refused_without_waiting() -> None:
    clock = FakeClock()

    with pytest.raises(CannotListen, match=r"^SPOT_BIND_ADDRESS=192\.0\.2\.1 SPOT_BIND_PORT=8080: cannot listen there: "):
        listen("192.0.2.1", 8080, patience_seconds=30, clock=clock)

    assert clock.monotonic_seconds() == 0


@pytest.mark.parametrize("address", ["127.0.0.1", *(["::1", "[::1]"] if has_ipv6() else [])])
def test_an_ipv6_address_may_have_brackets(address: str) -> None:
    with listen(address, 0, patience_seconds=0, clock=FakeClock()) as listener:
        host = listener.getsockname()[0]

    assert host == address.strip("[]")
