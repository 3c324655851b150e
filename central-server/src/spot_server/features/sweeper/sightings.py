"""What daemons' heartbeats and a control role show of EC2, as sightings. Dicts stop here; what makes no sense is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from spot_server.aws.ports import TAG_AGENT_ID, TAG_CLIENT_ID, TAG_EPOCH, TAG_LAUNCH_TOKEN, TAG_REPLICA_ID, InstanceFacts
from spot_server.features.commands.actors import CONTROL_ROLE_INSTANCE_ID
from spot_server.features.images.rules import ImageLook
from spot_server.features.sweeper.rules import Sighting
from spot_server.moments import read_told_moment

LARGEST_EPOCH = 2**31 - 1
"""What the column holds; a tag that says more makes no sense."""

LONGEST_ID_CHARACTERS = 64
LONGEST_AGE_SECONDS = 86_400.0
"""An older look is none; and no number that a clock cannot hold."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the daemon of a PRIMARY or a REPLICA last said of the resources that it sees. A ZOMBIE's word ends nothing."""

    client_id: str
    agent_id: str
    logical_agent_id: str
    instance_id: str
    heard_at: datetime
    resources: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VolumeSighting:
    """A volume under our tags. The daemons look for those of their own agent only."""

    volume_id: str
    state: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance, and who saw it. A daemon is believed about agents of its own name only; `logical_agent_id` None: about all."""

    sighting: Sighting
    reporter_id: str
    logical_agent_id: str | None
    is_client_known: bool = True
    """Whether its tags name its client. One that we did not launch names none: it may be another's, under the same name."""


def instances_of_report(report: Report) -> list[Seen]:
    """Return the instances of a report; none of a daemon that does not say when it looked, or whose they are."""
    seen_at = _seen_at(report)
    if seen_at is None:
        return []
    made = [
        (_sighting(item, report.client_id, seen_at), item.get("client_id") is not None) for item in _items(report.resources, "instances")
    ]
    told_by = report.instance_id, report.logical_agent_id
    return [Seen(sighting, *told_by, is_client_known=is_known) for sighting, is_known in made if sighting is not None]


def volumes_of_report(report: Report) -> list[VolumeSighting]:
    """Return the volumes of a report, with the same condition."""
    seen_at = _seen_at(report)
    if seen_at is None:
        return []
    listed = [(_text(item, "volume_id"), _text(item, "state")) for item in _items(report.resources, "volumes")]
    return [VolumeSighting(volume_id, state, seen_at) for volume_id, state in listed if volume_id and state]


def images_of_report(report: Report) -> ImageLook | None:
    """Return what a report shows of images, with the same condition. One of them that makes no sense may be any: then not all are known."""
    seen_at = _seen_at(report)
    if seen_at is None or not isinstance(report.resources.get("images"), list):
        return None
    listed = [(_text(item, "image_id"), _text(item, "state")) for item in _items(report.resources, "images")]
    state_of = {image_id: state for image_id, state in listed if image_id and state}
    is_complete = report.resources.get("truncated") is False and len(state_of) == len(report.resources["images"])
    return ImageLook(seen_at, state_of, is_complete)


def instances_of_role(found: Iterable[InstanceFacts], holders: frozenset[str], seen_at: datetime) -> list[Seen]:
    """Return what the control role found, with EC2's word about addresses."""
    return [Seen(_of_facts(made, holders, seen_at), CONTROL_ROLE_INSTANCE_ID, None) for made in found]


def merged(seen: Iterable[Seen]) -> list[Seen]:
    """Return each instance once, as it was seen last. Whoever saw it hold an address is believed."""
    newest: dict[str, Seen] = {}
    holders: set[str] = set()
    for one in sorted(seen, key=lambda each: each.sighting.seen_at):
        newest[one.sighting.instance_id] = one
        if one.sighting.holds_address:
            holders.add(one.sighting.instance_id)
    return [
        replace(one, sighting=replace(one.sighting, holds_address=True)) if instance_id in holders else one
        for instance_id, one in newest.items()
    ]


def _of_facts(made: InstanceFacts, holders: frozenset[str], seen_at: datetime) -> Sighting:
    return Sighting(
        instance_id=made.instance_id,
        state=made.state,
        seen_at=seen_at,
        launched_at=made.launched_at,
        client_id=made.tags.get(TAG_CLIENT_ID),
        agent_id=made.tags.get(TAG_AGENT_ID),
        replica_id=made.tags.get(TAG_REPLICA_ID),
        launch_token=made.tags.get(TAG_LAUNCH_TOKEN),
        client_token=made.client_token,
        epoch=_epoch(made.tags.get(TAG_EPOCH)),
        holds_address=made.instance_id in holders,
    )


def _sighting(item: Mapping[str, Any], client_id: str, seen_at: datetime) -> Sighting | None:
    """An instance that we did not launch has no tag of its client: then the agent that its tags name says whose it is."""
    instance_id, state = _text(item, "instance_id"), _text(item, "state")
    # A daemon that does not know of tags says nothing that could be judged.
    if instance_id is None or state is None or "client_token" not in item:
        return None
    holds_address = item.get("holds_address")
    return Sighting(
        instance_id=instance_id,
        state=state,
        seen_at=seen_at,
        launched_at=read_told_moment(item.get("launched_at")),
        client_id=client_id if item.get("client_id") is None else _text(item, "client_id"),
        agent_id=_text(item, "agent_id"),
        replica_id=_text(item, "replica_id"),
        launch_token=_text(item, "launch_token"),
        client_token=_text(item, "client_token"),
        epoch=_epoch(item.get("epoch")),
        holds_address=holds_address if isinstance(holds_address, bool) else None,
    )


def _seen_at(report: Report) -> datetime | None:
    age_seconds = report.resources.get("age_seconds")
    if not isinstance(age_seconds, int | float) or isinstance(age_seconds, bool) or not 0 <= age_seconds < LONGEST_AGE_SECONDS:
        return None
    return report.heard_at - timedelta(seconds=age_seconds)


def _items(resources: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    listed = resources.get(kind)
    return [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []


def _text(item: Mapping[str, Any], name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID_CHARACTERS else None


def _epoch(value: object) -> int | None:
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdecimal() and len(value) <= 10 else None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= LARGEST_EPOCH else None  # type: ignore[operator,return-value]
