"""create_image: an image of an instance, without a reboot. Its unique name finds the result of an earlier try."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, bad_payload, tags, text, texts
from spot_agent.ec2_facts import ImageFacts
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass
from spot_agent.model import Command, JsonObject
from spot_agent.timestamps import to_wire

CODE_DUPLICATE_NAME = "InvalidAMIName.Duplicate"
CODE_PENDING = "image_pending"
NOT_MADE = "EC2 made no image"
HELD_LOOK_SECONDS = 0.5
"""Between two looks while the workload is held still: it waits for EC2 to show the snapshots."""


def handle(command: Command, tools: Tools) -> Handled:
    """NotYet while EC2 makes it. With `freeze`, the workload is held still until EC2 shows a snapshot of each volume."""
    if command.payload.get("no_reboot", True) is not True:
        raise bad_payload("no_reboot", "true: a reboot would take the workload down")
    name, instance_id = text(command, "image_name"), text(command, "instance_id")
    is_quiet = command.payload.get("freeze") is True and tools.stillness.is_wanted() and instance_id == tools.identity.instance_id
    try:
        image = image_named(name, instance_id, command, tools, is_held_still=is_quiet)
    except ActFailed:
        tools.stillness.end(NOT_MADE)
        raise
    if tools.stillness.is_held_for(name):
        if image is None or (image.state == "pending" and not _has_all_snapshots(image, instance_id, command, tools)):
            return NotYet(CODE_PENDING, HELD_LOOK_SECONDS)
        tools.stillness.end()
    if image is None or image.state == "pending":
        return NotYet(CODE_PENDING)
    return Succeeded(_result(image, name, tools))


def _result(image: ImageFacts, name: str, tools: Tools) -> JsonObject:
    started_at = image.created_at or tools.clock.now()
    result: JsonObject = {
        "image_id": image.image_id,
        "snapshot_ids": list(image.snapshot_ids),
        "device_names": list(image.device_names),
        "started_at": to_wire(started_at),
        "available_at": to_wire(tools.clock.now()),
    }
    held = tools.stillness.outcome(name)
    if held is not None:
        result["consistency"] = "crash" if held.problem else "frozen"
        result["freeze_problem"] = held.problem
    return result


def _has_all_snapshots(image: ImageFacts, instance_id: str, command: Command, tools: Tools) -> bool:
    """A snapshot holds the state of the moment in which EC2 began it; once it is shown, later writes are not in it."""
    instance = tools.ec2.describe_instance(instance_id)
    if instance is None:
        return False
    left_out = texts(command, "without_devices")
    return len(image.snapshot_ids) >= max(1, sum(volume.device_name not in left_out for volume in instance.volumes))


def _was_made_before(name: str, tools: Tools) -> bool:
    """Whether an image was asked for after the last freeze: EC2 does not list it yet, and its moment is over."""
    held = tools.stillness.outcome(name)
    return held is not None and held.problem != NOT_MADE


def image_named(name: str, instance_id: str, command: Command, tools: Tools, *, is_held_still: bool = False) -> ImageFacts | None:
    """The image of this name, begun if there is none; None while EC2 does not list it yet. Never a failed one."""
    image = tools.ec2.find_image(name)
    if image is None:
        if is_held_still and not tools.stillness.is_held_for(name) and not _was_made_before(name, tools):
            tools.stillness.begin(name)
        try:
            tools.ec2.create_image(instance_id, name, tags(command), texts(command, "without_devices"))
        except Ec2Failed as error:
            if error.code != CODE_DUPLICATE_NAME:
                raise
        image = tools.ec2.find_image(name)
    if image is not None and image.state not in ("pending", "available"):
        raise ActFailed(ErrorClass.UNEXPECTED, "image_failed", f"{image.image_id} is {image.state}")
    return image
