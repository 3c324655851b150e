"""What carries our tags in EC2, for the heartbeats: the server compares it with its books, and ends what nobody owns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from spot_agent import metrics
from spot_agent.clock import Clock, since_boot_seconds
from spot_agent.discovery import Discoverer
from spot_agent.ec2_facts import InstanceFacts
from spot_agent.errors import Ec2Failed
from spot_agent.journal_contents import JournalContents
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import (
    TAG_AGENT_ID,
    TAG_CLIENT_ID,
    TAG_EPOCH,
    TAG_LAUNCH_TOKEN,
    TAG_LOGICAL_AGENT_ID,
    TAG_MANAGED,
    TAG_REPLICA_ID,
    JsonObject,
)
from spot_agent.ports import Ec2
from spot_agent.rules.ownership import is_ours, tags_of_agent, tags_to_set
from spot_agent.timestamps import UTC, to_wire
from spot_agent.volume_watch import VolumeWatch

LONG_AGO = datetime.min.replace(tzinfo=UTC)
MOST_LISTED = 50
"""Of each kind, the newest first: heartbeats stay small, whatever is left lying about."""


class Observer:
    """Refreshes what the heartbeats tell of EC2, and keeps in EC2 whose this instance is, and the epoch for a database that is restored."""

    def __init__(self, ec2: Ec2, discoverer: Discoverer, live: Live, clock: Clock, log: Log) -> None:
        self._ec2 = ec2
        self._discoverer = discoverer
        self._live = live
        self._clock = clock
        self._log = log
        self._tagging_trouble: str | None = None
        self._volumes = VolumeWatch(ec2, live, log)

    def observe(self, contents: JournalContents) -> bool:
        """One look; False when EC2 did not answer all of it."""
        instance = self._discoverer.look_at_self()
        seen_seconds = since_boot_seconds(self._clock)
        try:
            resources = self._resources(contents)
        except Ec2Failed as error:
            self._log.warning("resources_not_observed", error_class=error.error_class, code=error.code)
            return False
        self._live.change(lambda facts: replace(facts, resources=resources, resources_seen_seconds=seen_seconds))
        if instance is None:
            return False
        are_volumes_told = self._volumes.look(instance, contents)
        return self._keep_tags(instance, contents) and are_volumes_told

    def _resources(self, contents: JournalContents) -> JsonObject:
        # By name: the first instance may lack the agent's id, and whose any other is, its tags tell the server. Its own agent's come first.
        named = {TAG_MANAGED: "true", TAG_LOGICAL_AGENT_ID: contents.logical_agent_id}
        agent_id = contents.agent_id or ""
        running = [made for made in self._ec2.find_instances(named) if made.state != "terminated"]
        instances = sorted(running, key=lambda made: (made.tags.get(TAG_AGENT_ID) == agent_id, made.launched_at or LONG_AGO), reverse=True)
        own_images = self._ec2.find_images(tags_of_agent(agent_id, contents.logical_agent_id))
        images = sorted(own_images, key=lambda made: made.created_at or LONG_AGO, reverse=True)
        available = [made.created_at for made in images if made.state == "available" and made.created_at is not None]
        metrics.NEWEST_IMAGE.set(available[0].timestamp() if available else 0)
        # Also those that a notice left behind, which carry their owner's tags alone, and not that they are managed.
        volumes = self._ec2.find_volumes({TAG_AGENT_ID: agent_id, TAG_LOGICAL_AGENT_ID: contents.logical_agent_id})
        holders = self._holders(contents)
        return {
            "instances": [_instance(made, holders) for made in instances[:MOST_LISTED]],
            "images": [
                {
                    "image_id": made.image_id,
                    "name": made.name,
                    "state": made.state,
                    "created_at": to_wire(made.created_at) if made.created_at else None,
                }
                for made in images[:MOST_LISTED]
            ],
            "volumes": [{"volume_id": made, "state": state} for made, state in volumes[:MOST_LISTED]],
            "truncated": any(len(listed) > MOST_LISTED for listed in (instances, images, volumes)),
        }

    def _holders(self, contents: JournalContents) -> frozenset[str] | None:
        """The instances that hold one of the agent's addresses; None when EC2 would not say."""
        try:
            held = [self._ec2.describe_address(allocation_id) for allocation_id in _allocation_ids(contents)]
        except Ec2Failed as error:
            self._log.warning("addresses_not_observed", error_class=error.error_class, code=error.code)
            return None
        return frozenset(address.instance_id for address in held if address is not None and address.instance_id is not None)

    def _keep_tags(self, instance: InstanceFacts, contents: JournalContents) -> bool:
        """Without its tags nobody terminates this instance for us, and no sweep finds it. A right to tag that is missing is said once."""
        missing = self._missing_tags(instance, contents)
        trouble = None
        try:
            if missing:
                self._ec2.tag(instance.instance_id, missing)
        except Ec2Failed as error:
            trouble = error.code
            if trouble != self._tagging_trouble:
                self._log.warning("own_tags_not_set", error_class=error.error_class, code=error.code, tags=sorted(missing))
        self._tagging_trouble = trouble
        return trouble is None

    def _missing_tags(self, instance: InstanceFacts, contents: JournalContents) -> dict[str, str]:
        """The epoch only of a primary that may serve, and only of an instance that is ours."""
        if contents.agent_id is None or contents.released:
            return {}
        missing = tags_to_set(instance.tags, contents.agent_id, contents.logical_agent_id)
        owned = is_ours({**instance.tags, **missing}, contents.agent_id)
        if owned and contents.may_serve and (_epoch(instance) or 0) < contents.epoch:
            missing[TAG_EPOCH] = str(contents.epoch)
        return missing


def _instance(made: InstanceFacts, holders: frozenset[str] | None) -> JsonObject:
    return {
        "instance_id": made.instance_id,
        "state": made.state,
        "launched_at": to_wire(made.launched_at) if made.launched_at else None,
        "client_id": made.tags.get(TAG_CLIENT_ID),
        "agent_id": made.tags.get(TAG_AGENT_ID),
        "replica_id": made.tags.get(TAG_REPLICA_ID),
        "launch_token": made.tags.get(TAG_LAUNCH_TOKEN),
        "client_token": made.client_token,
        "epoch": _epoch(made),
        "holds_address": None if holders is None else made.instance_id in holders,
    }


def _epoch(made: InstanceFacts) -> int | None:
    """The epoch in its tags; None when there is none that can be read."""
    text = made.tags.get(TAG_EPOCH, "")
    return int(text) if text.isascii() and text.isdecimal() else None


def _allocation_ids(contents: JournalContents) -> Sequence[str]:
    handles = (contents.config or {}).get("traffic_handles")
    listed = handles if isinstance(handles, list) else []
    return [str(handle["allocation_id"]) for handle in listed if isinstance(handle, dict) and handle.get("allocation_id")]
