"""move_private_ip: assign the secondary address to the instance's primary interface, and confirm it by asking again."""

from __future__ import annotations

from spot_agent.commands.handles import WAIT_SECONDS, described, wait_for
from spot_agent.commands.handling import Handled, Succeeded, Tools, seconds, text
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.timestamps import to_wire


def handle(command: Command, tools: Tools) -> Handled:
    """Adopts an assignment that is already there. EC2 takes the address from whichever interface of the subnet has it."""
    private_ip, instance_id = text(command, "private_ip"), text(command, "instance_id")
    instance = described(instance_id, tools)
    if instance.interface_id is None:
        raise ActFailed(ErrorClass.REFUSED, "no_interface", f"{instance_id} has no network interface")
    if private_ip not in instance.private_ips:
        tools.ec2.assign_private_ip(instance.interface_id, private_ip)
        wait_for(
            lambda: private_ip in described(instance_id, tools).private_ips,
            seconds(command, "wait_seconds", WAIT_SECONDS),
            "private_ip_not_moved",
            f"EC2 does not show {private_ip} with {instance_id}",
            tools,
        )
    return Succeeded(
        {"private_ip": private_ip, "network_interface_id": instance.interface_id, "moved_at": to_wire(tools.clock.now())},
    )
