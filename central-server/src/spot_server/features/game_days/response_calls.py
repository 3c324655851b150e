"""Which AWS calls the response to a game day leads to, whoever makes them: named from the steps and handles that it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spot_server.words import HandleKind, StepName

CALLS_OF_STEPS: dict[StepName, tuple[str, ...]] = {
    StepName.LAUNCH: ("RunInstances",),
    StepName.BOOT: ("DescribeInstances",),
    StepName.FENCE: ("DescribeInstances (until the old instance has ended)",),
    StepName.COPY_VOLUMES: ("CreateSnapshot", "CreateVolume"),
    StepName.DETACH: ("DetachVolume",),
    StepName.ATTACH: ("AttachVolume",),
    StepName.RETIRE: ("TerminateInstances (of an old instance that EC2 did not end)",),
}
"""The other steps call nobody but the daemons."""

CALLS_OF_HANDLES: dict[HandleKind, tuple[str, ...]] = {
    HandleKind.ELASTIC_IP: ("AssociateAddress", "DescribeAddresses"),
    HandleKind.SECONDARY_PRIVATE_IP: ("AssignPrivateIpAddresses",),
    HandleKind.TARGET_GROUP: ("RegisterTargets", "DescribeTargetHealth", "DeregisterTargets"),
    HandleKind.ROUTE53_RECORD: ("ChangeResourceRecordSets", "GetChange"),
    HandleKind.HOOK: (),
}

SALVAGE_CALLS = ("CreateTags (volumes are kept, as their owner's)", "ModifyInstanceAttribute (volumes are kept)", "CreateSnapshots")
"""Under a notice that finds nobody fit to take the state over: what is lost with the instance is saved."""

STAND_DOWN_CALLS = ("TerminateInstances (when the hold is over)",)


def response_calls(steps: Sequence[StepName], handles: Iterable[HandleKind], *, is_hold: bool, is_salvaged: bool) -> list[str]:
    """Return the calls in the order in which they first come, each once.

    `is_hold`: a replica is made, held and ended, and nothing moves. `is_salvaged`: the volumes are saved beside the launch.
    """
    calls = list(SALVAGE_CALLS) if is_salvaged else []
    for step in steps:
        if step is StepName.TRAFFIC:
            calls += [call for handle in handles for call in CALLS_OF_HANDLES[handle]]
        else:
            calls += CALLS_OF_STEPS.get(step, ())
    return list(dict.fromkeys([*calls, *(STAND_DOWN_CALLS if is_hold and calls else ())]))
