"""terminate_instance: never itself, nor what is not ours or what clients reach. Both are looked at in EC2, right before the act."""

from __future__ import annotations

from spot_agent.commands.describe_instance import STATE_GONE, looked_up
from spot_agent.commands.handles import held_by
from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, seconds, text, texts
from spot_agent.ec2_facts import InstanceFacts
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command, Lane
from spot_agent.rules.ownership import refusal_to_terminate

CODE_UNKNOWN = "unknown_instance"
LOOK_AGAIN_SECONDS = 2.0
_ENDED = ("shutting-down", "terminated")


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
    if command.payload.get("keep_data_volumes") is True:
        _keep_data_volumes(instance, tools)
    # A persistent spot request goes first, or EC2 would launch another.
    if instance.spot_request_id and tools.ec2.is_persistent_request(instance.spot_request_id):
        tools.ec2.cancel_spot_request(instance.spot_request_id)
    # Unknown now, after it was described: EC2 shows different things in different places, and it may run on. A failure, then.
    return Succeeded({"state": tools.ec2.terminate_instance(instance_id)})


def _require_leave(instance: InstanceFacts, command: Command, tools: Tools) -> None:
    """By EC2's word of this moment; an address that EC2 does not tell of is a failure, and no leave."""
    addresses = [tools.ec2.describe_address(allocation_id) for allocation_id in texts(command, "handle_allocation_ids")]
    handles = [address for address in addresses if address is not None]
    others = held_by(instance, command, tools)
    refusal = refusal_to_terminate(instance.instance_id, instance.tags, tools.journal.read().agent_id or "", handles, others)
    if refusal is not None:
        raise refusal


def _keep_data_volumes(instance: InstanceFacts, tools: Tools) -> None:
    """All but the root outlive it. Where that is not allowed the instance is not ended: somebody's data would go with it."""
    going = [held.device_name for held in instance.volumes if held.delete_on_termination and held.device_name != instance.root_device_name]
    if going:
        tools.ec2.keep_volumes(instance.instance_id, going)


def _may_become_known(command: Command, tools: Tools) -> bool:
    """Whether the command is younger than the server says that a new instance may stay unknown. By the journal, so across restarts."""
    return tools.waited_seconds(command) < seconds(command, "unknown_for_seconds", 0.0)
