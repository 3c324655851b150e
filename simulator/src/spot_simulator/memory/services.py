"""The services of AWS that the region in memory has, with what it takes of their operations."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from spot_simulator.memory.parameters import NAMES, OPERATIONS, PAGES, TAGS, Spec

_TARGETS: Spec = [{"Id": str, "Port": int}]
_CHECKS: Mapping[str, Spec] = {
    "HealthCheckPath": str,
    "HealthCheckIntervalSeconds": int,
    "HealthCheckTimeoutSeconds": int,
    "HealthyThresholdCount": int,
    "UnhealthyThresholdCount": int,
    "Matcher": {"HttpCode": str},
}
_RECORD: Spec = {"Name": str, "Type": str, "TTL": int, "ResourceRecords": [{"Value": str}]}

BALANCING_OPERATIONS: Mapping[str, Mapping[str, Spec]] = {
    "CreateTargetGroup": {"Name": str, "Protocol": str, "Port": int, "VpcId": str, "TargetType": str, **_CHECKS},
    "DeleteTargetGroup": {"TargetGroupArn": str},
    "DescribeTargetGroups": {"TargetGroupArns": NAMES},
    "ModifyTargetGroup": {"TargetGroupArn": str, **_CHECKS},
    "ModifyTargetGroupAttributes": {"TargetGroupArn": str, "Attributes": TAGS},
    "RegisterTargets": {"TargetGroupArn": str, "Targets": _TARGETS},
    "DeregisterTargets": {"TargetGroupArn": str, "Targets": _TARGETS},
    "DescribeTargetHealth": {"TargetGroupArn": str, "Targets": _TARGETS},
}
DNS_OPERATIONS: Mapping[str, Mapping[str, Spec]] = {
    "CreateHostedZone": {"Name": str, "CallerReference": str},
    "ChangeResourceRecordSets": {
        "HostedZoneId": str,
        "ChangeBatch": {"Comment": str, "Changes": [{"Action": str, "ResourceRecordSet": _RECORD}]},
    },
    "ListResourceRecordSets": {"HostedZoneId": str, "StartRecordName": str, "StartRecordType": str, "MaxItems": str},
    "GetChange": {"Id": str},
}
PRICING_OPERATIONS: Mapping[str, Mapping[str, Spec]] = {
    "GetProducts": {"ServiceCode": str, "Filters": [{"Type": str, "Field": str, "Value": str}], "FormatVersion": str, **PAGES},
}


@dataclass(frozen=True, slots=True)
class Service:
    """A service by boto3's name; ``operations`` are action to parameters. Tests hold them against botocore's descriptions."""

    name: str
    operations: Mapping[str, Mapping[str, Spec]]

    def actions(self) -> dict[str, str]:
        """Return {boto3's name of the method: action}."""
        return {re.sub(r"(?<!^)([A-Z])", r"_\1", action).lower(): action for action in self.operations}

    def pageable(self) -> frozenset[str]:
        """Return the names of the methods that have pages."""
        return frozenset(name for name, action in self.actions().items() if PAGES.keys() <= self.operations[action].keys())


EC2 = Service("ec2", OPERATIONS)
BALANCING = Service("elbv2", BALANCING_OPERATIONS)
DNS = Service("route53", DNS_OPERATIONS)
PRICING = Service("pricing", PRICING_OPERATIONS)
SERVICES = {service.name: service for service in (EC2, BALANCING, DNS, PRICING)}
