"""terminate_instance: never itself, nor what is not ours or what clients reach. Both are looked at in EC2, right before the act."""

from __future__ import annotations

from spot_agent.commands.describe_instance import STATE_GONE, looked_up
from spot_agent.commands.handles import held_by
from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, seconds, tags, text, texts
from spot_agent.commands.keeping import is_root, mark_kept, marked_as_kept
from spot_agent.ec2_facts import InstanceFacts
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass
from spot_agent.model import Command, JsonObject, Lane
from spot_agent.rules.ownership import refusal_to_terminate

CODE_UNKNOWN = "unknown_instance"
LOOK_AGAIN_SECONDS = 2.0
_ENDED = ("shutting-down", "terminated")
_PASSING = (ErrorClass.THROTTLED, ErrorClass.UNREACHABLE)
"""What keeps EC2 from ending the instance as well: asked again, both may be done."""


def lane_of(command: Command) -> Lane:
    """A new instance may stay unknown to EC2 for a minute: no step of a handover waits behind that."""
    return Lane.SLOW if command.payload.get("unknown_for_seconds") else Lane.FAST


def handle(command: Command, tools: Tools) -> Handled:
    """NotYet while EC2 may not know a new instance."""
    instance_id = text(command, "instance_id")
    if instance_id == tools.identity.instance_id:
        raise ActFailed(ErrorClass.REFUSED, "self", "a daemon never terminates its own instance")
    # One that was launched a moment ago may not be known yet: called gone, it would run on.
    instance = looked_up(instance_id, tools)
    if instance is None:
        return NotYet(CODE_UNKNOWN, LOOK_AGAIN_SECONDS) if _may_become_known(command, tools) else Succeeded({"state": STATE_GONE})
    if instance.state in _ENDED:
        return Succeeded({"state": instance.state})
    _require_leave(instance, command, tools)
    kept = _keep_volumes(instance, command, tools)
    # A persistent spot request goes first, or EC2 would launch another.
    if instance.spot_request_id and tools.ec2.is_persistent_request(instance.spot_request_id):
        tools.ec2.cancel_spot_request(instance.spot_request_id)
    # Unknown now, after it was described: EC2 shows different things in different places, and it may run on. A failure, then.
    return Succeeded({"state": tools.ec2.terminate_instance(instance_id), **kept})


def _require_leave(instance: InstanceFacts, command: Command, tools: Tools) -> None:
    """By EC2's word of this moment; an address that EC2 does not tell of is a failure, and no leave."""
    addresses = [tools.ec2.describe_address(allocation_id) for allocation_id in texts(command, "handle_allocation_ids")]
    handles = [address for address in addresses if address is not None]
    others = held_by(instance, command, tools)
    refusal = refusal_to_terminate(instance.instance_id, instance.tags, tools.journal.read().agent_id or "", handles, others)
    if refusal is not None:
        raise refusal


def _keep_volumes(instance: InstanceFacts, command: Command, tools: Tools) -> JsonObject:
    """Have what the order names outlive the instance.

    Where that is not allowed for data volumes the instance is not ended, for somebody's data would go with it, unless the order says that
    EC2 takes them anyway. A root that holds the last writes is worth a try, and no outage: it never keeps the instance from being ended.
    """
    going = [held for held in instance.volumes if held.delete_on_termination]
    data = [held for held in going if not is_root(held, instance)] if command.payload.get("keep_data_volumes") is True else []
    root = [held for held in going if is_root(held, instance)] if command.payload.get("keep_root") is True else []
    if not data and not root:
        return {}
    mark_kept(root, marked_as_kept(tags(command), instance.instance_id), tools)
    volume_ids = [held.volume_id for held in (*data, *root)]
    try:
        tools.ec2.keep_volumes(instance.instance_id, [held.device_name for held in (*data, *root)])
    except Ec2Failed as error:
        may_end = not data or command.payload.get("end_unkept") is True
        if error.error_class in _PASSING or not may_end:
            raise
        return {"unkept_volume_ids": volume_ids}
    return {"kept_volume_ids": volume_ids}


def _may_become_known(command: Command, tools: Tools) -> bool:
    """Whether the command is younger than the server says that a new instance may stay unknown. By the journal, so across restarts."""
    return tools.waited_seconds(command) < seconds(command, "unknown_for_seconds", 0.0)
