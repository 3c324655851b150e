"""What each kind of command does in EC2. One look at a time: an act that takes long is begun, left, and looked at again.

Every handler first looks for what an earlier try made (client token, image name, present state) and adopts it, so that it may be
repeated after a crash, a lost answer, or beside a process that led before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spot_server.aws.errors import ActFailed, AwsFailed, ErrorClass
from spot_server.aws.ports import AddressFacts, Ec2Port, ImageFacts, InstanceFacts
from spot_server.features.control_role.acting import Done, Handled, NotYet, Task, wire_time
from spot_server.features.control_role.handle_acts import confirm_record, confirm_target, held_by, move_private_ip, move_record, move_target
from spot_server.features.control_role.payloads import bad_payload, handles, launch_request, tags, text, texts
from spot_server.features.control_role.rules import NEW_INSTANCE_SECONDS, refusal_to_terminate, worst_check
from spot_server.features.control_role.volume_acts import attach_volumes, copy_volumes, detach_volumes, discard_volumes, keep_volumes
from spot_server.words import CommandKind

STATE_GONE = "gone"
CODE_DUPLICATE_NAME = "InvalidAMIName.Duplicate"
CODE_IMAGE_PENDING = "image_pending"
IMAGE_LOOK_SECONDS = 5.0
STATE_LOOK_SECONDS = 2.0
ADDRESS_LOOK_SECONDS = 1.0
FIRST_TRY_SECONDS = 1.0
"""A command that was begun longer ago was cut short: what it did already is looked for."""
UNKNOWN_FOR_SECONDS = 4.0
"""An instance that is asked about counts as gone only when EC2 does not know it for this long."""

_ENDING = frozenset({"shutting-down", "terminated"})
_STOPPING = frozenset({"stopping", "stopped"})


def create_image(task: Task, ec2: Ec2Port) -> Handled:
    """Make an image without a reboot; its unique name finds that of an earlier try."""
    if task.payload.get("no_reboot", True) is not True:
        raise bad_payload("no_reboot", "true: a reboot would take the workload down")
    image = _image_named(text(task.payload, "image_name"), text(task.payload, "instance_id"), task, ec2)
    if image is None or image.state == "pending":
        return NotYet(CODE_IMAGE_PENDING, IMAGE_LOOK_SECONDS)
    return Done(
        {
            "image_id": image.image_id,
            "snapshot_ids": list(image.snapshot_ids),
            "device_names": list(image.device_names),
            "started_at": wire_time(image.created_at or task.now),
            "available_at": wire_time(task.now),
        }
    )


def _image_named(name: str, instance_id: str, task: Task, ec2: Ec2Port) -> ImageFacts | None:
    """Return the image of this name, begun if there is none; None while EC2 does not list it yet. Never a failed one."""
    image = ec2.find_image_by_name(name)
    if image is None:
        task.require_leave_to_act()
        try:
            ec2.create_image(instance_id, name, tags(task.payload) or task.default_tags, texts(task.payload, "without_devices"))
        except AwsFailed as error:
            if error.code != CODE_DUPLICATE_NAME:
                raise
        image = ec2.find_image_by_name(name)
    if image is not None and image.state not in {"pending", "available"}:
        raise ActFailed(ErrorClass.UNEXPECTED, "image_failed", f"{image.image_id} is {image.state}")
    return image


def launch_instance(task: Task, ec2: Ec2Port) -> Handled:
    """Launch one instance in one pool; the client token, also a tag, finds that of an earlier try."""
    request = launch_request(task.payload)
    made = _launched_before(request.client_token, ec2)
    if made is None:
        task.require_leave_to_act()
        made = ec2.run_instance(request)
    return Done({"instance_id": made.instance_id, "launched_at": wire_time(made.launched_at or task.now)})


def _launched_before(client_token: str, ec2: Ec2Port) -> InstanceFacts | None:
    listed = ec2.find_by_launch_token(client_token)
    alive = [made for made in listed if made.state not in _ENDING]
    if alive:
        return min(alive, key=lambda made: made.instance_id)
    if listed:
        message = f"{listed[0].instance_id}, launched with this token, is {listed[0].state}"
        raise ActFailed(ErrorClass.IDEMPOTENCY, "IdempotentInstanceTerminated", message)
    return None


def describe_instance(task: Task, ec2: Ec2Port) -> Handled:
    """Give EC2's word about an instance."""
    instance = ec2.describe_instance(text(task.payload, "instance_id"))
    if instance is None:
        if task.waited_seconds < UNKNOWN_FOR_SECONDS:
            return NotYet("unknown_instance", STATE_LOOK_SECONDS)
        return Done({**_gone(task), "state_reason_code": None, "launched_at": None})
    launched_at = None if instance.launched_at is None else wire_time(instance.launched_at)
    result = {"state": instance.state, "state_reason_code": instance.state_reason_code, "launched_at": launched_at}
    return Done(result | _status_checks(task, instance, ec2))


