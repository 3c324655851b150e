"""The traffic handles of a fleet's agents: what a person prepares of each kind in AWS, and how clients ask through it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from spot_simulator.memory.region import MemoryRegion
from spot_simulator.ports import Lead

PERSON = "person"
"""The caller of what people do in AWS."""
ZONE_NAME = "example.com"
CHECK_INTERVAL_SECONDS = 5
DRAIN_SECONDS = 10
TTL_SECONDS = 30
"""As docs/handles.md advises."""


class HandleKind(StrEnum):
    """As the product names them."""

    ELASTIC_IP = "elastic_ip"
    SECONDARY_PRIVATE_IP = "secondary_private_ip"
    TARGET_GROUP = "target_group"
    ROUTE53_RECORD = "route53_record"
    HOOK = "hook"


@dataclass(frozen=True, slots=True)
class Handle:
    """A handle that is there and leads nowhere yet. ``setting`` is what the daemon is told; ``lead`` puts an instance behind it."""

    kind: HandleKind
    setting: Mapping[str, Any]
    find_front: Callable[[], str | None]
    """Where clients ask; None while there is no such place yet."""
    lead: Callable[[str], object]


@dataclass(slots=True)
class OwnSwitches:
    """What hooks of clients work: a way of their own to the workload, which obeys at once and can be asked."""

    region: MemoryRegion
    unheard: set[str] = field(default_factory=set)
    """Names of those through which a client's request gets no answer, wherever they lead."""
    _fronts: dict[str, str] = field(default_factory=dict)
    _led: dict[str, str] = field(default_factory=dict)

    def add(self, name: str) -> str:
        """Make one, and return its front."""
        self._fronts[name] = self.region.fronts.new()
        self.region.traffic.listen(self._fronts[name])
        return self._fronts[name]

    def take(self, name: str, instance_id: str) -> bool:
        """Lead clients to an instance."""
        self._led[name] = instance_id
        self.region.traffic.route(self._fronts[name], [Lead(self.region.machines.by_id[instance_id].private_ip)])
        return True

    def leads_to(self, name: str, instance_id: str) -> bool:
        """Whether clients are led to an instance, and answered."""
        return self._led.get(name) == instance_id and name not in self.unheard


class HandleMaker:
    """Prepares handles as a person does."""

    def __init__(self, region: MemoryRegion, switches: OwnSwitches) -> None:
        """All agents' records are in one zone."""
        self._region, self._switches = region, switches
        self._ec2 = region.ec2_client(PERSON)
        self._zone_id: str | None = None
        self._made = 0
        self._kinds: Mapping[HandleKind, Callable[[str, str], Handle]] = {
            HandleKind.ELASTIC_IP: self._elastic_ip,
            HandleKind.SECONDARY_PRIVATE_IP: self._secondary,
            HandleKind.TARGET_GROUP: self._target_group,
            HandleKind.ROUTE53_RECORD: self._record,
            HandleKind.HOOK: self._hook,
        }

    def make(self, kind: HandleKind, agent: str, subnet_id: str) -> Handle:
        """Prepare a handle for an agent whose first instance is in a subnet."""
        self._made += 1
        return self._kinds[kind](agent, subnet_id)

    def _elastic_ip(self, agent: str, subnet_id: str) -> Handle:
        del subnet_id
        address = self._ec2.allocate_address(Domain="vpc")
        tags = {"spot-optimizer:managed": "true", "spot-optimizer:logical-agent-id": agent, "Name": agent}
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._ec2.create_tags(Resources=[address["AllocationId"]], Tags=listed)
        return Handle(
            HandleKind.ELASTIC_IP,
            {"allocation_id": address["AllocationId"]},
            lambda: str(address["PublicIp"]),
            lambda instance_id: self._ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance_id),
        )

    def _secondary(self, agent: str, subnet_id: str) -> Handle:
        del agent
        cidr = self._ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"][0]["CidrBlock"]
        first, second, third, _ = cidr.split(".")
        shared_ip = f"{first}.{second}.{int(third) + 1}.{100 + self._made}"

        def lead(instance_id: str) -> None:
            described = self._ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
            interface_id = described["NetworkInterfaces"][0]["NetworkInterfaceId"]
            self._ec2.assign_private_ip_addresses(NetworkInterfaceId=interface_id, PrivateIpAddresses=[shared_ip])

        held = self._region.secondary_addresses.holders
        return Handle(HandleKind.SECONDARY_PRIVATE_IP, {"private_ip": shared_ip}, lambda: shared_ip if shared_ip in held else None, lead)

    def _target_group(self, agent: str, subnet_id: str) -> Handle:
        del subnet_id
        client = self._region.client("elbv2", PERSON)
        made = client.create_target_group(
            Name=f"{agent}-{self._made}",
            Protocol="HTTP",
            Port=8080,
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=CHECK_INTERVAL_SECONDS,
            UnhealthyThresholdCount=2,
        )
        arn = made["TargetGroups"][0]["TargetGroupArn"]
        drain = {"Key": "deregistration_delay.timeout_seconds", "Value": str(DRAIN_SECONDS)}
        client.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[drain])
        front = self._region.target_groups.by_arn[arn].front
        return Handle(
            HandleKind.TARGET_GROUP,
            {"target_group_arn": arn},
            lambda: front,
            lambda instance_id: client.register_targets(TargetGroupArn=arn, Targets=[{"Id": instance_id}]),
        )

    def _record(self, agent: str, subnet_id: str) -> Handle:
        del subnet_id
        client, name = self._region.client("route53", PERSON), f"{agent}.{ZONE_NAME}"
        if self._zone_id is None:
            made = client.create_hosted_zone(Name=ZONE_NAME, CallerReference="fleet")
            self._zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
        zone_id = self._zone_id

        def lead(instance_id: str) -> None:
            value = self._region.machines.by_id[instance_id].private_ip
            record = {"Name": name, "Type": "A", "TTL": TTL_SECONDS, "ResourceRecords": [{"Value": value}]}
            batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
            client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)

        known = self._region.resolver.by_name
        setting = {"hosted_zone_id": zone_id, "record_name": name, "address": "private", "ttl_seconds": TTL_SECONDS}
        return Handle(HandleKind.ROUTE53_RECORD, setting, lambda: known[f"{name}."].front if f"{name}." in known else None, lead)

    def _hook(self, agent: str, subnet_id: str) -> Handle:
        del subnet_id
        front = self._switches.add(agent)
        return Handle(
            HandleKind.HOOK,
            {"name": agent, "bound_seconds": 30},
            lambda: front,
            lambda instance_id: self._switches.take(agent, instance_id),
        )
