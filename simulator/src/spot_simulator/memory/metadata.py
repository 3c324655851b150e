"""The metadata service of an instance, below HTTP and its tokens: what a client that reads one path gets, and how long that takes."""

from collections.abc import Mapping
from dataclasses import dataclass

from spot_simulator.machine import Machine, MetadataFault
from spot_simulator.network.metadata import metadata_body

READ_TIMEOUT_SECONDS = 2.0
"""As the daemon's client has it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The service answered with this body."""

    text: str


@dataclass(frozen=True, slots=True)
class Absent:
    """404: there is none."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No definite answer, and why."""

    reason: str


Reading = Found | Absent | Unknown


_ANSWERS_TO_ALL: Mapping[MetadataFault, tuple[Unknown, float]] = {
    MetadataFault.HANG: (Unknown("ReadTimeout"), READ_TIMEOUT_SECONDS),
    MetadataFault.ERROR: (Unknown("status 503"), 0.0),
    MetadataFault.OFF: (Unknown("status 403"), 0.0),
}


def read_metadata(machine: Machine, path: str, *, is_up: bool) -> tuple[Reading, float]:
    """Return what a client reads at a path below /latest/ and the seconds until it has it; ``is_up``: the service answers at all."""
    if not is_up:
        return Unknown("ConnectionError"), 0.0
    if machine.metadata_fault in _ANSWERS_TO_ALL:
        return _ANSWERS_TO_ALL[machine.metadata_fault]
    body = metadata_body(f"/latest/{path}", machine)
    if body is None:
        return Absent(), 0.0
    return Found(body[: len(body) // 2] if machine.metadata_fault is MetadataFault.TRUNCATED else body), 0.0
