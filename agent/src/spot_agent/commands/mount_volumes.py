"""mount_volumes and unmount_volumes: the data volumes of the carry `volume`, on the instance that they are attached to."""

from __future__ import annotations

from dataclasses import replace

from spot_agent.commands.handling import Handled, Succeeded, Tools, bad_payload, seconds
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.rules.volumes import DataVolume, parse_volumes, volume_json
from spot_agent.timestamps import to_wire

BOUND_SECONDS = 60.0


def mount(command: Command, tools: Tools) -> Handled:
    """Journalled before the first is mounted: whatever starts the workload later mounts them first, or does not start it."""
    volumes, bound_seconds = wanted_volumes(command), seconds(command, "bound_seconds", BOUND_SECONDS)
    noted = tuple(volume_json(volume) for volume in volumes)
    tools.journal.change(lambda now: replace(now, volumes=noted))
    ends_seconds = tools.clock.monotonic_seconds() + bound_seconds
    devices = {}
    for volume in volumes:
        devices[volume.volume_id] = tools.mounts.mount(volume, max(1.0, ends_seconds - tools.clock.monotonic_seconds()))
    return Succeeded({"devices": devices, "mounted_at": to_wire(tools.clock.now())})


def unmount(command: Command, tools: Tools) -> Handled:
    """The last one first. Refused while the workload may serve: what it writes next would be on the disk below.

    What must be mounted is noted: should this side be told to serve after all, it does so with its volumes or not at all.
    """
    volumes, bound_seconds = wanted_volumes(command), seconds(command, "bound_seconds", BOUND_SECONDS)
    if tools.journal.read().may_serve:
        raise ActFailed(ErrorClass.REFUSED, "still_serving", "volumes are unmounted after the quiesce: the workload may serve")
    noted = tuple(volume_json(volume) for volume in volumes)
    tools.journal.change(lambda now: replace(now, volumes=noted))
    ends_seconds = tools.clock.monotonic_seconds() + bound_seconds
    for volume in reversed(volumes):
        tools.mounts.unmount(volume, max(1.0, ends_seconds - tools.clock.monotonic_seconds()))
    return Succeeded({"unmounted_at": to_wire(tools.clock.now())})


def wanted_volumes(command: Command) -> tuple[DataVolume, ...]:
    """The command's `volumes`, at least one."""
    try:
        return parse_volumes(command.payload.get("volumes"))
    except ValueError as error:
        raise bad_payload("volumes", str(error)) from error
