"""terminate_instance: never itself; a persistent spot request goes first, or EC2 would launch another."""

from __future__ import annotations

from spot_agent.commands.create_image import CODE_PENDING, image_named
from spot_agent.commands.describe_instance import STATE_GONE, looked_up
from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, optional_text, tags, text
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass
from spot_agent.model import Command, Lane
from spot_agent.rules.ec2_errors import is_absence

_ENDED = ("shutting-down", "terminated")


def lane_of(command: Command) -> Lane:
    """A final image takes minutes: then the slow lane, so that no step of a handover waits behind it."""
    return Lane.SLOW if command.payload.get("final_image_name") else Lane.FAST


def handle(command: Command, tools: Tools) -> Handled:
    """NotYet while the final image is made: EC2 gives no promise for an image whose instance goes first."""
    instance_id = text(command, "instance_id")
    if instance_id == tools.identity.instance_id:
        raise ActFailed(ErrorClass.REFUSED, "self", "a daemon never terminates its own instance")
    # One that was launched a moment ago may not be known yet: called gone, it would run on.
    instance = looked_up(instance_id, tools)
    if instance is None:
        return Succeeded({"state": STATE_GONE})
    if instance.state in _ENDED:
        return Succeeded({"state": instance.state})
    final_image_name = optional_text(command, "final_image_name")
    if final_image_name is not None:
        image = image_named(final_image_name, instance_id, tags(command), tools)
        if image is None or image.state == "pending":
            return NotYet(CODE_PENDING)
    if instance.spot_request_id and tools.ec2.is_persistent_request(instance.spot_request_id):
        tools.ec2.cancel_spot_request(instance.spot_request_id)
    return Succeeded({"state": _terminated(instance_id, tools)})


def _terminated(instance_id: str, tools: Tools) -> str:
    try:
        return tools.ec2.terminate_instance(instance_id)
    except Ec2Failed as error:
        if is_absence(error.code):
            return STATE_GONE
        raise
