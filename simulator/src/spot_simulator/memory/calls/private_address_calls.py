"""Secondary private addresses: assigned, taken over, given up."""

from ipaddress import IPv4Network

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.machine import State
from spot_simulator.memory import shapes
from spot_simulator.memory.books import MemoryBooks
from spot_simulator.memory.calls.request import Request
from spot_simulator.memory.records import InstanceRecord
from spot_simulator.memory.shapes import Shape
from spot_simulator.network.secondary_addresses import SecondaryAddresses


class PrivateAddressCalls:
    """Of the one interface that every instance has."""

    def __init__(self, books: MemoryBooks, addresses: SecondaryAddresses) -> None:
        """Take the parts."""
        self._books, self._addresses = books, addresses

    def assign(self, request: Request) -> Shape:
        """Answer AssignPrivateIpAddresses; the traffic follows after the address-move delay."""
        record, wanted = self._record(request), request.needed("PrivateIpAddresses")
        may_take = bool(request.get("AllowReassignment", False))
        subnet = IPv4Network(shapes.cidr_of(self._books.subnets[record.subnet_id]))
        self._addresses.check(record.machine, wanted, subnet, may_take=may_take)
        self._addresses.assign(record.machine, wanted)
        assigned = [{"PrivateIpAddress": address} for address in wanted]
        return {"NetworkInterfaceId": record.interface_id, "AssignedPrivateIpAddresses": assigned}

    def unassign(self, request: Request) -> Shape:
        """Answer UnassignPrivateIpAddresses."""
        self._addresses.unassign(self._record(request).machine, request.needed("PrivateIpAddresses"))
        return {}

    def _record(self, request: Request) -> InstanceRecord:
        interface_id = request.needed("NetworkInterfaceId")
        for record in self._books.instances.values():
            if record.interface_id == interface_id and record.machine.state is not State.TERMINATED:
                return record
        raise Ec2Error("InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{interface_id}' does not exist")
