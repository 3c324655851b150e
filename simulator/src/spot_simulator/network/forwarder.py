"""The forwarder: the process behind every front. It accepts on the address and carries the bytes to where the front leads.

``python -m spot_simulator.network.forwarder COMMANDS_FD EVENTS_FD``. When an address moves, what is open on it is cut, as
packets that suddenly reach another machine are; what is open through a load balancer, or to an address that a name had, goes on.
"""

import asyncio
import itertools
import json
import socket
import sys
from collections.abc import Coroutine
from typing import Any, cast

Message = dict[str, Any]
Target = tuple[str, int]
_BACKLOG = 512


class Address:
    """One front: its listening socket, where it leads (nowhere: connections are closed at once), and what is open on it."""

    def __init__(self, port: int) -> None:
        """``port`` is the front's own."""
        self.port = port
        self.targets: list[Target] = []
        self.open: set[Side] = set()
        self.server: asyncio.Server | None = None
        self._turns = itertools.count()

    def next_target(self) -> Target | None:
        """Return whose turn it is."""
        return self.targets[next(self._turns) % len(self.targets)] if self.targets else None

    def route(self, targets: list[Target], *, is_cut: bool) -> int:
        """Send later connections to ``targets``; with ``is_cut`` cut what is open and return how many connections that were."""
        self.targets = targets
        if not is_cut:
            return 0
        cut = [side for side in self.open if isinstance(side, ClientSide)]
        for side in list(self.open):
            side.abort()
        return len(cut)


class Side(asyncio.Protocol):
    """One half of a forwarded connection; what arrives is written to the other half."""

    def __init__(self, address: Address) -> None:
        """Nothing is open before ``connection_made``."""
        self.address = address
        self.transport: asyncio.Transport | None = None
        self.peer: Side | None = None
        self.is_ended = False
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection so that a move of the address can cut it."""
        self.transport = cast("asyncio.Transport", transport)
        self.address.open.add(self)

    def data_received(self, data: bytes) -> None:
        """Pass data on; until the other half is there, keep it."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)
        else:
            self._early.append(data)

    def join(self, peer: "Side") -> None:
        """Name the other half, and give it what arrived before it was there."""
        self.peer = peer
        for data in self._early:
            self.data_received(data)
        self._early.clear()
        if self.is_ended:
            self.eof_received()

    def eof_received(self) -> bool:
        """Pass the end of the stream on; the other direction stays open until it ends too."""
        self.is_ended = True
        if self.peer is None or self.peer.transport is None:
            return True
        if not self.peer.transport.is_closing():
            self.peer.transport.write_eof()
        return not self.peer.is_ended

    def pause_writing(self) -> None:
        """Slow the other half down."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other half go on."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other half: in order if this one closed in order, else hard."""
        self.address.open.discard(self)
        if self.peer is not None and self.peer.transport is not None:
            (self.peer.transport.close if exc is None else self.peer.transport.abort)()

    def abort(self) -> None:
        """Cut the connection."""
        if self.transport is not None:
            self.transport.abort()


class ClientSide(Side):
    """The half towards the client; it opens the other half."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to whose turn it is, or cut the client off if there is nobody."""
        super().connection_made(transport)
        target = self.address.next_target()
        if target is None:
            self.abort()
            return
        _background(self._connect(target))

    async def _connect(self, target: Target) -> None:
        try:
            _, side = await asyncio.get_running_loop().create_connection(lambda: Side(self.address), *target)
        except OSError:
            self.abort()
            return
        if self not in self.address.open or target not in self.address.targets:
            side.abort()
            self.abort()
            return
        side.join(self)
        self.join(side)


_tasks: set[asyncio.Task[None]] = set()


def _background(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _obey(addresses: dict[str, Address], message: Message) -> Message:
    ip, do = message["ip"], message["do"]
    if do == "listen":
        address = Address(message["port"])
        loop = asyncio.get_running_loop()
        address.server = await loop.create_server(lambda: ClientSide(address), ip, address.port, backlog=_BACKLOG, reuse_address=True)
        addresses[ip] = address
        return {}
    if do == "route":
        targets = [(str(host), int(port)) for host, port in message["targets"]]
        return {"cut": addresses[ip].route(targets, is_cut=message["is_cut"])}
    address = addresses.pop(ip)
    if address.server is not None:
        address.server.close()
    return {"cut": address.route([], is_cut=True)}


async def _serve(commands: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=commands)
    addresses: dict[str, Address] = {}
    while line := await reader.readline():
        message = json.loads(line)
        try:
            answer = await _obey(addresses, message)
        except (OSError, KeyError) as error:
            answer = {"error": f"{message.get('do')} {message.get('ip')}: {error!r}"}
        writer.write(json.dumps(answer).encode() + b"\n")


def main() -> int:
    """Run on the socket whose descriptor is the first argument, until its other side closes."""
    asyncio.run(_serve(socket.socket(fileno=int(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
