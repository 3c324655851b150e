"""salvage_volumes: before an instance is taken away, keep its volumes, as their owner's, and start snapshots of them."""

from __future__ import annotations

from collections.abc import Sequence

from spot_agent.commands.handling import Handled, Succeeded, Tools, tags, text
from spot_agent.commands.keeping import is_root, mark_kept, marked_as_kept
from spot_agent.ec2_facts import InstanceFacts, VolumeFacts
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass
from spot_agent.model import TAG_SALVAGED_FROM, Command, Lane


def lane_of(command: Command) -> Lane:
    """Beside a handover no step of it waits behind this. Without one nothing else is asked of this daemon, and no time is lost."""
    return Lane.SLOW if command.payload.get("beside_handover") is True else Lane.FAST


def handle(command: Command, tools: Tools) -> Handled:
    """Volumes are kept and snapshots begun, whatever becomes of the other. The snapshots' tags find those of an earlier try.

    With `keep_root` false the root goes with its instance, unless no snapshot of it could be begun. With `let_root_go` one that was kept
    before goes with it after all: everything has come along.
    """
    instance_id = text(command, "instance_id")
    instance = tools.ec2.describe_instance(instance_id)
    if command.payload.get("let_root_go") is True:
        return Succeeded({"released_volume_ids": _let_root_go(instance, tools)})
    going = [volume for volume in instance.volumes if volume.delete_on_termination] if instance else []
    root = [] if command.payload.get("keep_root") is not False else [volume for volume in going if is_root(volume, instance)]
    marked = marked_as_kept(tags(command), instance_id)
    wanted = [volume for volume in going if volume not in root]
    trouble = _keep(instance_id, wanted, marked, tools)
    try:
        snapshot_ids = _snapshots(instance_id, instance, root, marked, tools)
    except ActFailed:
        _keep(instance_id, root, marked, tools)
        raise
    if trouble is not None:
        message = f"{trouble.message} (snapshots: {', '.join(snapshot_ids)})"
        raise ActFailed(trouble.error_class, trouble.code, message)
    return Succeeded({"snapshot_ids": list(snapshot_ids), "kept_volume_ids": [volume.volume_id for volume in wanted]})


def _let_root_go(instance: InstanceFacts | None, tools: Tools) -> list[str]:
    """Only what its tag says that a salvage kept: a person's wish that the root stays is none of ours."""
    if instance is None:
        return []
    marked = {volume_id for volume_id, _state in tools.ec2.find_volumes({TAG_SALVAGED_FROM: instance.instance_id})}
    kept = [held for held in instance.volumes if is_root(held, instance) and not held.delete_on_termination and held.volume_id in marked]
    if kept:
        tools.ec2.let_volumes_go(instance.instance_id, [held.device_name for held in kept])
    return [held.volume_id for held in kept]


def _keep(instance_id: str, volumes: Sequence[VolumeFacts], marked: dict[str, str], tools: Tools) -> Ec2Failed | None:
    """Tags first: a try that ends between the two finds the volumes still going, and does both again. The first refusal is returned."""
    if not volumes:
        return None
    trouble = mark_kept(volumes, marked, tools)
    try:
        tools.ec2.keep_volumes(instance_id, [volume.device_name for volume in volumes])
    except Ec2Failed as error:
        return error
    return trouble


def _snapshots(
    instance_id: str, instance: InstanceFacts | None, root: Sequence[VolumeFacts], marked: dict[str, str], tools: Tools
) -> tuple[str, ...]:
    """Those of an earlier try count if they hold the root that is to go, and none of them failed."""
    made = tools.ec2.find_snapshots(marked)
    volume_ids = {snapshot.volume_id for snapshot in made if snapshot.state != "error"}
    if made and all(volume.volume_id in volume_ids for volume in root):
        return tuple(snapshot.snapshot_id for snapshot in made)
    if instance is None or not instance.volumes:
        raise ActFailed(ErrorClass.NOT_FOUND, "no_volumes", f"EC2 shows no volumes of {instance_id}")
    return tools.ec2.create_snapshots(instance_id, marked)
