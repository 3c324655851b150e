"""The way from the server's jobs process to EC2 with a client's role: the product's own adapter on the region in memory."""

from spot_server.aws.ec2 import Boto3Ec2
from spot_server.aws.errors import ASSUME_ROLE_PREFIX, AwsFailed, ErrorClass
from spot_server.aws.ports import ControlRole
from spot_simulator.memory.region import MemoryRegion
from spot_simulator.virtual.network import Network
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.slow_ec2 import SlowEc2Client, no_neighbour

ROLE = "control-role"
"""The caller of the control role's calls, and its name on the network."""


class VirtualGateway:
    """An AwsGateway of one jobs process. `ROLE_ARN` is the one role that may be assumed."""

    def __init__(self, region: MemoryRegion, network: Network, process: Process) -> None:
        """Calls of this gateway die with `process`."""
        self._client = SlowEc2Client(region.ec2_client(ROLE), process, network, ROLE)

    def ec2(self, role: ControlRole, region: str) -> Boto3Ec2:
        """Return EC2 of the role's account."""
        if role.role_arn != ROLE_ARN:
            raise AwsFailed(ErrorClass.NOT_AUTHORIZED, f"{ASSUME_ROLE_PREFIX}AccessDenied", f"{role.role_arn} may not be assumed")
        return Boto3Ec2(self._client, self._client, no_neighbour)  # type: ignore[arg-type]  # shaped as boto3's

    def forget(self, role: ControlRole, region: str) -> None:
        """Nothing is kept."""


ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
