"""The calls of Elastic Load Balancing about target groups, in boto3's shapes: both forms of the region answer with these."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from spot_simulator.balancing.health import NOT_REGISTERED, CheckSettings, Health
from spot_simulator.balancing.target_groups import TargetGroup, TargetGroups
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.machine import Machine, State
from spot_simulator.machines import Machines
from spot_simulator.model.names import seeded_hex

Parameters = Mapping[str, Any]
Shape = dict[str, Any]

DRAIN_ATTRIBUTE = "deregistration_delay.timeout_seconds"
_SETTINGS = {
    "HealthCheckPath": "path",
    "HealthCheckIntervalSeconds": "interval_seconds",
    "HealthCheckTimeoutSeconds": "timeout_seconds",
    "HealthyThresholdCount": "healthy_count",
    "UnhealthyThresholdCount": "unhealthy_count",
}
_ARN_CHARACTERS = 16


class BalancingCalls:
    """Called with the region's lock held; each raises ``Ec2Error`` for what AWS refuses."""

    def __init__(self, groups: TargetGroups, machines: Machines, arn_prefix: str, seed: int) -> None:
        """``arn_prefix`` is ``arn:aws:elasticloadbalancing:REGION:ACCOUNT``."""
        self._groups, self._machines, self._arn_prefix, self._seed = groups, machines, arn_prefix, seed
        self._made = 0

    def handlers(self) -> dict[str, Callable[[Parameters], Shape]]:
        """Return every operation with what answers it."""
        return {
            "CreateTargetGroup": self.create,
            "DeleteTargetGroup": self.delete,
            "DescribeTargetGroups": self.describe,
            "ModifyTargetGroup": self.modify,
            "ModifyTargetGroupAttributes": self.modify_attributes,
            "RegisterTargets": self.register,
            "DeregisterTargets": self.deregister,
            "DescribeTargetHealth": self.describe_health,
        }

    def create(self, parameters: Parameters) -> Shape:
        """Answer CreateTargetGroup: of instances, over HTTP."""
        name = parameters["Name"]
        for field, only in (("TargetType", "instance"), ("Protocol", "HTTP")):
            if parameters.get(field, only) != only:
                raise Ec2Error("ValidationError", f"The simulated region has target groups with {field} {only} only")
        twin = next((group for group in self._groups.by_arn.values() if group.name == name), None)
        if twin is not None:
            raise Ec2Error("DuplicateTargetGroupName", f"A target group with the same name '{name}' exists")
        self._made += 1
        arn = f"{self._arn_prefix}:targetgroup/{name}/{seeded_hex(self._seed, 'target group', self._made, _ARN_CHARACTERS)}"
        settings = _settings(CheckSettings(), parameters)
        group = self._groups.add(arn, name, parameters.get("Port", 80), parameters.get("VpcId", ""), settings)
        return {"TargetGroups": [_shown(group)]}

    def delete(self, parameters: Parameters) -> Shape:
        """Answer DeleteTargetGroup; a repeat is a success."""
        group = self._groups.by_arn.get(parameters["TargetGroupArn"])
        if group is not None:
            self._groups.remove(group)
        return {}

    def describe(self, parameters: Parameters) -> Shape:
        """Answer DescribeTargetGroups."""
        arns = parameters.get("TargetGroupArns")
        groups = [self._group({"TargetGroupArn": arn}) for arn in arns] if arns else list(self._groups.by_arn.values())
        return {"TargetGroups": [_shown(group) for group in groups]}

    def modify(self, parameters: Parameters) -> Shape:
        """Answer ModifyTargetGroup: how targets are asked from their next check on."""
        group = self._group(parameters)
        group.settings = _settings(group.settings, parameters)
        return {"TargetGroups": [_shown(group)]}

    def modify_attributes(self, parameters: Parameters) -> Shape:
        """Answer ModifyTargetGroupAttributes: the deregistration delay, from the next deregistration on."""
        group = self._group(parameters)
        for attribute in parameters["Attributes"]:
            if attribute["Key"] != DRAIN_ATTRIBUTE:
                raise Ec2Error("ValidationError", f"The simulated region has the attribute {DRAIN_ATTRIBUTE} only, not {attribute['Key']}")
            group.drain_seconds = int(attribute["Value"])
        return {"Attributes": [{"Key": DRAIN_ATTRIBUTE, "Value": str(group.drain_seconds)}]}

    def register(self, parameters: Parameters) -> Shape:
        """Answer RegisterTargets: all of them, or none."""
        group = self._group(parameters)
        found = [(self._machine(target), target.get("Port", group.port)) for target in parameters["Targets"]]
        idle = [machine.instance_id for machine, _ in found if machine.state is not State.RUNNING]
        if idle:
            raise Ec2Error("InvalidTarget", f"The following targets are not in a running state and cannot be registered: {idle}")
        for machine, port in found:
            self._groups.register(group, machine, port)
        return {}

    def deregister(self, parameters: Parameters) -> Shape:
        """Answer DeregisterTargets; of an instance without a port, all that it is registered with."""
        group = self._group(parameters)
        for target in parameters["Targets"]:
            machine = self._machine(target)
            registered = [port for instance_id, port in group.targets if instance_id == machine.instance_id]
            for port in [target["Port"]] if "Port" in target else registered:
                self._groups.deregister(group, machine, port)
        return {}

    def describe_health(self, parameters: Parameters) -> Shape:
        """Answer DescribeTargetHealth; one that is asked for by name is told of even where it is not registered."""
        group = self._group(parameters)
        asked = [(self._machine(target).instance_id, target.get("Port", group.port)) for target in parameters.get("Targets") or ()] or list(
            group.targets
        )
        return {"TargetHealthDescriptions": [_told(*key, self._groups.health(group, *key)) for key in asked]}

    def _group(self, parameters: Parameters) -> TargetGroup:
        group = self._groups.by_arn.get(parameters["TargetGroupArn"])
        if group is None:
            raise Ec2Error("TargetGroupNotFound", "One or more target groups not found")
        return group

    def _machine(self, target: Parameters) -> Machine:
        machine = self._machines.by_id.get(target["Id"])
        if machine is None:
            raise Ec2Error("InvalidTarget", f"The target ID '{target['Id']}' does not exist")
        return machine


def _settings(settings: CheckSettings, parameters: Parameters) -> CheckSettings:
    wanted = {field: parameters[name] for name, field in _SETTINGS.items() if name in parameters}
    if "Matcher" in parameters:
        wanted["good_status"] = parameters["Matcher"]["HttpCode"]
    return replace(settings, **wanted)


def _shown(group: TargetGroup) -> Shape:
    asked = {name: getattr(group.settings, field) for name, field in _SETTINGS.items()}
    return {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": "HTTP",
        "Port": group.port,
        "VpcId": group.vpc_id,
        "TargetType": "instance",
        "HealthCheckEnabled": True,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "Matcher": {"HttpCode": group.settings.good_status},
        **asked,
    }


def _told(instance_id: str, port: int, health: Health) -> Shape:
    told: Shape = {"State": health.state.value}
    if health.reason is not None:
        told |= {"Reason": health.reason.value, "Description": health.description}
    shown: Shape = {"Target": {"Id": instance_id, "Port": port}, "TargetHealth": told}
    if health != NOT_REGISTERED:
        shown["HealthCheckPort"] = str(port)
    return shown
