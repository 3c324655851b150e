"""The socket on which the web processes listen: opened by us, because gunicorn gives up after five tries a second apart."""

from __future__ import annotations

import errno
import socket
from typing import Protocol

import structlog

from spot_server.clock import Clock, Sleeper

RETRY_SECONDS = 0.05
"""A restart waits for its port no longer than this more than it must."""

BACKLOG_CONNECTIONS = 2048
"""Connections that the kernel keeps until a web process accepts them; it allows net.core.somaxconn at most (4096)."""

log = structlog.get_logger()


class CannotListen(Exception):
    """The address and port cannot be had; the text says why, and what would help."""


class ClockAndSleeper(Clock, Sleeper, Protocol):
    """What waiting for the port takes."""


def listen(address: str, port: int, *, patience_seconds: float, clock: ClockAndSleeper) -> socket.socket:
    """Return a listening socket; wait for the port when it is in use. CannotListen after `patience_seconds`, or at once for another reason.

    It may be in use by processes that a killed predecessor left: they let go of it within moments, or, when they are stuck, at the end of
    their time to stop.
    """
    until_seconds = clock.monotonic_seconds() + patience_seconds
    has_waited = False
    while (listener := _listening_socket(address, port)) is None:
        if clock.monotonic_seconds() >= until_seconds:
            advice = "stop that one, or choose another port"
            raise CannotListen(f"SPOT_BIND_PORT={port}: another process has been using it for {patience_seconds:g} s; {advice}")
        if not has_waited:
            log.warning("port_in_use", address=address, port=port, patience_seconds=patience_seconds)
        has_waited = True
        clock.sleep(RETRY_SECONDS)
    return listener


def _listening_socket(address: str, port: int) -> socket.socket | None:
    """Return one; None when the port is in use."""
    host = address.strip("[]")
    try:
        if ":" not in host:
            return socket.create_server((host, port), backlog=BACKLOG_CONNECTIONS)
        has_both = socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=has_both, backlog=BACKLOG_CONNECTIONS)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        raise CannotListen(f"SPOT_BIND_ADDRESS={address} SPOT_BIND_PORT={port}: cannot listen there: {error.strerror}") from error
