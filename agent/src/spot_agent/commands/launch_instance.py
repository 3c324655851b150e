"""launch_instance: one instance in one pool. The client token, also a tag, finds the result of an earlier try."""

from __future__ import annotations

import json

from spot_agent.commands.handling import (
    Handled,
    Succeeded,
    Tools,
    bad_payload,
    mapping,
    optional_text,
    pause,
    tags,
    text,
    texts,
)
from spot_agent.ec2_facts import InstanceFacts, LaunchRequest, VolumeSettings
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass
from spot_agent.model import TAG_LAUNCH_TOKEN, Command, Mode
from spot_agent.timestamps import to_wire

TRIES = 3
PAUSE_SECONDS = 1.0


def handle(command: Command, tools: Tools) -> Handled:
    """A lost answer is looked up, then asked for again with the same token: EC2 makes one instance of both."""
    request = _request(command)
    made = _launched_before(request.client_token, tools) or _launch(request, tools)
    launched_at = made.launched_at or tools.clock.now()
    return Succeeded({"instance_id": made.instance_id, "launched_at": to_wire(launched_at)})


def _request(command: Command) -> LaunchRequest:
    mode = text(command, "mode")
    if mode not in (Mode.SPOT.value, Mode.ON_DEMAND.value):
        raise bad_payload("mode", "spot or on_demand")
    user_data = command.payload.get("user_data") or ""
    return LaunchRequest(
        client_token=text(command, "client_token"),
        image_id=text(command, "image_id"),
        instance_type=text(command, "instance_type"),
        subnet_id=text(command, "subnet_id"),
        is_spot=mode == Mode.SPOT.value,
        security_group_ids=texts(command, "security_group_ids"),
        iam_instance_profile_arn=optional_text(command, "iam_instance_profile_arn"),
        key_name=optional_text(command, "key_name"),
        metadata_options=mapping(command, "metadata_options"),
        user_data=user_data if isinstance(user_data, str) else json.dumps(user_data),
        tags=tags(command),
        detailed_monitoring=command.payload.get("detailed_monitoring") is True,
        ebs_optimized=command.payload.get("ebs_optimized") is True,
        cpu_credits=optional_text(command, "cpu_credits"),
        volumes=_volumes(command),
    )


def _volumes(command: Command) -> tuple[VolumeSettings, ...]:
    listed = command.payload.get("volumes") or []
    names = frozenset(VolumeSettings.__dataclass_fields__) - {"volume_id"}
    try:
        return tuple(VolumeSettings(volume_id="", **{name: one[name] for name in names & one.keys()}) for one in listed)
    except (TypeError, AttributeError) as error:
        raise bad_payload("volumes", "a list of volumes, each with device_name, volume_type and size_gib") from error


def _launched_before(client_token: str, tools: Tools) -> InstanceFacts | None:
    found = tools.ec2.find_instances({TAG_LAUNCH_TOKEN: client_token})
    alive = [made for made in found if made.state not in ("shutting-down", "terminated")]
    if alive:
        return min(alive, key=lambda made: made.instance_id)
    if found:
        message = f"{found[0].instance_id}, launched with this token, is {found[0].state}"
        raise ActFailed(ErrorClass.IDEMPOTENCY, "IdempotentInstanceTerminated", message)
    return None


def _launch(request: LaunchRequest, tools: Tools) -> InstanceFacts:
    for tries_left in range(TRIES - 1, -1, -1):
        try:
            return tools.ec2.run_instance(request)
        except Ec2Failed as error:
            if error.error_class is not ErrorClass.UNREACHABLE or tries_left == 0:
                raise
        pause(tools, PAUSE_SECONDS)
        made = _launched_before(request.client_token, tools)
        if made is not None:
            return made
    raise AssertionError("the last try returns or raises")
