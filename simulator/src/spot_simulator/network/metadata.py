"""What the metadata service answers: one function from a path and the instance to a body. Bodies are text/plain, always."""

import json
from datetime import datetime

from spot_simulator.clock import aws_time
from spot_simulator.machine import Machine, Maintenance, State
from spot_simulator.model.capacity import Mode

_DATA = "/latest/meta-data/"


def metadata_body(path: str, machine: Machine) -> str | None:
    """Return the body for a path, or None where the service answers 404: an unknown path, or no notice, which is normal."""
    if path == "/latest/dynamic/instance-identity/document":
        return identity_document(machine)
    if path == "/latest/user-data":
        return None if machine.user_data is None else machine.user_data.decode(errors="replace")
    if not path.startswith(_DATA):
        return None
    name = path.removeprefix(_DATA)
    return _facts(machine).get(name) or _signals(machine).get(name)


def identity_document(machine: Machine) -> str:
    """Write the instance identity document; it is not signed."""
    document = {
        "accountId": machine.account_id,
        "architecture": machine.architecture,
        "availabilityZone": machine.az_name,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": machine.image_id,
        "instanceId": machine.instance_id,
        "instanceType": machine.instance_type,
        "kernelId": None,
        "pendingTime": aws_time(machine.launched_at),
        "privateIp": machine.private_ip,
        "ramdiskId": None,
        "region": machine.region,
        "version": "2017-09-30",
    }
    return json.dumps(document, indent=2)


def _facts(machine: Machine) -> dict[str, str | None]:
    interface = f"network/interfaces/macs/{machine.mac}/"
    return {
        "ami-id": machine.image_id,
        "hostname": f"ip-{machine.private_ip.replace('.', '-')}.ec2.internal",
        "local-hostname": f"ip-{machine.private_ip.replace('.', '-')}.ec2.internal",
        "instance-id": machine.instance_id,
        "instance-life-cycle": "spot" if machine.mode is Mode.SPOT else "on-demand",
        "instance-type": machine.instance_type,
        "local-ipv4": machine.private_ip,
        "mac": machine.mac,
        "placement/availability-zone": machine.az_name,
        "placement/availability-zone-id": machine.az_id,
        "placement/region": machine.region,
        "public-ipv4": machine.public_ip,
        "network/interfaces/macs/": f"{machine.mac}/",
        f"{interface}local-ipv4s": "\n".join([machine.private_ip, *machine.secondary_ips]),
        f"{interface}public-ipv4s": machine.public_ip,
    }


def _signals(machine: Machine) -> dict[str, str | None]:
    """The notices; they stay while the instance shuts down by them, and are gone once a user has terminated it."""
    notice = machine.notice if machine.reason is None or not machine.reason.startswith("Client.") else None
    rebalance_at: datetime | None = machine.rebalance_at
    termination_time = aws_time(notice.at) if notice and notice.action == "terminate" else None
    return {
        "spot/instance-action": json.dumps({"action": notice.action.value, "time": aws_time(notice.at)}) if notice else None,
        "spot/termination-time": termination_time,
        "events/recommendations/rebalance": json.dumps({"noticeTime": aws_time(rebalance_at)}) if rebalance_at else None,
        "events/maintenance/scheduled": json.dumps([_maintenance(event) for event in machine.maintenance if not event.is_over]),
        "events/maintenance/history": json.dumps([_maintenance(event) for event in machine.maintenance if event.is_over]),
        "instance-action": "none" if machine.state is State.RUNNING else "shutdown",
    }


def _maintenance(event: Maintenance) -> dict[str, str]:
    return {
        "NotBefore": event.not_before.strftime("%d %b %Y %H:%M:%S GMT"),
        "Code": event.code,
        "Description": event.description,
        "EventId": event.event_id,
        "State": "canceled" if event.is_over else "active",
    }
