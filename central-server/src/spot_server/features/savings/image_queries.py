"""Reading the images that an agent keeps, and how large what they were made of is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agent_images, instances
from spot_server.features.savings.calendar_rules import Stretch

_of_agents: BindParameter[Any] = bindparam("agent_ids", expanding=True)


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image of an agent, and of which volumes (by device name) of which instance it was made."""

    agent_id: str
    image_id: str
    source_instance_id: str | None
    device_names: list[str]
    kept_since: datetime
    kept_until: datetime | None


_IMAGES = select(
    agent_images.c.agent_id,
    agent_images.c.image_id,
    agent_images.c.source_instance_id,
    agent_images.c.device_names,
    agent_images.c.started_at.label("kept_since"),
    agent_images.c.deregistered_at.label("kept_until"),
).where(
    agent_images.c.agent_id.in_(_of_agents),
    agent_images.c.started_at < bindparam("until"),
    or_(agent_images.c.deregistered_at.is_(None), agent_images.c.deregistered_at > bindparam("since")),
)


def kept_images(tx: Transaction, agent_ids: Sequence[str], within: Stretch) -> dict[str, list[ImageRow]]:
    """Return by agent its images that were kept in this time, those that are being made included: their snapshots fill already."""
    found: dict[str, list[ImageRow]] = defaultdict(list)
    if agent_ids:
        for row in tx.execute(_IMAGES, {"agent_ids": list(agent_ids), "since": within.since, "until": within.until}):
            found[row.agent_id].append(ImageRow(**row._asdict()))
    return found


_SIZES = (
    select(instances.c.agent_id, instances.c.instance_id, instances.c.configuration)
    .where(instances.c.agent_id.in_(_of_agents), instances.c.configuration.is_not(None))
    .order_by(instances.c.registered_at)
)


def volume_sizes(tx: Transaction, agent_ids: Sequence[str]) -> dict[tuple[str, str], dict[str, int]]:
    """Return by (agent, instance) how large its volumes are, in GiB by device name; under (agent, "") those of its newest instance."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    if agent_ids:
        for row in tx.execute(_SIZES, {"agent_ids": list(agent_ids)}):
            volumes = row.configuration.get("volumes")
            if volumes:
                sizes = {device: int(volume["size_gib"]) for device, volume in volumes.items() if volume.get("size_gib") is not None}
                found[row.agent_id, row.instance_id] = found[row.agent_id, ""] = sizes
    return found
