"""botocore's clients: one session, so that they share what it read; time-outs everywhere."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.session import Session

from spot_agent.ec2_models import ReducedFiles
from spot_agent.logs import Log

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10


class Ec2Session:
    """AWS_ENDPOINT_URL, credentials, proxies and AWS_DATA_PATH are botocore's own affair."""

    def __init__(self, region: str, log: Log) -> None:
        self._region = region
        self._session = Session()
        self._session.get_component("data_loader").file_loader = ReducedFiles(log)
        self._lock = threading.Lock()
        self._neighbours: dict[str, Any] = {}

    def client(self, attempts: int) -> EC2Client:
        """A client that tries `attempts` times (>= 1) in all. What it gives may be shared between threads."""
        with self._lock:
            return cast("EC2Client", self._made("ec2", attempts))

    def neighbour(self, service: str, attempts: int) -> Any:  # noqa: ANN401 - botocore makes each client's class at run time
        """The one client of another service in `ec2_models.OPERATIONS`, made when it is first asked for: its model takes memory."""
        with self._lock:
            if service not in self._neighbours:
                self._neighbours[service] = self._made(service, attempts)
            return self._neighbours[service]

    def _made(self, service: str, attempts: int) -> Any:  # noqa: ANN401 - as above
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        return self._session.create_client(service, region_name=self._region, config=config)
