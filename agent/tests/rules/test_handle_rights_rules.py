"""The rights that each kind of traffic handle needs."""

from __future__ import annotations

from botocore.loaders import Loader
from botocore.model import ServiceModel
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.ec2_facts import InstanceFacts
from spot_agent.model import JsonObject
from spot_agent.rules.handle_rights import rights_to_move
from spot_agent.trials import Trial

INSTANCE = InstanceFacts("i-own", "running")
HANDLES: dict[str, JsonObject] = {
    "elastic_ip": {"allocation_id": "eipalloc-1"},
    "secondary_private_ip": {"private_ip": "10.0.0.50"},
    "target_group": {"target_group_arn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop/1"},
    "route53_record": {"hosted_zone_id": "Z1", "record_name": "shop.example.com"},
    "hook": {"name": "external-dns"},
}
NEEDED = {
    "elastic_ip": set(),
    "secondary_private_ip": {"ec2:AssignPrivateIpAddresses"},
    "target_group": {
        "elasticloadbalancing:DescribeTargetHealth",
        "elasticloadbalancing:RegisterTargets",
        "elasticloadbalancing:DeregisterTargets",
    },
    "route53_record": {"route53:ListResourceRecordSets", "route53:ChangeResourceRecordSets", "route53:GetChange"},
    "hook": set(),
}
OF_EVERY_AGENT = {"ec2:DescribeAddresses", "ec2:AssociateAddress", "ec2:DisassociateAddress"}


def trial(kinds: frozenset[str]) -> Trial:
    handles = tuple({"kind": kind, **HANDLES[kind]} for kind in sorted(kinds))
    return Trial("i-own", INSTANCE, "web-1", handles, None, None, has_control_role=False)


@given(st.frozensets(st.sampled_from(sorted(HANDLES))))
def test_an_agent_is_asked_for_the_rights_of_its_own_handles(kinds: frozenset[str]) -> None:
    rights = rights_to_move(trial(kinds))

    needed = OF_EVERY_AGENT.union(*(NEEDED[kind] for kind in kinds))
    assert {f"{right.service}:{right.action}" for right in rights} == needed
    tried = {right.action for right in rights if not right.skipped}
    assert ("AssociateAddress" in tried) == ("elastic_ip" in kinds)


def test_a_service_without_a_dry_run_is_not_said_to_allow_anything() -> None:
    rights = rights_to_move(trial(frozenset(HANDLES)))

    assert all(right.skipped for right in rights if right.service != "ec2")


def test_no_right_is_tried_by_a_call_without_a_dry_run() -> None:
    tried = [right for right in rights_to_move(trial(frozenset(HANDLES))) if not right.skipped]

    described = ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")
    inputs = [described.operation_model(right.action).input_shape for right in tried]
    assert [right.action for right in tried] == ["DescribeAddresses", "AssociateAddress"]
    assert all(shape is not None and "DryRun" in shape.members for shape in inputs)
