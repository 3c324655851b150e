"""What a conformance test may ask of a region, whichever of its forms is under test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from conformance.behaviour import Behaviour


@dataclass(frozen=True)
class HttpAnswer:
    """Status, headers and text; status 0 stands for a connection that was refused or cut."""

    status: int
    text: str
    headers: Mapping[str, str]


class RegionPort(Protocol):
    """One region; a delay of it takes milliseconds, or no time at all."""

    ec2: Any
    patient_ec2: Any
    """As ``ec2``, but it retries as boto3 does by default."""

    def client(self, service: str) -> Any:
        """Return a client of elbv2, route53 or pricing, which makes one attempt."""

    def ec2_as(self, role_arn: str) -> Any:
        """Assume a role, and return an EC2 client with its credentials."""

    def now(self) -> datetime:
        """Return the region's time."""

    def argv(self, behaviour: Behaviour) -> list[str]:
        """Return the command of a service that behaves so."""

    def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Call the control API; ``path`` is below ``/_region``."""

    def ask(self, ip: str, path: str = "/") -> HttpAnswer:
        """Ask the workload at an address."""

    def metadata(self, instance_id: str, path: str) -> HttpAnswer:
        """Read the metadata of an instance, as somebody with a good token; ``path`` is below ``/latest``."""

    def at_once(self, call: Callable[[], Any], times: int) -> list[Any]:
        """Make a call several times, as nearly at once as this form has it, and return the answers."""

    def eventually(self, look: Callable[[], Any], within_seconds: float = 30.0) -> Any:
        """Look until the answer is true, and return it; fail when the longest delay, and ``within_seconds``, are long over."""

    def process_exists(self, pid: int) -> bool:
        """Whether a service's process is still there."""

    def read_disk(self, instance_id: str, path: str) -> str | None:
        """Return a file of an instance's disk, None if it is not there."""

    def write_run(self, instance_id: str, path: str) -> None:
        """Make an empty file in an instance's /run, as its daemon would."""
