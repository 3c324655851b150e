"""The network between processes: it takes time, loses, doubles, reorders, and can be cut between any two names."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from spot_simulator.virtual.process import Process
from spot_simulator.virtual.scheduler import Scheduler
from spot_simulator.virtual.waiting import VirtualEvent


class Unanswered(Exception):
    """No answer came: refused, cut or timed out. Whether the request arrived is not known."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    target: str
    """Path with its query, from the slash on."""
    token: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    body: bytes
    retry_after: str | None = None


Handler = Callable[[Request], Response]


@dataclass(slots=True)
class Weather:
    """How bad the network is. Probabilities are per message; seconds are one way."""

    least_seconds: float = 0.001
    most_seconds: float = 0.02
    loss_probability: float = 0.0
    double_probability: float = 0.0


@dataclass(slots=True)
class Counts:
    """What happened to messages."""

    sent: int = 0
    lost: int = 0
    doubled: int = 0
    cut: int = 0


@dataclass(slots=True)
class _Listener:
    """Who answers at a name: one of several processes in turn, as the kernel does it for a shared socket."""

    servers: list[tuple[Process, Handler]] = field(default_factory=list)
    turn: int = 0


class Network:
    """Names are those of instances (`i-...`) and of the server (`server`)."""

    def __init__(self, scheduler: Scheduler, seed: object) -> None:
        """Fair weather, no cuts."""
        self._scheduler = scheduler
        self._random = random.Random(f"network-{seed}")
        self.weather = Weather()
        self.counts = Counts()
        self._cuts: set[frozenset[str]] = set()
        self._away: set[str] = set()
        self._listeners: dict[str, _Listener] = {}
        self.on_cut: Callable[[], None] = lambda: None
        """Called when a way was cut or mended."""

    def listen(self, name: str, process: Process, handler: Handler) -> None:
        """Let `process` answer at `name`, beside others that do. `handler` runs in a task of its own per request."""
        self._listeners.setdefault(name, _Listener()).servers.append((process, handler))

    def cut(self, one: str, other: str) -> None:
        """Let nothing through between two names."""
        self._cuts.add(frozenset((one, other)))
        self.on_cut()

    def mend(self, one: str, other: str) -> None:
        """Let messages through again."""
        self._cuts.discard(frozenset((one, other)))
        self.on_cut()

    def isolate(self, name: str) -> None:
        """Let nothing through from or to a name."""
        self._away.add(name)
        self.on_cut()

    def rejoin(self, name: str) -> None:
        """Let messages from and to a name through again."""
        self._away.discard(name)
        self.on_cut()

    def mend_all(self) -> None:
        """Let everything through again."""
        self._cuts.clear()
        self._away.clear()
        self.on_cut()

    def is_fair_between(self, one: str, other: str) -> bool:
        """Tell whether all that is sent between two names arrives, once."""
        return not self.is_cut(one, other) and not self.weather.loss_probability and not self.weather.double_probability

    def is_cut(self, one: str, other: str) -> bool:
        """Tell whether nothing gets through between two names."""
        return frozenset((one, other)) in self._cuts or bool(self._away & {one, other})

    def call(self, client: Process, client_name: str, server_name: str, request: Request, timeout_seconds: float) -> Response:
        """Send and wait for the answer. Raises Unanswered, after `timeout_seconds` at the latest."""
        client.check()
        arrived = VirtualEvent(client)
        answers: list[Response | None] = []

        def receive(response: Response | None) -> None:
            answers.append(response)
            arrived.set()

        self._carry(client_name, server_name, lambda: self._deliver(client_name, server_name, request, receive))
        arrived.wait(timeout_seconds)
        if not answers or answers[0] is None:
            raise Unanswered("refused" if answers else "timed out")
        return answers[0]

    def _carry(self, sender: str, receiver: str, deliver: Callable[[], None]) -> None:
        """Bring one message over, or not, or twice."""
        self.counts.sent += 1
        if self.is_cut(sender, receiver):
            self.counts.cut += 1
            return
        if self._random.random() < self.weather.loss_probability:
            self.counts.lost += 1
            return
        self._scheduler.after(self._latency_seconds(), deliver)
        if self._random.random() < self.weather.double_probability:
            self.counts.doubled += 1
            self._scheduler.after(self._latency_seconds(), deliver)

    def _latency_seconds(self) -> float:
        return self._random.uniform(self.weather.least_seconds, self.weather.most_seconds)

    def _deliver(self, client_name: str, server_name: str, request: Request, receive: Callable[[Response | None], None]) -> None:
        found = self._next_server(server_name)
        if found is None:  # the kernel answers for a process that is not there
            self._carry(server_name, client_name, lambda: receive(None))
            return
        process, handler = found

        def work() -> None:
            response = handler(request)
            self._carry(server_name, client_name, lambda: receive(response))

        def reset() -> None:
            self._carry(server_name, client_name, lambda: receive(None))

        process.spawn(work, on_killed=reset)

    def _next_server(self, name: str) -> tuple[Process, Handler] | None:
        listener = self._listeners.get(name)
        if listener is None:
            return None
        listener.servers = [server for server in listener.servers if server[0].is_alive]
        if not listener.servers:
            return None
        listener.turn = (listener.turn + 1) % len(listener.servers)
        return listener.servers[listener.turn]
