"""The rights that traffic handles need: each kind its own. Those of a kind that the agent does not have are not asked for."""

from __future__ import annotations

from collections.abc import Callable

from spot_agent.model import JsonObject
from spot_agent.trials import Right, Trial

BALANCING = "elasticloadbalancing"
DNS = "route53"
CALL_WITHOUT_DRY_RUN = "not tried: this call has no dry run; it must be granted"
"""Of EC2, whose other calls have one. Source: the EC2 API reference, AssignPrivateIpAddresses."""
WITHOUT_ASSOCIATION = "not tried: it names an association, and the address stays where it is; it must be granted"
WITHOUT_DRY_RUN = "not tried: this service has no dry run; it must be granted"


def rights_to_move(trial: Trial) -> tuple[Right, ...]:
    """Return what the agent's traffic handles need; an Elastic IP, the usual one, is named even where there is none."""
    kinds = {handle.get("kind"): handle for handle in trial.traffic_handles}
    others = [right for kind, rights_of in _OTHERS.items() if kind in kinds for right in rights_of(trial, kinds[kind])]
    return (*_elastic_ip(trial, kinds.get("elastic_ip", {})), *others)


def _elastic_ip(trial: Trial, handle: JsonObject) -> tuple[Right, ...]:
    allocation_id = handle.get("allocation_id")
    unset = None if allocation_id else "not needed: no Elastic IP is set"
    moving = {"AllocationId": allocation_id, "InstanceId": trial.instance_id, "AllowReassociation": True}
    return (
        Right("DescribeAddresses", "the Elastic IP", {"AllocationIds": [allocation_id]}, unset),
        Right("AssociateAddress", "move the Elastic IP to this instance", moving, unset),
        Right(
            "DisassociateAddress", "free the Elastic IP for its successor while the server is away", skipped=unset or WITHOUT_ASSOCIATION
        ),
    )


def _private_ip(_trial: Trial, _handle: JsonObject) -> tuple[Right, ...]:
    return (Right("AssignPrivateIpAddresses", "move the secondary private IP to this instance", skipped=CALL_WITHOUT_DRY_RUN),)


def _target_group(_trial: Trial, _handle: JsonObject) -> tuple[Right, ...]:
    return (
        Right("DescribeTargetHealth", "whether the load balancer reaches it", skipped=WITHOUT_DRY_RUN, service=BALANCING),
        Right("RegisterTargets", "bring this instance into the target group", skipped=WITHOUT_DRY_RUN, service=BALANCING),
        Right("DeregisterTargets", "take the other one out of it", skipped=WITHOUT_DRY_RUN, service=BALANCING),
    )


def _record(_trial: Trial, _handle: JsonObject) -> tuple[Right, ...]:
    return (
        Right("ListResourceRecordSets", "where the record leads", skipped=WITHOUT_DRY_RUN, service=DNS),
        Right("ChangeResourceRecordSets", "lead the record to this instance", skipped=WITHOUT_DRY_RUN, service=DNS),
        Right("GetChange", "whether all name servers know it", skipped=WITHOUT_DRY_RUN, service=DNS),
    )


_OTHERS: dict[str, Callable[[Trial, JsonObject], tuple[Right, ...]]] = {
    "secondary_private_ip": _private_ip,
    "target_group": _target_group,
    "route53_record": _record,
}
