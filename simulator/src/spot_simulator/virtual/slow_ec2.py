"""EC2, load balancing and Route 53 from where a process stands: calls take time, and the way may be cut before or after the act."""

import random
from typing import Any

from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from spot_simulator.virtual.network import Network
from spot_simulator.virtual.process import Process

EC2 = "ec2"
"""EC2's name on the network; its neighbours are reached the same way."""

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 10.0
"""As the product's own adapters set them."""

LEAST_SECONDS, MOST_SECONDS = 0.05, 0.4
"""One call, half of it before the act. Estimates: EC2's API was never measured by us."""


class SlowEc2Client:
    """Wraps a boto3-shaped client; every method of it is a call over the network."""

    def __init__(self, client: Any, process: Process, network: Network, caller: str) -> None:  # noqa: ANN401 - made at run time
        """`caller` is the process's name on the network."""
        self._client, self._process, self._network, self._caller = client, process, network, caller
        self._random = random.Random(f"ec2-{process.name}")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return the method, as a call that takes time."""
        found = getattr(self._client, name)
        if name == "get_paginator":
            return lambda operation: _SlowPaginator(self, found(operation))
        return lambda **parameters: self.call(lambda: found(**parameters))

    def call(self, act: Any) -> Any:  # noqa: ANN401
        """Make a call that takes time and may be cut; what it raised or returned comes after both halves."""
        self._process.sleep(self._half_seconds())
        if self._network.is_cut(self._caller, EC2):
            self._process.sleep(CONNECT_TIMEOUT_SECONDS)
            raise ConnectTimeoutError(endpoint_url="https://ec2.simulated")
        answer, error = None, None
        try:
            answer = act()
        except Exception as raised:  # noqa: BLE001 - kept until the answer has travelled
            error = raised
        self._process.sleep(self._half_seconds())
        if self._network.is_cut(self._caller, EC2):
            self._process.sleep(READ_TIMEOUT_SECONDS)
            raise ReadTimeoutError(endpoint_url="https://ec2.simulated")
        if error is not None:
            raise error
        return answer

    def _half_seconds(self) -> float:
        return self._random.uniform(LEAST_SECONDS, MOST_SECONDS) / 2


class _SlowPaginator:
    """One call for all pages: the region in memory has but one."""

    def __init__(self, client: SlowEc2Client, paginator: Any) -> None:  # noqa: ANN401
        self._client, self._paginator = client, paginator

    def paginate(self, **parameters: Any) -> list[Any]:  # noqa: ANN401
        """Return all pages."""
        pages: list[Any] = self._client.call(lambda: list(self._paginator.paginate(**parameters)))
        return pages
