"""The spot requests behind the spot instances: the third place where an interruption shows, and the first one that EC2 tells."""

from spot_simulator.clock import aws_time
from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import Answer, filters, members, success
from spot_simulator.machine import Machine, ReasonCode, State
from spot_simulator.machines import Machines
from spot_simulator.model.capacity import Mode

_FILTERS = {
    "spot-instance-request-id": "spotInstanceRequestId",
    "instance-id": "instanceId",
    "state": "state",
    "type": "type",
    "launched-availability-zone": "launchedAvailabilityZone",
}


class SpotRequestCalls:
    """Called with the region's lock held."""

    def __init__(self, machines: Machines) -> None:
        """Take the instances; each spot instance has one request."""
        self._machines = machines

    def describe(self, call: Call) -> Answer:
        """Answer DescribeSpotInstanceRequests."""
        asked, ids = filters(call.parameters), members(call.parameters, "SpotInstanceRequestId")
        requests = [_request(machine) for machine in self._of(ids)]
        for name, values in asked.items():
            if name == "status-code":
                requests = [request for request in requests if _status_code(request) in values]
            elif name in _FILTERS:
                requests = [request for request in requests if request[_FILTERS[name]] in values]
            else:
                raise Ec2Error("InvalidParameterValue", f"The filter '{name}' is invalid")
        return success(call.action, {"spotInstanceRequestSet": requests})

    def cancel(self, call: Call) -> Answer:
        """Answer CancelSpotInstanceRequests; the instances run on."""
        cancelled = self._of(members(call.parameters, "SpotInstanceRequestId"))
        call.end_if_dry_run()
        for machine in cancelled:
            machine.is_request_cancelled = True
        items = [{"spotInstanceRequestId": machine.spot_request_id, "state": "cancelled"} for machine in cancelled]
        return success(call.action, {"spotInstanceRequestSet": items})

    def _of(self, request_ids: list[str]) -> list[Machine]:
        """Return the instances of these requests, or of all; an unknown id is refused."""
        by_request = {machine.spot_request_id: machine for machine in self._machines.by_id.values() if machine.mode is Mode.SPOT}
        unknown = [request_id for request_id in request_ids if request_id not in by_request]
        if unknown:
            raise Ec2Error("InvalidSpotInstanceRequestID.NotFound", f"The spot instance request ID '{unknown[0]}' does not exist")
        return [by_request[request_id] for request_id in request_ids] if request_ids else list(by_request.values())


def request_status(machine: Machine) -> tuple[str, str]:
    """Return a request's state and status code; with a notice to terminate the code changes while the instance still runs."""
    if machine.reason is ReasonCode.USER:
        return ("cancelled" if machine.is_request_cancelled else "closed"), "instance-terminated-by-user"
    if machine.reason is ReasonCode.SPOT_TERMINATION:
        return "closed", "instance-terminated-no-capacity"
    if machine.notice is not None and machine.notice.action == "terminate":
        return "closed", "instance-terminated-no-capacity"
    if machine.state in {State.STOPPING, State.STOPPED}:
        return "disabled", "instance-stopped-no-capacity"
    if machine.is_request_cancelled:
        return "cancelled", "request-canceled-and-instance-running"
    return "active", "fulfilled" if machine.notice is None else "marked-for-stop"


def _request(machine: Machine) -> dict[str, object]:
    state, code = request_status(machine)
    return {
        "spotInstanceRequestId": machine.spot_request_id,
        "type": "one-time",
        "state": state,
        "status": {"code": code, "message": code},
        "instanceId": machine.instance_id,
        "instanceInterruptionBehavior": "terminate",
        "launchedAvailabilityZone": machine.az_name,
        "createTime": aws_time(machine.launched_at),
        "productDescription": "Linux/UNIX",
    }


def _status_code(request: dict[str, object]) -> object:
    status = request["status"]
    return status.get("code") if isinstance(status, dict) else None
