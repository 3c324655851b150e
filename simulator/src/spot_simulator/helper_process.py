"""A child process of the region that speaks JSON lines over a socket pair and dies with the region.

Processes of their own, because a busy API thread must not delay the traffic of an address, and because a child of a process
with many threads cannot ask the kernel to die with its parent: that promise hangs on the thread that forked.
"""

import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]
_STOP_SECONDS = 5.0


class HelperFailed(Exception):
    """The helper process is gone, or refused a message."""


class HelperProcess:
    """Runs ``python -m module COMMANDS_FD EVENTS_FD``; the helper ends when the region's side of the sockets closes."""

    def __init__(self, module: str, on_event: Callable[[Message], None]) -> None:
        """Start it. ``on_event`` is called on a thread of its own, one event at a time, in their order, and may block."""
        self._commands, its_commands = socket.socketpair()
        self._events, its_events = socket.socketpair()
        self._reader = self._commands.makefile("rb")
        self._lock = threading.Lock()
        self._on_event = on_event
        self._unheard: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        with its_commands, its_events:
            fds = (its_commands.fileno(), its_events.fileno())
            arguments = [sys.executable, "-m", module, *map(str, fds)]
            self._process = subprocess.Popen(arguments, pass_fds=fds, stdin=subprocess.DEVNULL, start_new_session=True)
        for work in (self._read_events, self._hear_events):
            threading.Thread(target=work, name=f"{work.__name__} of {module}", daemon=True).start()

    def call(self, **message: object) -> Message:
        """Send a message and return its answer. Raise ``HelperFailed`` if the helper refused it or is gone."""
        with self._lock:
            try:
                self._commands.sendall(json.dumps(message).encode() + b"\n")
                line = self._reader.readline()
            except OSError as error:
                raise HelperFailed(str(error)) from error
        answer: Message = json.loads(line) if line else {"error": "the helper process is gone"}
        if "error" in answer:
            raise HelperFailed(answer["error"])
        return answer

    def stop(self) -> None:
        """Close the sockets, and wait until the helper has ended what it holds."""
        self._commands.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_events(self) -> None:
        """Take events off the socket at once: a helper that cannot get rid of one would stop obeying."""
        with self._events.makefile("rb") as lines:
            for line in lines:
                self._unheard.put(json.loads(line))
        self._unheard.put(None)

    def _hear_events(self) -> None:
        while (event := self._unheard.get()) is not None:
            self._on_event(event)
