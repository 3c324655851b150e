"""The forwarder: the process behind every Elastic IP. It accepts on the address and carries the bytes to its holder.

``python -m spot_simulator.network.forwarder COMMANDS_FD EVENTS_FD``. A route that changes cuts what is open on the address, as
packets that suddenly reach another machine do.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Coroutine
from typing import Any, cast

Message = dict[str, Any]
_BACKLOG = 512


class Address:
    """One Elastic IP: its listening socket, its holder (None: connections are closed at once), and what is open on it."""

    def __init__(self, port: int) -> None:
        """``port`` is the same on both sides."""
        self.port = port
        self.target: str | None = None
        self.open: set[Side] = set()
        self.server: asyncio.Server | None = None

    def route(self, target: str | None) -> int:
        """Send later connections to ``target``; cut what is open and return how many connections that were."""
        self.target = target
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
    """The half towards the client; it opens the half towards the holder."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the holder, or cut the client off if there is none."""
        super().connection_made(transport)
        if self.address.target is None:
            self.abort()
            return
        _background(self._connect(self.address.target))

    async def _connect(self, target: str) -> None:
        try:
            _, side = await asyncio.get_running_loop().create_connection(lambda: Side(self.address), target, self.address.port)
        except OSError:
            self.abort()
            return
        if self not in self.address.open or self.address.target != target:
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
        return {"cut": addresses[ip].route(message["target"])}
    address = addresses.pop(ip)
    if address.server is not None:
        address.server.close()
    return {"cut": address.route(None)}


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
