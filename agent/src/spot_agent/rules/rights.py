"""The rights in AWS that a daemon needs, each with real arguments to try it with, and what the answers mean.

docs/install.md has the policy that grants them; a test compares it, and every module that calls AWS, with this list.
"""

from __future__ import annotations

import re
from typing import Any

from spot_agent import ec2_shapes as shapes
from spot_agent.ec2_facts import DryRun, InstanceFacts, LaunchRequest
from spot_agent.errors import ErrorClass
from spot_agent.model import TAG_LOGICAL_AGENT_ID, TAG_MANAGED, TAG_SALVAGED_FROM
from spot_agent.rules.checks import Line, fail, ok, skip
from spot_agent.rules.handle_rights import rights_to_move
from spot_agent.rules.volume_rights import rights_to_carry
from spot_agent.trials import BY_CONTROL_ROLE, Right, Trial

_ENCODED = re.compile(r"\s*Encoded authorization failure message:.*", re.DOTALL)


def rights_to_look() -> tuple[Right, ...]:
    """Those that change nothing; DescribeInstances is the first, and needs no other."""
    return (
        Right("DescribeInstances", "mode, owner, launch specification of this instance"),
        Right("DescribeInstanceStatus", "whether a silent primary passes EC2's checks"),
        Right("DescribeSubnets", "where a replica may be launched"),
        Right("DescribeImages", "images of this agent"),
        Right("DescribeSnapshots", "snapshots of this agent"),
        Right("DescribeVolumes", "volumes of this agent"),
        Right("DescribeInstanceCreditSpecifications", "what a replica of a burstable instance must be like"),
        Right("DescribeAvailabilityZones", "which zone a price is of"),
        Right("DescribeSpotPriceHistory", "price reports"),
        Right("DescribeInstanceTypes", "price reports"),
    )


def rights_to_act(trial: Trial) -> tuple[Right, ...]:
    """Those that change something, with what the daemon would really ask for."""
    return (*_making(trial), *_saving(trial), *rights_to_move(trial), *rights_to_carry(trial), *_ending(trial), *_cleaning(trial))


def _making(trial: Trial) -> tuple[Right, ...]:
    by_role = BY_CONTROL_ROLE if trial.has_control_role else None
    image = {"InstanceId": trial.instance_id, "Name": f"spot-agent-check-{trial.instance_id}", "NoReboot": True}
    image["TagSpecifications"] = shapes.tag_specifications(_tags(trial), ("image", "snapshot"))
    return (
        Right("CreateImage", "an image of this instance", image, by_role),
        _launch(trial, by_role, is_spot=True),
        _launch(trial, by_role, is_spot=False),
    )


def _launch(trial: Trial, by_role: str | None, *, is_spot: bool) -> Right:
    purpose = f"a replica {'on spot' if is_spot else 'on demand'}, like this instance"
    if trial.instance is None:
        return Right("RunInstances", purpose, skipped=by_role or "not tried: this instance is not described")
    request = LaunchRequest(
        client_token="",
        image_id=trial.image_id or trial.instance.image_id,
        instance_type=trial.instance.instance_type,
        subnet_id=trial.instance.subnet_id,
        is_spot=is_spot,
        security_group_ids=trial.instance.security_group_ids,
        iam_instance_profile_arn=trial.instance.iam_instance_profile_arn,
        key_name=trial.instance.key_name,
        metadata_options=trial.instance.metadata_options,
        user_data="",
        tags=_tags(trial),
    )
    return Right("RunInstances", purpose, shapes.run_instances_arguments(request, request.tags), by_role)


def _saving(trial: Trial) -> tuple[Right, ...]:
    """What a notice asks for when nothing stands ready: always the daemon's own affair."""
    snapshots: dict[str, Any] = {"InstanceSpecification": {"InstanceId": trial.instance_id}}
    snapshots["TagSpecifications"] = shapes.tag_specifications(_tags(trial), ("snapshot",))
    devices = [volume.device_name for volume in trial.instance.volumes] if trial.instance else []
    mappings = [{"DeviceName": name, "Ebs": {"DeleteOnTermination": False}} for name in devices[:1]]
    keeping = {"InstanceId": trial.instance_id, "BlockDeviceMappings": mappings}
    owner = {TAG_LOGICAL_AGENT_ID: trial.logical_agent_id, TAG_SALVAGED_FROM: trial.instance_id}
    tagging = {"Resources": [volume.volume_id for volume in trial.instance.volumes[:1]] if trial.instance else []}
    no_volumes = None if mappings else "not tried: EC2 shows no volumes of this instance"
    return (
        Right("CreateSnapshots", "save the volumes under a notice", snapshots),
        Right(
            "ModifyInstanceAttribute",
            "keep the volumes under a notice",
            keeping,
            no_volumes,
        ),
        Right("CreateTags", "say whose a kept volume is", {**tagging, "Tags": shapes.tag_list(owner)}, no_volumes),
    )


