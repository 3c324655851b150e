"""botocore's clients of EC2: one session, so that both share what it read; time-outs everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

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

    def client(self, attempts: int) -> EC2Client:
        """A client that tries `attempts` times (>= 1) in all. Not for two threads at once; what it gives may be shared."""
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        return cast("EC2Client", self._session.create_client("ec2", region_name=self._region, config=config))
