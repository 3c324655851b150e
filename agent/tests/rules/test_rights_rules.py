"""The rights that a daemon needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.ec2_facts import DryRun, InstanceFacts, VolumeFacts
from spot_agent.errors import ErrorClass
from spot_agent.model import JsonObject
from spot_agent.rules.checks import Verdict
from spot_agent.rules.ec2_errors import MEANINGS
from spot_agent.rules.rights import judge_owner, judge_right, rights_to_act, rights_to_look
from spot_agent.trials import Right, Trial

ROOT = Path(__file__).parents[3]
INSTANCE = InstanceFacts(
    "i-own",
    "running",
    image_id="ami-1",
    instance_type="m5.large",
    subnet_id="subnet-1",
    spot_request_id="sir-1",
    iam_instance_profile_arn="arn:aws:iam::1:instance-profile/web",
    interface_id="eni-1",
    volumes=(VolumeFacts("vol-1", "/dev/xvda", delete_on_termination=True), VolumeFacts("vol-2", "/dev/sdf", delete_on_termination=False)),
    root_device_name="/dev/xvda",
)

HANDLES: tuple[JsonObject, ...] = (
    {"kind": "elastic_ip", "allocation_id": "eipalloc-1"},
    {"kind": "secondary_private_ip", "private_ip": "10.0.0.50"},
    {"kind": "target_group", "target_group_arn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop/1"},
    {"kind": "route53_record", "hosted_zone_id": "Z1", "record_name": "shop.example.com"},
    {"kind": "hook", "name": "external-dns"},
)


def trial(instance: InstanceFacts | None = INSTANCE, *, has_control_role: bool = False, own: str | None = "x-1") -> Trial:
    return Trial("i-own", instance, "web-1", HANDLES, own, own, has_control_role, carry="volume")


def all_rights() -> list[Right]:
    return [*rights_to_look(), *rights_to_act(trial())]


PACKAGE = ROOT / "agent" / "src" / "spot_agent"
ADAPTERS = ("ec2.py", "ec2_volumes.py", "ec2_balancing.py", "ec2_dns.py")


def test_every_module_that_asks_aws_is_looked_at() -> None:
    asking = [path.name for path in PACKAGE.rglob("*.py") if "from spot_agent.ec2_asking import" in path.read_text()]

    assert sorted(asking) == sorted(ADAPTERS)


def test_every_call_that_the_daemon_makes_is_tried() -> None:
    source = "".join((PACKAGE / name).read_text() for name in ADAPTERS)
    called = set(re.findall(r'self\._(?:repeatable|once|client\(\))\.(?!get_paginator)(\w+)|self\._pages\(\s*"(\w+)"', source))

    assert {one or other for one, other in called} == {right.operation for right in all_rights()}


def test_the_policy_of_the_installation_page_grants_exactly_these_rights() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    policy = json.loads(re.findall(r"```json\n(\{\"Version\".*?)```", page, re.DOTALL)[0])
    listed = [action for statement in policy["Statement"] for action in statement["Action"]]

    assert set(listed) == {f"{right.service}:{right.action}" for right in all_rights()} | {"iam:PassRole"}


def test_a_launch_is_tried_with_what_a_replica_would_get() -> None:
    spot, on_demand = [right.arguments for right in all_rights() if right.action == "RunInstances"]

    assert spot["InstanceMarketOptions"]["MarketType"] == "spot"
    assert "InstanceMarketOptions" not in on_demand
    assert on_demand["SubnetId"] == "subnet-1"
    assert on_demand["IamInstanceProfile"] == {"Arn": "arn:aws:iam::1:instance-profile/web"}
    assert {"Key": "spot-optimizer:managed", "Value": "true"} in on_demand["TagSpecifications"][0]["Tags"]
    assert "ClientToken" not in on_demand


def test_with_a_control_role_only_what_daemons_do_themselves_is_needed() -> None:
    tried = {right.action for right in rights_to_act(trial(has_control_role=True)) if not right.skipped}

    assert tried == {
        "CreateSnapshots",
        "ModifyInstanceAttribute",
        "DescribeAddresses",
        "AssociateAddress",
        "CreateTags",
        "DeregisterImage",
        "DeleteSnapshot",
    }


@given(st.booleans(), st.booleans(), st.booleans())
def test_no_right_is_tried_with_an_argument_that_is_missing(is_described: bool, has_role: bool, has_own: bool) -> None:
    rights = rights_to_act(trial(INSTANCE if is_described else None, has_control_role=has_role, own="x-1" if has_own else None))

    for right in rights:
        if not right.skipped:
            assert "None" not in repr(right.arguments)
            assert "[]" not in repr(right.arguments)


@pytest.mark.parametrize(
    ("answer", "verdict", "word"),
    [
        (DryRun("DryRunOperation", "would have succeeded", None), Verdict.OK, "allowed"),
        (DryRun("InvalidAMIID.NotFound", "no such image", ErrorClass.NOT_FOUND), Verdict.FAIL, "did not say yes or no"),
        (DryRun("ReadTimeoutError", "too late", ErrorClass.UNREACHABLE), Verdict.FAIL, "does not answer"),
        (DryRun("RequestLimitExceeded", "slow", ErrorClass.THROTTLED), Verdict.FAIL, "slow down"),
        (DryRun("", "", ErrorClass.UNEXPECTED, is_ignored=True), Verdict.FAIL, "ignores DryRun"),
        (None, Verdict.SKIP, "not tried"),
    ],
)
def test_only_ec2s_own_yes_is_a_yes(answer: DryRun | None, verdict: Verdict, word: str) -> None:
    line = judge_right(Right("CreateImage", "an image"), answer)

    assert line.verdict is verdict
    assert word in line.found


@given(st.sampled_from(MEANINGS[ErrorClass.NOT_AUTHORIZED]))
def test_a_refusal_names_the_action_and_leaves_out_what_nobody_can_read(code: str) -> None:
    message = "You are not authorized: no policy allows it. Encoded authorization failure message: " + "x" * 500

    line = judge_right(Right("CreateImage", "an image"), DryRun(code, message, ErrorClass.NOT_AUTHORIZED))

    assert (line.name, line.verdict) == ("ec2:CreateImage", Verdict.FAIL)
    assert line.found.endswith("no policy allows it.")


def test_an_instance_that_another_controller_owns_is_a_failure_and_an_unknown_one_is_not() -> None:
    assert judge_owner(INSTANCE, "Auto Scaling group web").verdict is Verdict.FAIL
    assert judge_owner(INSTANCE, None).verdict is Verdict.OK
    assert judge_owner(None, None).verdict is Verdict.SKIP
