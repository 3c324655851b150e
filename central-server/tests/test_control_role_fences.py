"""How the control role stops an instance, and reads EC2's checks of one."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.clock import START
from server_support.memory_aws import FakeEc2, failure
from spot_server.aws.errors import ActFailed, ErrorClass
from spot_server.aws.ports import TAG_AGENT_ID, TAG_MANAGED
from spot_server.features.control_role.acting import Done, Handled, Task
from spot_server.features.control_role.acts import HANDLERS
from spot_server.features.control_role.rules import LookOnly, worst_check
from spot_server.words import CommandKind, TerminationRefusal

OWNER = {TAG_MANAGED: "true", TAG_AGENT_ID: "agent-1"}


@pytest.fixture
def ec2() -> FakeEc2:
    fake = FakeEc2()
    fake.add_instance("i-old", tags=OWNER)
    return fake


def handle(ec2: FakeEc2, kind: CommandKind, payload: dict[str, Any], only_look: LookOnly | None = None) -> Handled:
    return HANDLERS[kind](Task(kind, {"instance_id": "i-old", **payload}, 0.0, START, OWNER, only_look), ec2)


def test_an_instance_on_demand_is_stopped(ec2: FakeEc2) -> None:
    assert handle(ec2, CommandKind.STOP_INSTANCE, {}) == Done({"state": "stopping"})


@pytest.mark.parametrize("state", ["stopping", "stopped", "shutting-down", "terminated"])
def test_one_that_stops_or_ends_already_is_left_to_it(ec2: FakeEc2, state: str) -> None:
    ec2.add_instance("i-old", state, tags=OWNER)

    assert handle(ec2, CommandKind.STOP_INSTANCE, {}) == Done({"state": state})
    assert "stop_instance" not in ec2.calls


def test_one_that_is_not_ours_is_not_stopped(ec2: FakeEc2) -> None:
    ec2.add_instance("i-old", tags={TAG_MANAGED: "true"})

    with pytest.raises(ActFailed) as refused:
        handle(ec2, CommandKind.STOP_INSTANCE, {})

    assert (refused.value.error_class, refused.value.code) == (ErrorClass.REFUSED, TerminationRefusal.NOT_OURS)
    assert ec2.instances["i-old"].state == "running"


def test_a_stop_of_an_older_epoch_is_not_begun(ec2: FakeEc2) -> None:
    with pytest.raises(ActFailed) as stale:
        handle(ec2, CommandKind.STOP_INSTANCE, {}, LookOnly(ErrorClass.STALE_EPOCH, "stale_epoch", "epoch 1 is older than 2"))

    assert stale.value.error_class is ErrorClass.STALE_EPOCH
    assert ec2.instances["i-old"].state == "running"


@pytest.mark.parametrize(("state", "asked", "expected"), [("running", True, "impaired"), ("stopped", True, None), ("running", False, None)])
def test_checks_come_with_the_state_where_they_are_asked_for(ec2: FakeEc2, state: str, expected: str | None, *, asked: bool) -> None:
    ec2.add_instance("i-old", state, tags=OWNER)
    ec2.impaired["i-old"] = START

    done = handle(ec2, CommandKind.DESCRIBE_INSTANCE, {"with_status_checks": asked})

    assert isinstance(done, Done)
    assert (done.result["state"], done.result.get("status_checks")) == (state, expected)


def test_a_role_that_may_not_read_the_checks_still_tells_the_state(ec2: FakeEc2) -> None:
    ec2.refusals["instance_statuses"].append(failure("UnauthorizedOperation"))

    done = handle(ec2, CommandKind.DESCRIBE_INSTANCE, {"with_status_checks": True})

    assert isinstance(done, Done)
    assert (done.result["state"], done.result["status_checks"]) == ("running", None)


@pytest.mark.parametrize(
    ("checks", "worst"),
    [
        (["ok", "ok"], "ok"),
        (["ok", "impaired", "ok"], "impaired"),
        (["insufficient-data", "impaired"], "impaired"),
        (["initializing", "ok"], "initializing"),
        (["ok", "not-applicable"], "not-applicable"),
        ([], "ok"),
    ],
)
def test_the_worst_of_ec2_s_checks_counts(checks: list[str], worst: str) -> None:
    assert worst_check(checks) == worst
