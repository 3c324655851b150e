"""What daemons see in EC2, held against the images in our books: one that is gone is left out before an emergency needs it."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import bindparam, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agent_images
from spot_server.features.agents.queries import load_agent
from spot_server.features.images.rules import ImageLook, is_gone
from spot_server.features.replicas.gone_images import note_gone
from spot_server.features.sweeper.queries import list_reports
from spot_server.features.sweeper.rules import SIGHTING_GOOD_FOR_SECONDS
from spot_server.features.sweeper.sightings import images_of_report

_OF_AGENTS = select(agent_images.c.agent_id, agent_images.c.image_id, agent_images.c.available_at).where(
    agent_images.c.agent_id.in_(bindparam("agent_ids", expanding=True)),
    agent_images.c.available_at.is_not(None),
    agent_images.c.deregistered_at.is_(None),
)


def find_gone_images(tx: Transaction) -> dict[str, list[str]]:
    """Return, by agent, the images in the books that the newest look of its daemons says are gone."""
    looks: dict[str, ImageLook] = {}
    for report in list_reports(tx, heard_within_seconds=SIGHTING_GOOD_FOR_SECONDS):
        look = images_of_report(report)
        earlier = looks.get(report.agent_id)
        if look is not None and (earlier is None or earlier.seen_at < look.seen_at):
            looks[report.agent_id] = look
    found: dict[str, list[str]] = defaultdict(list)
    for agent_id, image_id, available_at in tx.execute(_OF_AGENTS, {"agent_ids": sorted(looks)}):
        if is_gone(image_id, available_at, looks[agent_id], tx.now):
            found[agent_id].append(image_id)
    return dict(found)


def leave_out(tx: Transaction, *, agent_id: str, image_ids: list[str]) -> str | None:
    """Leave these images out and tell; return what was done, or None when it was done before."""
    agent = load_agent(tx, agent_id, for_update=True)
    noted = [one for one in image_ids if note_gone(tx, agent, one, "its daemon's look does not show it")]
    return f"{agent.logical_agent_id}: {', '.join(noted)} gone" if noted else None
