"""What the heartbeats tell of the volumes of this instance, and that data volumes outlive it and are known as their agent's.

For agents whose carry is `volume`.
"""

from __future__ import annotations

from dataclasses import replace

from spot_agent.ec2_facts import InstanceFacts
from spot_agent.errors import Ec2Failed
from spot_agent.journal_contents import JournalContents
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import JsonObject
from spot_agent.ports import Ec2
from spot_agent.rules.volumes import attached_volumes, data_volumes_among, devices_to_keep, tags_of_owner
from spot_agent.settings import CARRY_VOLUME


class VolumeWatch:
    """One look with each look at EC2. The server plans moves by what is told here, also those of an instance that is gone."""

    def __init__(self, ec2: Ec2, live: Live, log: Log) -> None:
        self._ec2 = ec2
        self._live = live
        self._log = log
        self._trouble: str | None = None
        self._marking_trouble: str | None = None

    def look(self, instance: InstanceFacts, contents: JournalContents) -> bool:
        """False when EC2 did not answer all of it. A right that is missing is said once, and seen in what is told."""
        config = contents.config or {}
        if config.get("carry") != CARRY_VOLUME:
            return True
        trouble = None
        try:
            listed = self._listed(instance)
            own = self._own(listed, config) if contents.may_serve else []
            kept = self._keep(instance, own)
            told = tuple({**held, "delete_on_termination": False} if held["device_name"] in kept else held for held in listed)
            self._live.change(lambda facts: replace(facts, attached_volumes=told))
        except Ec2Failed as error:
            trouble = error.code
            if trouble != self._trouble:
                self._log.warning("volumes_not_observed", error_class=error.error_class, code=error.code)
        else:
            self._mark(own, contents)
        self._trouble = trouble
        return trouble is None

    def _listed(self, instance: InstanceFacts) -> list[JsonObject]:
        return attached_volumes(instance, self._ec2.ebs.describe([held.volume_id for held in instance.volumes]))

    def _own(self, listed: list[JsonObject], config: JsonObject) -> list[JsonObject]:
        wanted = config.get("data_volumes")
        return data_volumes_among(listed, wanted if isinstance(wanted, list) else [])

    def _mark(self, data_volumes: list[JsonObject], contents: JournalContents) -> None:
        """Tag the data volumes with their agent: by that they are found, and told of, once a move has left them attached to nothing."""
        if contents.agent_id is None or contents.released:
            return
        trouble = None
        try:
            for held in data_volumes:
                missing = tags_of_owner(held, contents.agent_id, contents.logical_agent_id)
                if missing:
                    self._ec2.tag(str(held["volume_id"]), missing)
        except Ec2Failed as error:
            trouble = error.code
            if trouble != self._marking_trouble:
                self._log.warning("data_volumes_not_tagged", error_class=error.error_class, code=error.code)
        self._marking_trouble = trouble

    def _keep(self, instance: InstanceFacts, data_volumes: list[JsonObject]) -> frozenset[str]:
        """Have EC2 keep the data volumes when it ends this instance; which were set to go. What EC2 refuses is told as it is."""
        devices = devices_to_keep(data_volumes)
        if not devices:
            return frozenset()
        try:
            self._ec2.keep_volumes(instance.instance_id, devices)
        except Ec2Failed as error:
            self._log.failure("data_volumes_not_kept", error_class=error.error_class, code=error.code, devices=devices)
            return frozenset()
        self._log.info("data_volumes_kept", devices=devices)
        return frozenset(devices)
