"""Images that EC2 has no more, although our books have them. The caller holds the agent's row."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.notifications.service import notify
from spot_server.features.replicas.image_queries import best_image, find_image, mark_deregistered
from spot_server.features.replicas.image_rules import Purpose
from spot_server.features.replicas.launching import images_of_others, last_primary
from spot_server.features.replicas.queries import Replica
from spot_server.words import ReplicaKind, Severity


def note_gone(tx: Transaction, agent: Agent, image_id: str, why: str) -> bool:
    """Remember that nothing can be launched from this image any more, and tell, once; False when as much was known.

    An image that is none of the agent's own making (its base image) is only told of: a person names another.
    """
    is_own = find_image(tx, agent.agent_id, image_id) is not None
    if is_own and mark_deregistered(tx, agent.agent_id, [image_id]) == 0:
        return False
    if is_own:
        data = {"image_id": image_id, "why": why}
        tx.emit("image_gone", client_id=agent.client_id, agent_id=agent.agent_id, data=data)
    then = "nothing is launched from it any more" if is_own else "name another base image"
    return notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="image_gone",
        text=f"EC2 no longer has the image {image_id} of {agent.logical_agent_id} ({why}): {then}. Was it deregistered by hand?",
        dedupe_key=f"image_gone/{agent.agent_id}/{image_id}",
    )


def choose_other(tx: Transaction, agent: Agent, replica: Replica, why: str) -> str | None:
    """Note that the replica's image is gone, and return the one to launch it from instead; None: the replica must be given up.

    That of a planned move must be: it can be taken back, and an older image would lose what its own was made to bring along.
    """
    gone = str(replica.image_id)
    note_gone(tx, agent, gone, why)
    if replica.kind is ReplicaKind.SWITCH:
        return None
    own = best_image(tx, agent.agent_id, Purpose.EMERGENCY if replica.kind is ReplicaKind.EMERGENCY else Purpose.PLANNED)
    if own is not None and own.image_id != gone:
        return own.image_id
    others = [other.image_id for other in images_of_others(agent, last_primary(tx, agent))]
    # After the one that is gone: so this ends, although nothing is kept of images that are not the agent's own.
    left = others[others.index(gone) + 1 :] if gone in others else others
    return next((other for other in left if other != gone), None)
