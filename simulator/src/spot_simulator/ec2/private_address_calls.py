"""AssignPrivateIpAddresses and UnassignPrivateIpAddresses: moto knows neither whose an address is nor the subnet that it is in."""

from ipaddress import IPv4Network

from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import Answer, is_true, members, success
from spot_simulator.machine import Machine
from spot_simulator.machines import Machines
from spot_simulator.network.secondary_addresses import SecondaryAddresses


class PrivateAddressCalls:
    """Called with the region's lock held."""

    def __init__(self, addresses: SecondaryAddresses, machines: Machines) -> None:
        """Take the parts."""
        self._addresses, self._machines = addresses, machines

    def assign(self, call: Call) -> Answer:
        """Answer AssignPrivateIpAddresses; the traffic follows after the address-move delay."""
        machine, wanted = self._machine(call), self._wanted(call)
        subnet = IPv4Network(call.moto.cidr_of(machine.instance_id))
        self._addresses.check(machine, wanted, subnet, may_take=is_true(call.parameters, "AllowReassignment"))
        self._addresses.assign(machine, wanted)
        self._show(call)
        assigned = [{"privateIpAddress": address} for address in wanted]
        shown = {"networkInterfaceId": call.needed("NetworkInterfaceId"), "assignedPrivateIpAddressesSet": assigned}
        return success(call.action, {**shown, "return": True})

    def unassign(self, call: Call) -> Answer:
        """Answer UnassignPrivateIpAddresses."""
        self._addresses.unassign(self._machine(call), self._wanted(call))
        self._show(call)
        return success(call.action, {"return": True})

    def _show(self, call: Call) -> None:
        """Let moto describe the instances with what they have now."""
        for machine in self._machines.by_id.values():
            call.moto.set_secondary_ips(machine.instance_id, machine.assigned_ips)

    def _machine(self, call: Call) -> Machine:
        interface_id = call.needed("NetworkInterfaceId")
        machine = self._machines.by_id.get(call.moto.instance_of_interface(interface_id) or "")
        if machine is None:
            raise Ec2Error("InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{interface_id}' does not exist")
        return machine

    @staticmethod
    def _wanted(call: Call) -> list[str]:
        wanted = members(call.parameters, "PrivateIpAddress")
        if not wanted:
            raise Ec2Error("MissingParameter", "The request must contain the parameter PrivateIpAddress")
        return wanted
