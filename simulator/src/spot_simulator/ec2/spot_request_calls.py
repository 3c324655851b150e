"""DescribeSpotInstanceRequests and CancelSpotInstanceRequests."""

from spot_simulator.clock import aws_time
from spot_simulator.ec2.call import Call
from spot_simulator.ec2.spot_requests import REQUEST_TYPE, SpotRequests, interruption_behavior, passing, request_status, status_changed_at
from spot_simulator.ec2.wire import Answer, filters, members, success
from spot_simulator.machine import Machine
from spot_simulator.recorded_prices import PRODUCT


class SpotRequestCalls:
    """Called with the region's lock held."""

    def __init__(self, requests: SpotRequests) -> None:
        """Take the requests."""
        self._requests = requests

    def describe(self, call: Call) -> Answer:
        """Answer DescribeSpotInstanceRequests."""
        machines = self._requests.named(members(call.parameters, "SpotInstanceRequestId"))
        found = passing(machines, filters(call.parameters))
        return success(call.action, {"spotInstanceRequestSet": [_request(machine) for machine in found]})

    def cancel(self, call: Call) -> Answer:
        """Answer CancelSpotInstanceRequests; the instances run on."""
        cancelled = self._requests.named(members(call.parameters, "SpotInstanceRequestId"))
        call.end_if_dry_run()
        for machine in cancelled:
            machine.is_request_cancelled = True
        items = [{"spotInstanceRequestId": machine.spot_request_id, "state": "cancelled"} for machine in cancelled]
        return success(call.action, {"spotInstanceRequestSet": items})


def _request(machine: Machine) -> dict[str, object]:
    state, code = request_status(machine)
    return {
        "spotInstanceRequestId": machine.spot_request_id,
        "type": REQUEST_TYPE,
        "state": state,
        "status": {"code": code, "message": code, "updateTime": aws_time(status_changed_at(machine))},
        "instanceId": machine.instance_id,
        "instanceInterruptionBehavior": interruption_behavior(machine),
        "launchedAvailabilityZone": machine.az_name,
        "createTime": aws_time(machine.launched_at),
        "productDescription": PRODUCT,
    }
