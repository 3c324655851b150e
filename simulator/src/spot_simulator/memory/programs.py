"""What runs on an instance in memory: programs instead of processes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from spot_simulator.hosting.service_list import ServiceSpec
from spot_simulator.memory.host import Host

Ended = Callable[[int], None]
"""Told once, when a program comes to its end by itself or as it was asked to: its exit code."""


class Running(Protocol):
    """A program that runs."""

    def terminate(self) -> None:
        """SIGTERM: come to an end soon, and say so; or ignore it."""
        ...

    def kill(self) -> None:
        """SIGKILL: do nothing more. Init has noted the end already. If the caller is part of this program, this may not return."""
        ...


class Program(Protocol):
    """What a service starts."""

    def start(self, host: Host, ended: Ended, *, must_fail: bool) -> Running:
        """Begin, without waiting for anything; with ``must_fail`` give up with exit code 1 when the start is over."""
        ...


class Programs(Protocol):
    """Where init finds the program of a service."""

    def find(self, spec: ServiceSpec) -> Program | None:
        """Return a service's program, or None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class ProgramsByName:
    """One program per service name."""

    programs: Mapping[str, Program]

    def find(self, spec: ServiceSpec) -> Program | None:
        """Look the service's name up."""
        return self.programs.get(spec.name)
