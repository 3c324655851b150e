"""Elastic IPs, whose traffic moves some seconds after the API says so."""

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.known_instances import KnownInstances, check_address_target
from spot_simulator.memory import shapes
from spot_simulator.memory.books import MemoryBooks
from spot_simulator.memory.calls.request import Request
from spot_simulator.memory.filters import Facts, passing
from spot_simulator.memory.records import AddressRecord
from spot_simulator.memory.shapes import Shape
from spot_simulator.network.addresses import Addresses

_FACTS: Facts[AddressRecord] = {
    "allocation-id": lambda record: record.allocation_id,
    "association-id": lambda record: record.association_id,
    "instance-id": lambda record: record.instance_id,
    "public-ip": lambda record: record.public_ip,
}


class AddressCalls:
    """What EC2's book says of addresses, and the orders to move their traffic."""

    def __init__(self, books: MemoryBooks, addresses: Addresses, known: KnownInstances) -> None:
        """Take the parts."""
        self._books, self._addresses, self._known = books, addresses, known

    def allocate(self, request: Request) -> Shape:
        """Answer AllocateAddress."""
        request.end_if_dry_run()
        record = AddressRecord(self._books.ids.new("eipalloc"), self._addresses.next_address())
        self._addresses.open(record.public_ip)
        self._books.addresses[record.allocation_id] = record
        self._books.add_tags(record.allocation_id, request.tags("elastic-ip"))
        return {"AllocationId": record.allocation_id, "Domain": "vpc", "PublicIp": record.public_ip}

    def associate(self, request: Request) -> Shape:
        """Answer AssociateAddress: a running target; AllowReassociation defaults to true, as in a VPC. A repeat is a success."""
        record = self._allocated(request)
        machine = self._known.one(request.needed("InstanceId"))
        check_address_target(machine)
        request.end_if_dry_run()
        if record.instance_id == machine.instance_id:
            return {"AssociationId": record.association_id}
        if record.instance_id is not None and not request.get("AllowReassociation", True):
            text = f"resource {record.allocation_id} is already associated with associate-id {record.association_id}"
            raise Ec2Error("Resource.AlreadyAssociated", text)
        record.instance_id, record.association_id = machine.instance_id, self._books.ids.new("eipassoc")
        self._addresses.move(record.public_ip, machine)
        return {"AssociationId": record.association_id}

    def disassociate(self, request: Request) -> Shape:
        """Answer DisassociateAddress; the traffic stops after the address-move delay."""
        association_id = request.needed("AssociationId")
        record = next((one for one in self._books.addresses.values() if one.association_id == association_id), None)
        if record is None:
            raise Ec2Error("InvalidAssociationID.NotFound", f"Association ID '{association_id}' not found.")
        request.end_if_dry_run()
        record.instance_id = record.association_id = None
        self._addresses.move(record.public_ip, None)
        return {}

    def release(self, request: Request) -> Shape:
        """Answer ReleaseAddress; an address that is associated cannot be released."""
        record = self._allocated(request)
        if record.instance_id is not None:
            raise Ec2Error("InvalidIPAddress.InUse", f"Address {record.public_ip} is in use.")
        request.end_if_dry_run()
        del self._books.addresses[record.allocation_id]
        self._addresses.close(record.public_ip)
        return {}

    def describe(self, request: Request) -> Shape:
        """Answer DescribeAddresses."""
        wanted, public_ips = request.get("AllocationIds", ()), request.get("PublicIps", ())
        for allocation_id in wanted:
            if allocation_id not in self._books.addresses:
                raise Ec2Error("InvalidAllocationID.NotFound", f"The allocation ID '{allocation_id}' does not exist")
        found = [
            record
            for record in self._books.addresses.values()
            if (not wanted or record.allocation_id in wanted) and (not public_ips or record.public_ip in public_ips)
        ]
        found = passing(found, request.filters(), _FACTS, self._books, lambda record: record.allocation_id)
        return {"Addresses": [shapes.address(record, self._books) for record in found]}

    def _allocated(self, request: Request) -> AddressRecord:
        allocation_id = request.needed("AllocationId")
        record = self._books.addresses.get(allocation_id)
        if record is None:
            raise Ec2Error("InvalidAllocationID.NotFound", f"The allocation ID '{allocation_id}' does not exist")
        return record