def _gone(task: Task) -> dict[str, Any]:
    """EC2 knows no such instance, in this account: whether it is the instance's is for who believes it to say."""
    return {"state": STATE_GONE, "account_id": task.account_id}


def _status_checks(task: Task, instance: InstanceFacts, ec2: Ec2Port) -> dict[str, Any]:
    """Add EC2's checks where they are asked for. A role that may not read them still gives EC2's word on the state."""
    if task.payload.get("with_status_checks") is not True or instance.state != "running":
        return {}
    try:
        statuses = ec2.instance_statuses([instance.instance_id])
    except AwsFailed:
        return {"status_checks": None}
    return {"status_checks": worst_check(statuses[0].checks.values()) if statuses else None}


def terminate_instance(task: Task, ec2: Ec2Port) -> Handled:
    """Terminate what is ours and nobody reaches, by EC2's word of this moment."""
    instance_id = text(task.payload, "instance_id")
    instance = ec2.describe_instance(instance_id)
    if instance is None:
        # A replica may be given up the moment it is launched; EC2 may not know it yet, and it would run on.
        return NotYet("unknown_instance", STATE_LOOK_SECONDS) if task.waited_seconds < NEW_INSTANCE_SECONDS else Done(_gone(task))
    if instance.state in _ENDING:
        return Done({"state": instance.state})
    task.require_leave_to_act()
    addresses = [ec2.describe_address(allocation_id) for allocation_id in texts(task.payload, "handle_allocation_ids")]
    held = held_by(instance, handles(task.payload), ec2)
    refusal = refusal_to_terminate(instance, task.default_tags, [address for address in addresses if address is not None], held)
    if refusal is not None:
        raise refusal
    kept = keep_volumes(task, instance, ec2)
    # A persistent spot request goes first, or EC2 would launch another.
    if instance.spot_request_id is not None and ec2.is_persistent_request(instance.spot_request_id):
        ec2.cancel_spot_request(instance.spot_request_id)
    # Unknown now, after it was described, is a race and no end: EC2 shows different things in different places.
    return Done({"state": ec2.terminate_instance(instance_id), **kept})


def stop_instance(task: Task, ec2: Ec2Port) -> Handled:
    """Stop what is ours, with force: the fence of an instance on demand, whose disk stays."""
    instance = ec2.describe_instance(text(task.payload, "instance_id"))
    if instance is None:
        return Done(_gone(task))
    if instance.state in _STOPPING | _ENDING:
        return Done({"state": instance.state})
    task.require_leave_to_act()
    refusal = refusal_to_terminate(instance, task.default_tags, [])
    if refusal is not None:
        raise refusal
    return Done({"state": ec2.stop_instance(instance.instance_id)})


def wait_terminated(task: Task, ec2: Ec2Port) -> Handled:
    """Wait for the fence. Only `terminated` counts: in shutting-down the system may still write."""
    instance = ec2.describe_instance(text(task.payload, "instance_id"))
    state = STATE_GONE if instance is None else instance.state
    if state not in {"terminated", STATE_GONE}:
        return NotYet(f"still_{state.replace('-', '_')}", STATE_LOOK_SECONDS)
    return Done({**({"state": state} if instance is not None else _gone(task)), "observed_at": wire_time(task.now)})


