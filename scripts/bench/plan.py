"""What the parts of a measurement tell each other through files, and the times at which all of them begin and end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.wire import Daemon


@dataclass(frozen=True, slots=True)
class Window:
    """When a load is put on, and which part of it is measured: seconds on the machine's monotonic clock, the same in every process."""

    start_seconds: float
    begin_seconds: float
    end_seconds: float

    @property
    def duration_seconds(self) -> float:
        """How long is measured."""
        return self.end_seconds - self.begin_seconds


@dataclass(frozen=True, slots=True)
class Rates:
    """What a fleet sends in a second."""

    heartbeats: float
    configs: float
    polls: float
    price_reports: float
    commands: float


HEARTBEAT_SECONDS = 30.0
PRICE_REPORT_SECONDS = 300.0
SAMPLED_SECONDS = 100.0
"""Real daemons read their configuration only when it changed, and poll plainly only when the waiting room is full. Here each does both
every 100 s, more than in production, so that there is something to measure."""

COMMAND_SECONDS = 200.0
"""How often each agent is given a command: 5 a second at 1,000 agents."""


def rates_of(agent_count: int) -> Rates:
    """Return what that many agents send at the product's own intervals."""
    return Rates(
        heartbeats=agent_count / HEARTBEAT_SECONDS,
        configs=agent_count / SAMPLED_SECONDS,
        polls=agent_count / SAMPLED_SECONDS,
        price_reports=agent_count / PRICE_REPORT_SECONDS,
        commands=agent_count / COMMAND_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a generator is to do. `kind` is `mixed`, or the one request that is sent flat out."""

    kind: str
    port: int
    window: Window
    daemons: tuple[Daemon, ...]
    rates: Rates
    connections: int = 32
    """How many send at once, flat out."""


@dataclass(slots=True)
class Seen:
    """What a generator saw."""

    times_ms: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    error_examples: list[str] = field(default_factory=list)
    arrivals_seconds: dict[str, float] = field(default_factory=dict)
    """When a command reached the daemon that waited for it, by command id."""

    parked: list[int] = field(default_factory=list)
    """How many requests were parked at the server, twice a second."""

    refused_waits: int = 0
    errors_while_settling: int = 0
    """Requests sent before the window that failed; they are told of, and not counted among its errors."""

    lag_ms: list[float] = field(default_factory=list)
    """How much later than planned the generator itself sent."""

    cpu_seconds: float = 0.0


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - a dataclass or plain data
    """Write a dataclass, or plain data, for another process."""
    path.write_text(json.dumps(value if isinstance(value, dict) else asdict(value)), encoding="utf-8")


def read_plan(path: Path) -> Plan:
    """Read what `write_json` wrote of a plan."""
    data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Plan(
        kind=data["kind"],
        port=data["port"],
        window=Window(**data["window"]),
        daemons=tuple(Daemon(**one) for one in data["daemons"]),
        rates=Rates(**data["rates"]),
        connections=data["connections"],
    )


def read_seen(path: Path) -> Seen:
    """Read what `write_json` wrote of a generator's figures."""
    return Seen(**json.loads(path.read_text(encoding="utf-8")))
