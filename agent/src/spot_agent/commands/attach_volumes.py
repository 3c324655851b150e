"""detach_volumes and attach_volumes: where EC2 has the data volumes. An attachment is a fence: nobody else writes to the volume."""

from __future__ import annotations

from collections.abc import Callable

from spot_agent.commands.handles import POLL_SECONDS, WAIT_SECONDS
from spot_agent.commands.handling import Handled, Succeeded, Tools, bad_payload, pause, seconds, text, texts
from spot_agent.commands.mount_volumes import wanted_volumes
from spot_agent.ec2_facts import AttachmentFacts, EbsFacts
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass
from spot_agent.model import Command
from spot_agent.timestamps import to_wire

FENCED_STATES = frozenset({"terminated", "stopped"})
"""EC2's word that the system on an instance writes no more: not while it shuts down or stops."""

CODE_IN_USE = "VolumeInUse"
STUCK_SECONDS = 15.0
"""A detachment from an instance that has ended which takes longer is forced. AWS names no figure; those of ended instances take seconds."""


def detach(command: Command, tools: Tools) -> Handled:
    """Until every volume is free, or with `instance_id` already.

    A volume is taken from `released_by`, which confirmed that nothing there writes to it, or from an instance of which EC2 says that it
    has ended; from nobody else, and with force only in the second case.
    """
    volume_ids, target = texts(command, "volume_ids"), command.payload.get("instance_id")
    if not volume_ids:
        raise bad_payload("volume_ids", "a list of at least one volume id")
    released_by = command.payload.get("released_by")
    began_seconds = tools.clock.monotonic_seconds()

    def look(volume: EbsFacts) -> str | None:
        held = _held(volume)
        if held is None or held.instance_id == target:
            return None if held is not None or volume.state == "available" else f"{volume.volume_id} is {volume.state}"
        is_stuck = tools.clock.monotonic_seconds() - began_seconds >= STUCK_SECONDS
        return _take(volume, held, tools, is_released=held.instance_id == released_by, is_stuck=is_stuck)

    _look_until_done(volume_ids, look, command, "volume_not_detached", tools)
    return Succeeded({"detached_at": to_wire(tools.clock.now())})


def _take(volume: EbsFacts, held: AttachmentFacts, tools: Tools, *, is_released: bool, is_stuck: bool) -> str:
    """One step towards freeing the volume; what is still in the way."""
    is_under_way = held.state in ("detaching", "busy")
    has_ended = (is_stuck or not is_released) and _has_ended(held.instance_id, tools)
    if not is_released and not has_ended:
        return f"{volume.volume_id} is attached to {held.instance_id}, which has neither released it nor ended by EC2's word"
    if not is_under_way or (has_ended and is_stuck):
        tools.ec2.ebs.detach(volume.volume_id, held.instance_id, is_forced=has_ended and is_stuck)
    return f"{volume.volume_id} is {held.state} with {held.instance_id}"


def _has_ended(instance_id: str, tools: Tools) -> bool:
    """One that EC2 does not know counts for nothing: what has ended is listed for an hour, and EC2 itself takes the volumes from it."""
    instance = tools.ec2.describe_instance(instance_id)
    return instance is not None and instance.state in FENCED_STATES


def attach(command: Command, tools: Tools) -> Handled:
    """Adopts an attachment that is there. One to another instance is `refused`: it is not ours to end here."""
    volumes, instance_id = wanted_volumes(command), text(command, "instance_id")
    device_names = {volume.volume_id: volume.device_name for volume in volumes}

    def look(volume: EbsFacts) -> str | None:
        held = _held(volume)
        if held is not None and held.instance_id != instance_id:
            message = f"{volume.volume_id} is attached to {held.instance_id}"
            raise ActFailed(ErrorClass.REFUSED, "attached_elsewhere", message)
        if held is not None:
            return None if held.state == "attached" else f"{volume.volume_id} is {held.state}"
        if volume.state == "available":
            _begin_to_attach(volume.volume_id, instance_id, device_names[volume.volume_id], tools)
        return f"{volume.volume_id} is {volume.state}"

    _look_until_done(tuple(device_names), look, command, "volume_not_attached", tools)
    return Succeeded({"attached_at": to_wire(tools.clock.now())})


def _begin_to_attach(volume_id: str, instance_id: str, device_name: str, tools: Tools) -> None:
    try:
        tools.ec2.ebs.attach(volume_id, instance_id, device_name)
    except Ec2Failed as error:
        # Ours, whose answer was lost, or another's: the next look tells.
        if error.code != CODE_IN_USE:
            raise


def _held(volume: EbsFacts) -> AttachmentFacts | None:
    """The one attachment. A volume that may have several is `refused`: its attachment fences nobody."""
    if volume.is_multi_attach or len(volume.attachments) > 1:
        raise ActFailed(ErrorClass.REFUSED, "multi_attach", f"{volume.volume_id} may be attached to several instances at once")
    return volume.attachments[0] if volume.attachments else None


def _look_until_done(
    volume_ids: tuple[str, ...], look: Callable[[EbsFacts], str | None], command: Command, code: str, tools: Tools
) -> None:
    """Look at the volumes again and again until none has anything in its way; ActFailed of class `race` with what is left at the bound."""
    ends_seconds = tools.clock.monotonic_seconds() + seconds(command, "wait_seconds", WAIT_SECONDS)
    while True:
        volumes = tools.ec2.ebs.describe(volume_ids)
        unknown = sorted(set(volume_ids) - {volume.volume_id for volume in volumes})
        if unknown:
            raise ActFailed(ErrorClass.NOT_FOUND, "InvalidVolume.NotFound", f"EC2 knows no {', '.join(unknown)}")
        in_the_way = [reason for reason in map(look, volumes) if reason is not None]
        if not in_the_way:
            return
        if tools.clock.monotonic_seconds() >= ends_seconds:
            raise ActFailed(ErrorClass.RACE, code, "; ".join(in_the_way))
        pause(tools, POLL_SECONDS)
