"""Target groups: who is registered, what health checks say, and where requests at the load balancer go."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.behaviour import Behaviour
from conformance.world import World, error_code, service

CHECKS = {"HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 3, "UnhealthyThresholdCount": 2}


class Group:
    """A target group, its front, and what is said of its targets."""

    def __init__(self, world: World, **more: Any) -> None:
        self.world, self.elbv2 = world, world.region.client("elbv2")
        self.name = more.get("Name") or world.unique("group")
        wanted = {"Name": self.name, "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-1", **CHECKS, **more}
        self.arn = self.elbv2.create_target_group(**wanted)["TargetGroups"][0]["TargetGroupArn"]
        self.set_drain_seconds(5)

    def set_drain_seconds(self, seconds: int) -> None:
        attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": str(seconds)}
        self.elbv2.modify_target_group_attributes(TargetGroupArn=self.arn, Attributes=[attribute])

    @property
    def front(self) -> str:
        _, state = self.world.region.control("GET", "/state")
        return str(next(one["front"] for one in state["target_groups"] if one["target_group_arn"] == self.arn))

    def register(self, instance_id: str, **more: Any) -> None:
        self.elbv2.register_targets(TargetGroupArn=self.arn, Targets=[{"Id": instance_id, **more}])

    def deregister(self, instance_id: str) -> None:
        self.elbv2.deregister_targets(TargetGroupArn=self.arn, Targets=[{"Id": instance_id}])

    def health(self, instance_id: str, **more: Any) -> dict[str, Any]:
        answer = self.elbv2.describe_target_health(TargetGroupArn=self.arn, Targets=[{"Id": instance_id, **more}])
        return dict(answer["TargetHealthDescriptions"][0]["TargetHealth"])

    def listed(self) -> list[str]:
        answer = self.elbv2.describe_target_health(TargetGroupArn=self.arn)
        return [one["Target"]["Id"] for one in answer["TargetHealthDescriptions"]]

    def history(self, instance_id: str) -> list[tuple[str, str | None]]:
        """Return what was said of a target, with the reasons, in order: a delay may be shorter than a call."""
        told = self.world.events(kind="target-health", target_group=self.name, instance_id=instance_id)
        return [(event["state"], event["reason"]) for event in told]

    def wait_for(self, instance_id: str, state: str) -> dict[str, Any]:
        self.world.region.eventually(lambda: self.health(instance_id)["State"] == state)
        return self.health(instance_id)

    def answers(self, count: int = 6) -> list[str]:
        """Ask a few times."""
        front = self.front
        return [self.world.ask(front).text for _ in range(count)]


@pytest.fixture
def served(world: World) -> tuple[str, str]:
    """Two instances that serve."""
    image_id = world.image(service("workload", Behaviour.SERVES))
    ids = (world.launch(image_id), world.launch(image_id, SubnetId=world.subnet("use1-az2")))
    for instance_id in ids:
        world.wait_for_answer(world.describe(instance_id)["PrivateIpAddress"], instance_id)
    return ids


@pytest.fixture
def idle(world: World) -> str:
    """An instance that runs, and serves nothing."""
    instance_id = world.launch(world.image())
    world.wait_for_state(instance_id, "running")
    return instance_id


def test_a_group_without_targets_answers_nothing(world: World) -> None:
    group = Group(world)

    assert group.front.startswith("127.20.")
    assert world.ask(group.front).status == 0
    assert group.listed() == []


def test_a_registered_target_is_asked_first_and_then_gets_requests(world: World, served: tuple[str, str]) -> None:
    group = Group(world)
    group.register(served[0])

    group.wait_for(served[0], "healthy")

    assert group.history(served[0]) == [("initial", "Elb.InitialHealthChecks"), ("healthy", None)]
    assert set(group.answers()) == {served[0]}
    assert "Reason" not in group.health(served[0])


def test_two_healthy_targets_get_requests_in_turn(world: World, served: tuple[str, str]) -> None:
    group = Group(world)
    for instance_id in served:
        group.register(instance_id)

    for instance_id in served:
        group.wait_for(instance_id, "healthy")

    assert group.listed() == list(served)
    region_state = world.region.control("GET", "/state")[1]["target_groups"][-1]
    assert len(region_state["leads_to"]) == 2


def test_a_target_at_which_nobody_answers_becomes_unhealthy(world: World, idle: str) -> None:
    group = Group(world)
    group.register(idle)

    told = group.wait_for(idle, "unhealthy")

    assert told["Reason"] == "Target.FailedHealthChecks"
    assert world.ask(group.front).status == 0


def test_a_target_without_the_page_that_is_asked_for_is_told_with_its_status_until_the_page_is_mended(
    world: World, served: tuple[str, str]
) -> None:
    group = Group(world, HealthCheckPath="/missing")
    group.register(served[0])
    told = group.wait_for(served[0], "unhealthy")

    group.elbv2.modify_target_group(TargetGroupArn=group.arn, HealthCheckPath="/health")
    group.wait_for(served[0], "healthy")

    assert (told["Reason"], told["Description"]) == ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]")


def test_requests_go_to_all_where_none_is_healthy(world: World, served: tuple[str, str]) -> None:
    group = Group(world, HealthCheckPath="/missing")
    group.register(served[0])
    group.wait_for(served[0], "unhealthy")

    assert set(group.answers()) == {served[0]}


def test_a_deregistered_target_drains_and_is_then_gone(world: World, served: tuple[str, str]) -> None:
    group = Group(world)
    for instance_id in served:
        group.register(instance_id)
        group.wait_for(instance_id, "healthy")
    group.set_drain_seconds(3600)

    group.deregister(served[0])
    during = group.health(served[0])
    answers = group.answers()
    group.set_drain_seconds(5)
    group.register(served[0])
    group.deregister(served[0])
    world.region.eventually(lambda: served[0] not in group.listed())

    assert (during["State"], during["Reason"]) == ("draining", "Target.DeregistrationInProgress")
    assert set(answers) == {served[1]}
    assert group.health(served[0])["Reason"] == "Target.NotRegistered"


def test_a_draining_target_that_is_registered_again_begins_anew(world: World, served: tuple[str, str]) -> None:
    group = Group(world)
    group.register(served[0])
    group.wait_for(served[0], "healthy")
    group.set_drain_seconds(3600)
    group.deregister(served[0])

    group.register(served[0])
    group.wait_for(served[0], "healthy")

    registering = ("initial", "Elb.RegistrationInProgress")
    assert group.history(served[0])[2:] == [
        ("draining", "Target.DeregistrationInProgress"),
        registering,
        ("initial", "Elb.InitialHealthChecks"),
        ("healthy", None),
    ]
    assert set(group.answers()) == {served[0]}


def test_registering_again_changes_nothing(world: World, served: tuple[str, str]) -> None:
    group = Group(world)
    group.register(served[0])
    group.wait_for(served[0], "healthy")

    group.register(served[0])

    assert group.health(served[0])["State"] == "healthy"
    assert group.listed() == [served[0]]


def test_a_target_whose_workload_ends_becomes_unhealthy_and_healthy_again(world: World, served: tuple[str, str]) -> None:
    group = Group(world)
    group.register(served[0])
    group.wait_for(served[0], "healthy")

    world.region.control("POST", f"/instances/{served[0]}/services/workload/stop")
    group.wait_for(served[0], "unhealthy")
    world.region.control("POST", f"/instances/{served[0]}/services/workload/start")
    group.wait_for(served[0], "healthy")

    assert set(group.answers()) == {served[0]}


def test_a_target_at_another_port_is_another_target(world: World, served: tuple[str, str]) -> None:
    group = Group(world)
    group.register(served[0], Port=9090)

    world.region.eventually(lambda: group.health(served[0], Port=9090)["State"] == "unhealthy")

    assert group.health(served[0])["Reason"] == "Target.NotRegistered"
    assert world.ask(group.front).status == 0


def test_a_terminated_target_is_deregistered(world: World, served: tuple[str, str]) -> None:
    group = Group(world)
    group.register(served[0])
    group.wait_for(served[0], "healthy")

    world.ec2.terminate_instances(InstanceIds=[served[0]])
    world.wait_for_state(served[0], "terminated")

    assert group.listed() == []
    assert world.ask(group.front).status == 0


def test_a_stopped_target_is_unused_until_it_runs_again(world: World) -> None:
    group = Group(world)
    instance_id = world.launch(world.image(service("workload", Behaviour.SERVES)), is_spot=False)
    world.wait_for_answer(world.describe(instance_id)["PrivateIpAddress"], instance_id)
    group.register(instance_id)
    group.wait_for(instance_id, "healthy")

    world.ec2.stop_instances(InstanceIds=[instance_id])
    told = group.wait_for(instance_id, "unused")
    world.ec2.start_instances(InstanceIds=[instance_id])

    assert told["Reason"] == "Target.InvalidState"
    group.wait_for(instance_id, "healthy")


def test_only_a_running_instance_can_be_registered(world: World) -> None:
    group, instance_id = Group(world), world.launch(world.image())
    world.ec2.terminate_instances(InstanceIds=[instance_id])

    with pytest.raises(ClientError) as ending:
        group.register(instance_id)
    with pytest.raises(ClientError) as unknown:
        group.register("i-00000000000000000")

    assert error_code(ending.value) == error_code(unknown.value) == "InvalidTarget"
    assert group.listed() == []


def test_a_group_that_is_not_there_is_told_as_such(world: World, idle: str) -> None:
    group = Group(world)
    group.elbv2.delete_target_group(TargetGroupArn=group.arn)

    with pytest.raises(ClientError) as refused:
        group.register(idle)

    assert error_code(refused.value) == "TargetGroupNotFound"


def test_two_groups_cannot_have_one_name(world: World) -> None:
    name = world.unique("group")
    Group(world, Name=name)

    with pytest.raises(ClientError) as refused:
        Group(world, Name=name)

    assert error_code(refused.value) == "DuplicateTargetGroupName"


def test_calls_of_load_balancing_meet_the_faults_that_were_ordered(world: World, idle: str) -> None:
    group = Group(world)
    world.region.control("POST", "/faults", {"action": "RegisterTargets", "code": "Throttling"})

    with pytest.raises(ClientError) as refused:
        group.register(idle)

    assert error_code(refused.value) == "Throttling"
    assert group.listed() == []
    group.register(idle)
    assert [event["outcome"] for event in world.events(kind="api", action="RegisterTargets")[-2:]] == ["Throttling", "ok"]
