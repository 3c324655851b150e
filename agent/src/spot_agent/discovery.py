"""What the instance can find out about itself: mode, launch specification, owner."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spot_agent.ec2_facts import InstanceFacts, SubnetFacts, VolumeSettings
from spot_agent.errors import Ec2Failed, ErrorClass
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import Identity, JsonObject, Mode
from spot_agent.ports import Ec2, Found, Imds
from spot_agent.rules.configuration import configuration, has_cpu_credits
from spot_agent.rules.launch_specification import az_id_of, launch_specification
from spot_agent.rules.modes import agreed_mode, evidence, mode_from_api, mode_from_metadata
from spot_agent.rules.owners import owner_of
from spot_agent.rules.prices import LINUX
from spot_agent.wire import parse_identity

PATH_IDENTITY = "dynamic/instance-identity/document"
PATH_AZ_ID = "meta-data/placement/availability-zone-id"
PATH_LIFE_CYCLE = "meta-data/instance-life-cycle"
_PASSING = (ErrorClass.UNREACHABLE, ErrorClass.THROTTLED, ErrorClass.RACE)


@dataclass(frozen=True, slots=True)
class Discovery:
    """`launch_specification` is None when EC2 would not tell; `may_know_more`: because of a trouble that may pass."""

    mode: Mode
    mode_evidence: JsonObject
    launch_specification: JsonObject | None
    configuration: JsonObject | None
    owner: str | None
    product: str
    az_id: str
    may_know_more: bool


def read_identity(imds: Imds) -> Identity | None:
    """None while the metadata service gives no whole and definite answer."""
    document = imds.read(PATH_IDENTITY)
    if not isinstance(document, Found):
        return None
    zone = imds.read(PATH_AZ_ID)
    return parse_identity(document.text, zone.text.strip() if isinstance(zone, Found) else "")


class Discoverer:
    """Asks the metadata service and EC2; what EC2 refuses is left out, said once, and never guessed."""

    def __init__(self, identity: Identity, imds: Imds, ec2: Ec2, live: Live, log: Log) -> None:
        self._identity = identity
        self._imds = imds
        self._ec2 = ec2
        self._live = live
        self._log = log
        self._has_passing_trouble = False
        self._metadata_said: Mode | None = None
        self._api_said: Mode | None = None

    def discover(self) -> Discovery:
        """All that a registration tells."""
        self._has_passing_trouble = False
        instance = self._describe_self()
        mode = self._note_mode(instance)
        self._note_configuration(instance)
        subnets = self._subnets(instance) if instance else ()
        return Discovery(
            mode=mode,
            mode_evidence=self._live.read().mode_evidence,
            launch_specification=launch_specification(instance, subnets) if instance and subnets else None,
            configuration=self._live.read().configuration,
            owner=owner_of(instance.tags) if instance else None,
            product=(instance.platform_details if instance else None) or LINUX,
            az_id=self._identity.az_id or (az_id_of(instance.subnet_id, subnets) if instance else ""),
            may_know_more=self._has_passing_trouble,
        )

    def look_at_self(self) -> InstanceFacts | None:
        """What EC2 says of this instance now; refreshes the mode. None when it did not answer."""
        instance = self._describe_self()
        self._note_mode(instance)
        self._note_configuration(instance)
        return instance

    def _note_configuration(self, instance: InstanceFacts | None) -> None:
        """What could not be read now leaves standing what was read before."""
        if instance is None:
            return
        seen = configuration(instance, self._volumes(instance), self._cpu_credits(instance))
        self._live.change(lambda facts: replace(facts, configuration=seen, platform_details=instance.platform_details))

    def _volumes(self, instance: InstanceFacts) -> tuple[VolumeSettings, ...] | None:
        try:
            return self._ec2.volume_settings([volume.volume_id for volume in instance.volumes])
        except Ec2Failed as error:
            self._log.warning("volumes_not_described", error_class=error.error_class, code=error.code)
            return None

    def _cpu_credits(self, instance: InstanceFacts) -> str | None:
        if not has_cpu_credits(instance.instance_type):
            return None
        try:
            return self._ec2.cpu_credits(instance.instance_id)
        except Ec2Failed as error:
            self._log.warning("cpu_credits_not_described", error_class=error.error_class, code=error.code)
            return None

    def _describe_self(self) -> InstanceFacts | None:
        try:
            instance = self._ec2.describe_instance(self._identity.instance_id)
            self._has_passing_trouble = instance is None
            return instance
        except Ec2Failed as error:
            self._has_passing_trouble = error.error_class in _PASSING
            self._log.warning("instance_not_described", error_class=error.error_class, code=error.code)
            return None

    def _subnets(self, instance: InstanceFacts) -> tuple[SubnetFacts, ...]:
        try:
            return self._ec2.subnets_of_vpc(instance.vpc_id)
        except Ec2Failed as error:
            self._has_passing_trouble = error.error_class in _PASSING
            self._log.warning("subnets_not_described", error_class=error.error_class, code=error.code)
            return ()

    def _note_mode(self, instance: InstanceFacts | None) -> Mode:
        """What a witness said last stands while it says nothing: one that is busy contradicts nobody, and clears no contradiction."""
        metadata = mode_from_metadata(self._imds.read(PATH_LIFE_CYCLE)) or self._metadata_said
        api = mode_from_api(is_described=instance is not None, lifecycle=instance.lifecycle if instance else None) or self._api_said
        self._metadata_said, self._api_said = metadata, api
        mode, seen = agreed_mode(metadata, api), evidence(metadata, api)
        if self._live.read().mode_evidence not in ({}, seen):
            self._log.warning("mode_changed", mode=mode, **seen)
        self._live.change(lambda facts: replace(facts, mode=mode, mode_evidence=seen))
        return mode
