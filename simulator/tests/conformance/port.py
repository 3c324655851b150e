"""What a conformance test may ask of a region, whichever of its forms is under test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class HttpAnswer:
    """Status, headers and text; status 0 stands for a connection that was refused or cut."""

    status: int
    text: str
    headers: Mapping[str, str]


class RegionPort(Protocol):
    """One region; its times are scaled so that a delay takes milliseconds."""

    ec2: Any
    patient_ec2: Any
    """As ``ec2``, but it retries as boto3 does by default."""
    time_scale: float

    def ec2_as(self, role_arn: str) -> Any:
        """Assume a role, and return an EC2 client with its credentials."""

    def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Call the control API; ``path`` is below ``/_region``."""

    def http(self, method: str, ip: str, port: int, path: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Call something on a loopback address of the region."""

    def eventually(self, look: Callable[[], Any], within_seconds: float = 5.0) -> Any:
        """Look until the answer is true, and return it; fail when ``within_seconds`` of this machine's clock are over."""

    def process_exists(self, pid: int) -> bool:
        """Whether a service's process is still there."""

    def read_disk(self, instance_id: str, path: str) -> str | None:
        """Return a file of an instance's disk, None if it is not there."""

    def write_run(self, instance_id: str, path: str) -> None:
        """Make an empty file in an instance's /run, as its daemon would."""
