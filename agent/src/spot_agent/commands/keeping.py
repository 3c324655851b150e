"""Having volumes outlive their instance, marked as their owner's."""

from __future__ import annotations

from collections.abc import Sequence

from spot_agent.commands.handling import Tools
from spot_agent.ec2_facts import InstanceFacts, VolumeFacts
from spot_agent.errors import Ec2Failed
from spot_agent.model import TAG_AGENT_ID, TAG_CLIENT_ID, TAG_LOGICAL_AGENT_ID, TAG_SALVAGED_FROM

TAGS_OF_KEPT = (TAG_CLIENT_ID, TAG_AGENT_ID, TAG_LOGICAL_AGENT_ID, TAG_SALVAGED_FROM)
"""What says whose a kept volume is. Not `managed`, by which our roles could attach it: the right to tag brings no other right."""


def is_root(volume: VolumeFacts, instance: InstanceFacts | None) -> bool:
    """Whether it is the instance's root volume."""
    return instance is not None and volume.device_name == instance.root_device_name


def marked_as_kept(tags: dict[str, str], instance_id: str) -> dict[str, str]:
    """The owner's tags, and the instance that what is kept was taken from."""
    return {**tags, TAG_SALVAGED_FROM: instance_id}


def mark_kept(volumes: Sequence[VolumeFacts], marked: dict[str, str], tools: Tools) -> Ec2Failed | None:
    """Say whose they are; the first refusal is returned, and keeps nothing from being kept."""
    owner = {key: value for key, value in marked.items() if key in TAGS_OF_KEPT}
    try:
        for volume in volumes:
            tools.ec2.tag(volume.volume_id, owner)
    except Ec2Failed as error:
        return error
    return None