def _ending(trial: Trial) -> tuple[Right, ...]:
    """Tried on this instance, which no daemon ever terminates: the others of its agent carry the same tags."""
    by_role = BY_CONTROL_ROLE if trial.has_control_role else None
    request_id = trial.instance.spot_request_id if trial.instance else None
    tagging = {"Resources": [trial.instance_id], "Tags": shapes.tag_list({TAG_MANAGED: "true"})}
    return (
        Right("TerminateInstances", "end replaced instances", {"InstanceIds": [trial.instance_id]}, by_role),
        Right(
            "StopInstances",
            "end a lost on-demand primary, keeping its disk",
            {"InstanceIds": [trial.instance_id], "Force": True},
            by_role or ("not tried: EC2 stops no one-time spot instance" if trial.instance and trial.instance.lifecycle else None),
        ),
        Right("DescribeSpotInstanceRequests", "whether EC2 would replace an ended instance", skipped=by_role),
        Right(
            "CancelSpotInstanceRequests",
            "keep EC2 from replacing an ended instance",
            {"SpotInstanceRequestIds": [request_id]},
            by_role or (None if request_id else "not tried: this instance has no spot request"),
        ),
        Right("CreateTags", "mark this instance as released", tagging),
    )


def _cleaning(trial: Trial) -> tuple[Right, ...]:
    none_yet = "not tried: this agent has no {} yet"
    return (
        Right("DeregisterImage", "clean up old images", {"ImageId": trial.image_id}, None if trial.image_id else none_yet.format("image")),
        Right(
            "DeleteSnapshot",
            "clean up old snapshots",
            {"SnapshotId": trial.snapshot_id},
            None if trial.snapshot_id else none_yet.format("snapshot"),
        ),
    )


def _tags(trial: Trial) -> dict[str, str]:
    return {TAG_MANAGED: "true", TAG_LOGICAL_AGENT_ID: trial.logical_agent_id}


def judge_right(right: Right, answer: DryRun | None) -> Line:
    """What EC2 said to a dry run; None for one that was not tried."""
    name = f"{right.service}:{right.action}"
    if answer is None:
        return skip(name, right.skipped or "not tried")
    if answer.error_class is None:
        return ok(name, f"allowed ({right.purpose})")
    if answer.error_class is ErrorClass.NOT_AUTHORIZED:
        return fail(
            name,
            f"not allowed ({right.purpose}): {_shown(answer)}",
            "Grant it to this instance's role; docs/install.md has the whole policy.",
        )
    if answer.error_class is ErrorClass.UNREACHABLE:
        advice = "Does this instance get out to the EC2 API (NAT, VPC endpoint, proxy)?"
        return fail(name, f"EC2 does not answer ({right.purpose}): {_shown(answer)}", advice)
    if answer.error_class is ErrorClass.THROTTLED:
        return fail(name, f"EC2 asks to slow down ({right.purpose}): {_shown(answer)}", "Run the check again in a minute.")
    if answer.is_ignored:
        return fail(name, "this EC2 endpoint ignores DryRun", "Nothing else was tried on it. Is AWS_ENDPOINT_URL right?")
    return fail(name, f"EC2 did not say yes or no ({right.purpose}): {_shown(answer)}", "The daemon would get the same answer.")


def _shown(answer: DryRun) -> str:
    """Without the hundreds of letters that only sts:DecodeAuthorizationMessage can read."""
    return f"{answer.code}: {_ENCODED.sub('', answer.message)}".rstrip(": ")


def judge_owner(instance: InstanceFacts | None, owner: str | None) -> Line:
    """Another controller would replace what we move; the server refuses such an instance."""
    if instance is None:
        return skip("owner", "not known: EC2 did not describe this instance")
    if owner is None:
        return ok("owner", "no Auto Scaling group, EKS, ECS or Beanstalk environment claims this instance")
    advice = "Take the instance out of it first (for a group: aws autoscaling detach-instances), or leave this workload to it."
    return fail("owner", f"{owner} owns this instance, and would replace what is moved", advice)
