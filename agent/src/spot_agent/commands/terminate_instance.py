"""terminate_instance: never itself; a persistent spot request goes first, or EC2 would launch another."""

from __future__ import annotations

from datetime import timedelta

from spot_agent.commands.create_image import CODE_PENDING, image_named
from spot_agent.commands.describe_instance import STATE_GONE, looked_up
from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, optional_text, seconds, tags, text
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command, Lane
from spot_agent.timestamps import from_wire

CODE_UNKNOWN = "unknown_instance"
LOOK_AGAIN_SECONDS = 2.0
_ENDED = ("shutting-down", "terminated")


def lane_of(command: Command) -> Lane:
    """A final image takes minutes, and a new instance may stay unknown for one: no step of a handover waits behind either."""
    is_slow = command.payload.get("final_image_name") or command.payload.get("unknown_for_seconds")
    return Lane.SLOW if is_slow else Lane.FAST


def handle(command: Command, tools: Tools) -> Handled:
    """NotYet while the final image is made: EC2 gives no promise for an image whose instance goes first."""
    instance_id = text(command, "instance_id")
    if instance_id == tools.identity.instance_id:
        raise ActFailed(ErrorClass.REFUSED, "self", "a daemon never terminates its own instance")
    # One that was launched a moment ago may not be known yet: called gone, it would run on.
    instance = looked_up(instance_id, tools)
    if instance is None:
        return NotYet(CODE_UNKNOWN, LOOK_AGAIN_SECONDS) if _may_become_known(command, tools) else Succeeded({"state": STATE_GONE})
    if instance.state in _ENDED:
        return Succeeded({"state": instance.state})
    final_image_name = optional_text(command, "final_image_name")
    if final_image_name is not None:
        image = image_named(final_image_name, instance_id, tags(command), tools)
        if image is None or image.state == "pending":
            return NotYet(CODE_PENDING)
    if instance.spot_request_id and tools.ec2.is_persistent_request(instance.spot_request_id):
        tools.ec2.cancel_spot_request(instance.spot_request_id)
    # Unknown now, after it was described: EC2 shows different things in different places, and it may run on. A failure, then.
    return Succeeded({"state": tools.ec2.terminate_instance(instance_id)})


def _may_become_known(command: Command, tools: Tools) -> bool:
    """Whether the command is younger than the server says that a new instance may stay unknown. By the journal, so across restarts."""
    unknown_for_seconds = seconds(command, "unknown_for_seconds", 0.0)
    record = tools.journal.read().command(command.request_id)
    if record is None:
        return False
    return tools.clock.now() - from_wire(record.started_at) < timedelta(seconds=unknown_for_seconds)
