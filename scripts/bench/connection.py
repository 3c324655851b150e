"""A kept HTTP/1.1 connection on a bare asyncio transport: little enough that the generator is not what is measured."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bench.wire import HOST

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\ncontent-length:"
_CLOSE = b"\nconnection: close"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `arrived_seconds` is when its last byte was here, on the monotonic clock."""

    status: int
    body: bytes
    arrived_seconds: float


class AnswerUnreadable(Exception):
    """The server sent what this client does not understand: no Content-Length."""


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an answer."""

    status: int
    head_bytes: int
    body_bytes: int
    is_last: bool
    """Whether the server closes the connection after it."""


def read_head(data: bytes | bytearray) -> Head | None:
    """Return the head of the answer that `data` begins with; None while it is not complete."""
    end = data.find(_END_OF_HEAD)
    if end < 0:
        return None
    head = bytes(data[: end + 2]).lower()
    place = head.find(_LENGTH)
    if place < 0:
        raise AnswerUnreadable(head.decode("latin-1"))
    length_text = head[place + len(_LENGTH) : head.index(b"\r", place)]
    return Head(int(head[9:12]), end + len(_END_OF_HEAD), int(length_text), _CLOSE in head)


class Connection:
    """One request at a time, as a daemon's thread sends them; opened at the first call, and again after either side closed it."""

    def __init__(self, port: int) -> None:
        """Nothing is opened yet."""
        self._port = port
        self._stream: _Stream | None = None
        self._turn = asyncio.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return self._turn.locked()

    async def call(self, request: bytes) -> Answer:
        """Send a request when those before it are answered, and return its answer; OSError or AnswerUnreadable when there is none."""
        async with self._turn:
            if self._stream is None or self._stream.is_closed:
                _, self._stream = await asyncio.get_running_loop().create_connection(_Stream, HOST, self._port)
            return await self._stream.ask(request)

    def close(self) -> None:
        """Close it; a later call opens it again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class _Stream(asyncio.Protocol):
    """One TCP connection. A new one is another object, so that the end of the old one is never taken for its own."""

    def __init__(self) -> None:
        self.is_closed = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: Head | None = None
        self._answer: asyncio.Future[Answer] | None = None

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        self._answer = self._loop.create_future()
        if self._transport is None or self.is_closed:
            self._fail(ConnectionResetError("the server closed the connection"))
        else:
            self._transport.write(request)
        return self._answer

    def close(self) -> None:
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._head = self._head or read_head(self._buffer)
        except (AnswerUnreadable, ValueError) as error:
            self._fail(error)
            self.close()
            return
        head = self._head
        if head is None or len(self._buffer) < head.head_bytes + head.body_bytes:
            return
        body = bytes(self._buffer[head.head_bytes : head.head_bytes + head.body_bytes])
        self._buffer.clear()
        self._head = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(head.status, body, self._loop.time()))
        if head.is_last:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
