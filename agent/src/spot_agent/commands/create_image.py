"""create_image: an image of an instance, without a reboot. Its unique name finds the result of an earlier try."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, bad_payload, tags, text
from spot_agent.ec2_facts import ImageFacts
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass
from spot_agent.model import Command
from spot_agent.timestamps import to_wire

CODE_DUPLICATE_NAME = "InvalidAMIName.Duplicate"
CODE_PENDING = "image_pending"


def handle(command: Command, tools: Tools) -> Handled:
    """NotYet while EC2 makes it."""
    if command.payload.get("no_reboot", True) is not True:
        raise bad_payload("no_reboot", "true: a reboot would take the workload down")
    image = image_named(text(command, "image_name"), text(command, "instance_id"), tags(command), tools)
    if image is None or image.state == "pending":
        return NotYet(CODE_PENDING)
    started_at = image.created_at or tools.clock.now()
    return Succeeded(
        {
            "image_id": image.image_id,
            "snapshot_ids": list(image.snapshot_ids),
            "started_at": to_wire(started_at),
            "available_at": to_wire(tools.clock.now()),
        }
    )


def image_named(name: str, instance_id: str, wanted_tags: dict[str, str], tools: Tools) -> ImageFacts | None:
    """The image of this name, begun if there is none; None while EC2 does not list it yet. Never a failed one."""
    image = tools.ec2.find_image(name)
    if image is None:
        try:
            tools.ec2.create_image(instance_id, name, wanted_tags)
        except Ec2Failed as error:
            if error.code != CODE_DUPLICATE_NAME:
                raise
        image = tools.ec2.find_image(name)
    if image is not None and image.state not in ("pending", "available"):
        raise ActFailed(ErrorClass.UNEXPECTED, "image_failed", f"{image.image_id} is {image.state}")
    return image
