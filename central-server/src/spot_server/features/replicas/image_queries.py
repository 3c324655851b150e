"""Reading and writing the images that replicas are launched from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, insert, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import agent_images
from spot_server.features.replicas.image_rules import AgentImage, Purpose, pick_image

_COLUMNS = [agent_images.c[name] for name in AgentImage.__dataclass_fields__]


_AVAILABLE = (
    select(*_COLUMNS)
    .where(
        agent_images.c.agent_id == bindparam("agent_id"),
        agent_images.c.available_at.is_not(None),
        agent_images.c.deregistered_at.is_(None),
    )
    .order_by(agent_images.c.started_at.desc(), agent_images.c.image_id.desc())
)


def available_images(tx: Transaction, agent_id: str) -> list[AgentImage]:
    """Return the images that an instance of the agent could be launched from, the newest state first."""
    return [AgentImage(*row) for row in tx.execute(_AVAILABLE, {"agent_id": agent_id})]


def best_image(tx: Transaction, agent_id: str, purpose: Purpose) -> AgentImage | None:
    """Return the image to launch from for this purpose; None when there is none."""
    return pick_image(available_images(tx, agent_id), purpose)


def last_good_image(tx: Transaction, agent_id: str, *, until: datetime) -> AgentImage | None:
    """Return the image to go back to: of those whose state is not later than `until`, the newest that has booted, else the newest."""
    return pick_image([one for one in available_images(tx, agent_id) if one.started_at <= until], Purpose.EMERGENCY)


def newest_image(tx: Transaction, agent_id: str) -> AgentImage | None:
    """Return the available image that holds the newest state, whether it ever booted or not; None when there is none."""
    return next(iter(available_images(tx, agent_id)), None)


def last_deregistered_at(tx: Transaction, agent_id: str) -> datetime | None:
    """Return when an image of the agent was last taken away; None when none was."""
    found: datetime | None = tx.execute(
        select(func.max(agent_images.c.deregistered_at)).where(agent_images.c.agent_id == agent_id)
    ).scalar_one()
    return found


_IMAGE = select(*_COLUMNS).where(agent_images.c.agent_id == bindparam("agent_id"), agent_images.c.image_id == bindparam("image_id"))


def find_image(tx: Transaction, agent_id: str, image_id: str) -> AgentImage | None:
    """Return one image of the agent, or None."""
    row = tx.execute(_IMAGE, {"agent_id": agent_id, "image_id": image_id}).one_or_none()
    return None if row is None else AgentImage(*row)


def store_image(tx: Transaction, image: AgentImage) -> None:
    """Remember an image; a repeat changes nothing."""
    if find_image(tx, image.agent_id, image.image_id) is None:
        tx.execute(insert(agent_images).values({name: getattr(image, name) for name in AgentImage.__dataclass_fields__}))


def mark_deregistered(tx: Transaction, agent_id: str, image_ids: Sequence[str]) -> int:
    """Note that these images are gone: nothing is launched from them any more. Return of how many that was not known."""
    noted = update(agent_images).where(
        agent_images.c.agent_id == agent_id, agent_images.c.image_id.in_(image_ids), agent_images.c.deregistered_at.is_(None)
    )
    return tx.execute(noted.values(deregistered_at=tx.now)).rowcount


def mark_image_booted(tx: Transaction, agent_id: str, image_id: str) -> None:
    """Note that an instance launched from this image passed its standby check."""
    _mark(tx, agent_id, image_id, "has_booted")


def mark_image_failed(tx: Transaction, agent_id: str, image_id: str) -> None:
    """Note that an instance launched from this image did not come up in its time."""
    _mark(tx, agent_id, image_id, "has_failed")


def _mark(tx: Transaction, agent_id: str, image_id: str, column: str) -> None:
    tx.execute(update(agent_images).where(agent_images.c.agent_id == agent_id, agent_images.c.image_id == image_id).values({column: True}))
