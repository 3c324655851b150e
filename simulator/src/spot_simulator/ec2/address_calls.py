"""Elastic IPs: addresses on this machine's loopback, whose traffic moves some seconds after the API says so."""

from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.known_instances import KnownInstances, check_address_target
from spot_simulator.ec2.wire import Answer, is_true, success
from spot_simulator.network.addresses import Addresses


class AddressCalls:
    """Called with the region's lock held."""

    def __init__(self, addresses: Addresses, known: KnownInstances) -> None:
        """Take the parts."""
        self._addresses, self._known = addresses, known

    def allocate(self, call: Call) -> Answer:
        """Answer AllocateAddress."""
        call.end_if_dry_run()
        public_ip = self._addresses.next_address()
        answer = call.forward({**call.parameters, "Address": public_ip})
        if answer.status == 200:
            self._addresses.open(public_ip)
        return answer

    def associate(self, call: Call) -> Answer:
        """Answer AssociateAddress: a running target; AllowReassociation defaults to true, as in a VPC. A repeat is a success."""
        address = call.moto.address(call.parameters)
        if address is None:
            named = call.parameters.get("AllocationId") or call.parameters.get("PublicIp")
            raise Ec2Error("InvalidAllocationID.NotFound", f"The allocation ID '{named}' does not exist")
        machine = self._known.one(call.needed("InstanceId"))
        check_address_target(machine)
        holder = address.instance.id if address.instance else None
        call.end_if_dry_run()
        if holder == machine.instance_id:
            return success(call.action, {"return": True, "associationId": address.association_id})
        may_move = is_true(call.parameters, "AllowReassociation", default=True)
        if holder is not None and may_move and address.eni is not None:
            address.eni.public_ip = None
        answer = call.forward({**call.parameters, "AllowReassociation": str(may_move).lower()})
        if answer.status == 200:
            self._addresses.move(address.public_ip, machine)
        return answer

    def disassociate(self, call: Call) -> Answer:
        """Answer DisassociateAddress; the traffic stops after the address-move delay."""
        address = call.moto.address(call.parameters)
        call.end_if_dry_run()
        answer = call.forward()
        if answer.status == 200 and address is not None:
            self._addresses.move(address.public_ip, None)
        return answer

    def release(self, call: Call) -> Answer:
        """Answer ReleaseAddress; an address that is associated cannot be released."""
        address = call.moto.address(call.parameters)
        if address is not None and address.instance is not None:
            raise Ec2Error("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")
        call.end_if_dry_run()
        public_ip = address.public_ip if address is not None else ""
        answer = call.forward()
        if answer.status == 200:
            self._addresses.close(public_ip)
        return answer
