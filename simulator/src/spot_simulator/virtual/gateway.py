"""The way from the server's jobs process to EC2 with a client's role: the product's own adapter on the region in memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from spot_server.aws.ec2 import Boto3Ec2
from spot_server.aws.errors import ASSUME_ROLE_PREFIX, AwsFailed, ErrorClass
from spot_server.aws.ports import ControlRole
from spot_simulator.memory.api import READING
from spot_simulator.memory.region import MemoryRegion
from spot_simulator.memory.services import SERVICES
from spot_simulator.model.faults import ANY_ACTION
from spot_simulator.virtual.foresight import WouldAct
from spot_simulator.virtual.network import Network
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.slow_ec2 import EC2, SlowEc2Client

ROLE = "control-role"
"""The caller of the control role's calls, and its name on the network."""


class VirtualGateway:
    """An AwsGateway of one jobs process. `ROLE_ARN` is the one role that may be assumed."""

    def __init__(self, region: MemoryRegion, network: Network, process: Process) -> None:
        """Calls of this gateway die with `process`."""
        self._region, self._network = region, network
        self._slow = {name: SlowEc2Client(region.client(name, ROLE), process, network, ROLE) for name in SERVICES}
        self._clients: Mapping[str, Any] = self._slow

    def ec2(self, role: ControlRole, region: str) -> Boto3Ec2:
        """Return EC2 of the role's account."""
        if role.role_arn != ROLE_ARN:
            raise AwsFailed(ErrorClass.NOT_AUTHORIZED, f"{ASSUME_ROLE_PREFIX}AccessDenied", f"{role.role_arn} may not be assumed")
        ec2 = self._clients["ec2"]
        return Boto3Ec2(ec2, ec2, lambda service: self._clients[service])

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Let calls inside the block take no time. Raises WouldAct where EC2 would not answer as it does otherwise."""
        is_disturbed = any(fault.action.startswith((*READING, ANY_ACTION)) for fault in self._region.faults.waiting())
        if is_disturbed or self._network.is_cut(ROLE, EC2):
            raise WouldAct
        self._clients = {name: self._region.client(name, ROLE) for name in SERVICES}
        try:
            yield
        finally:
            self._clients = self._slow

    def forget(self, role: ControlRole, region: str) -> None:
        """Nothing is kept."""


ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
