"""move_record: have the record name the instance's address. confirm_record: whether Route 53's servers answer with it."""

from __future__ import annotations

from spot_agent.commands.handles import described
from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, bad_payload, seconds, text
from spot_agent.ec2_facts import InstanceFacts
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.timestamps import to_wire

TTL_SECONDS = 30.0
SYNC_LOOK_SECONDS = 3.0


def handle(command: Command, tools: Tools) -> Handled:
    """Upserting is the same however often it is done. Its spreading is waited for by confirm_record, when the workload serves again."""
    zone, name = text(command, "hosted_zone_id"), text(command, "record_name")
    ttl_seconds = int(seconds(command, "ttl_seconds", TTL_SECONDS))
    value = _address(described(text(command, "instance_id"), tools), text(command, "address"))
    change_id = tools.ec2.dns.upsert_record(zone, name, value, ttl_seconds)
    return Succeeded({"value": value, "change_id": change_id, "ttl_seconds": ttl_seconds, "moved_at": to_wire(tools.clock.now())})


def _address(instance: InstanceFacts, which: str) -> str:
    if which not in ("public", "private"):
        raise bad_payload("address", "public or private")
    found = instance.public_ip if which == "public" else next(iter(instance.private_ips), None)
    if found is None:
        raise ActFailed(ErrorClass.REFUSED, "no_address", f"{instance.instance_id} has no {which} address for the record to name")
    return found


def confirm(command: Command, tools: Tools) -> Handled:
    """NotYet until the change is in sync; then the record must still say what we made it say."""
    zone, name, value = (text(command, member) for member in ("hosted_zone_id", "record_name", "value"))
    if not tools.ec2.dns.is_in_sync(text(command, "change_id")):
        return NotYet("record_not_in_sync", SYNC_LOOK_SECONDS)
    record = tools.ec2.dns.find_record(zone, name)
    if record is None or record.values != (value,):
        told = "is gone" if record is None else f"says {', '.join(record.values)}"
        raise ActFailed(ErrorClass.CHECK_FAILED, "record_differs", f"{name} {told}, not {value}")
    return Succeeded({"value": value})