def move_address(task: Task, ec2: Ec2Port) -> Handled:
    """Associate the Elastic IP and confirm it by asking again; an association that is already there is adopted.

    The workload is down meanwhile. So the first try that may take the address from whoever holds it does so without a look; to associate
    it with its own holder once more changes nothing.

    Where others may claim it, it is taken from none of them, and got only while nobody has it: EC2 then gives it to one of two that ask.
    """
    allocation_id, instance_id = text(task.payload, "allocation_id"), text(task.payload, "instance_id")
    if task.payload.get("allow_reassociation") is True and task.only_look is None and task.waited_seconds < FIRST_TRY_SECONDS:
        ec2.associate_address(allocation_id, instance_id, allow_reassociation=True)
    else:
        _associate_unless_there(task, ec2, allocation_id, instance_id)
    address = _described(allocation_id, ec2)
    if address.instance_id != instance_id:
        return NotYet("address_not_moved", ADDRESS_LOOK_SECONDS)
    return Done({"association_id": address.association_id, "public_ip": address.public_ip, "moved_at": wire_time(task.now)})


def _associate_unless_there(task: Task, ec2: Ec2Port, allocation_id: str, instance_id: str) -> None:
    held = _described(allocation_id, ec2)
    if held.instance_id == instance_id:
        return
    task.require_leave_to_act()
    may_take = _require_no_claim(task, allocation_id, held.instance_id)
    if held.association_id is not None and held.instance_id in task.payload.get("predecessor_instance_ids", []):
        ec2.disassociate_address(held.association_id)
        may_take = False
    ec2.associate_address(allocation_id, instance_id, allow_reassociation=may_take)


def _described(allocation_id: str, ec2: Ec2Port) -> AddressFacts:
    address = ec2.describe_address(allocation_id)
    if address is None:
        raise ActFailed(ErrorClass.NOT_FOUND, "InvalidAllocationID.NotFound", f"EC2 knows no {allocation_id}")
    return address


def _require_no_claim(task: Task, allocation_id: str, holder_id: str | None) -> bool:
    """Tell whether the address may be taken from who has it. Raises ActFailed when it may neither be taken nor freed."""
    claimants, predecessors = task.payload.get("claimant_instance_ids", []), task.payload.get("predecessor_instance_ids", [])
    if holder_id in claimants:
        raise ActFailed(ErrorClass.REFUSED, "claimed_by_successor", f"{allocation_id} is held by {holder_id}, which took over by its plan")
    is_allowed = task.payload.get("allow_reassociation") is True or bool(claimants)
    if holder_id is not None and not is_allowed and holder_id not in predecessors:
        raise ActFailed(ErrorClass.REFUSED, "Resource.AlreadyAssociated", f"{allocation_id} is associated with {holder_id}")
    # Of an address that nobody has, another may be about to get hold: then only one of us is given it.
    return is_allowed and (holder_id is not None or not claimants)


Handler = Callable[[Task, Ec2Port], Handled]
"""Raises ActFailed."""

HANDLERS: dict[CommandKind, Handler] = {
    CommandKind.CREATE_IMAGE: create_image,
    CommandKind.LAUNCH_INSTANCE: launch_instance,
    CommandKind.DESCRIBE_INSTANCE: describe_instance,
    CommandKind.TERMINATE_INSTANCE: terminate_instance,
    CommandKind.STOP_INSTANCE: stop_instance,
    CommandKind.WAIT_TERMINATED: wait_terminated,
    CommandKind.MOVE_ADDRESS: move_address,
    CommandKind.MOVE_PRIVATE_IP: move_private_ip,
    CommandKind.MOVE_TARGET: move_target,
    CommandKind.CONFIRM_TARGET: confirm_target,
    CommandKind.MOVE_RECORD: move_record,
    CommandKind.CONFIRM_RECORD: confirm_record,
    CommandKind.DETACH_VOLUMES: detach_volumes,
    CommandKind.ATTACH_VOLUMES: attach_volumes,
    CommandKind.COPY_VOLUMES: copy_volumes,
    CommandKind.DISCARD_VOLUMES: discard_volumes,
}
"""Every kind that `features.commands.actors` may give to the control role."""
