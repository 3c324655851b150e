"""A server that always gives the same small answer: what the load generator reaches against it is the generator's own ceiling.

`python -m bench.canned PORT`.
"""

from __future__ import annotations

import asyncio
import sys

from bench.wire import HOST

BODY = b'{"status":"ok","detail":null}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: canned\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nCache-Control: no-store\r\nX-Request-Id: 0123456789abcdef0123456789abcdef\r\n\r\n" % len(BODY)
) + BODY
LONGEST_SECONDS = 600.0


class Canned(asyncio.Protocol):
    """Takes every piece of data for a whole request without a body, which is what the generator sends it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        """Answer."""
        self._transport.write(ANSWER)  # type: ignore[attr-defined]  # a TCP transport


async def serve(port: int) -> None:
    """Answer until ended, ten minutes at most."""
    server = await asyncio.get_running_loop().create_server(Canned, HOST, port)
    async with server:
        await asyncio.sleep(LONGEST_SECONDS)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
