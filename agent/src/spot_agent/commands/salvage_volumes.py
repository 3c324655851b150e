"""salvage_volumes: before an instance is taken away, keep its volumes and start snapshots of them."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, tags, text
from spot_agent.ec2_facts import InstanceFacts
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass
from spot_agent.model import TAG_SALVAGED_FROM, Command


def handle(command: Command, tools: Tools) -> Handled:
    """Both are tried whatever the other does. The snapshots' tags find those of an earlier try."""
    instance_id = text(command, "instance_id")
    instance = tools.ec2.describe_instance(instance_id)
    kept_error = _keep(instance, tools) if instance else None
    snapshot_ids = _snapshots(instance_id, instance, tags(command), tools)
    if kept_error is not None:
        message = f"{kept_error.message} (snapshots: {', '.join(snapshot_ids)})"
        raise ActFailed(kept_error.error_class, kept_error.code, message)
    return Succeeded({"snapshot_ids": list(snapshot_ids)})


def _keep(instance: InstanceFacts, tools: Tools) -> Ec2Failed | None:
    names = [volume.device_name for volume in instance.volumes if volume.delete_on_termination]
    try:
        if names:
            tools.ec2.keep_volumes(instance.instance_id, names)
    except Ec2Failed as error:
        return error
    return None


def _snapshots(instance_id: str, instance: InstanceFacts | None, wanted: dict[str, str], tools: Tools) -> tuple[str, ...]:
    marked = {**wanted, TAG_SALVAGED_FROM: instance_id}
    made = tools.ec2.find_snapshots(marked)
    if made:
        return tuple(snapshot.snapshot_id for snapshot in made)
    if instance is None or not instance.volumes:
        raise ActFailed(ErrorClass.NOT_FOUND, "no_volumes", f"EC2 shows no volumes of {instance_id}")
    return tools.ec2.create_snapshots(instance_id, marked)
