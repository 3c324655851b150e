"""Images that outlived the instance whose daemon began them: looked for where a rescue has nothing else to launch from.

EC2 copies a disk as it was when the image was asked for, and completes that also when the instance has ended meanwhile. Only the daemon
that asked would have told of it.
"""

from __future__ import annotations

from sqlalchemy import exists, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, switches
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.actors import Act
from spot_server.features.commands.demands import Demand, press
from spot_server.features.images.queries import IS_AVAILABLE, waits_for_rescue
from spot_server.features.images.rules import anchor_of
from spot_server.features.images.service import ATTEMPTS_READ, REFRESH_PREFIX
from spot_server.features.replicas.image_queries import newest_image
from spot_server.words import Carry, CommandKind, CommandStatus

_WITHOUT_IMAGE = (
    select(agents.c.agent_id)
    .where(
        agents.c.deleted_at.is_(None),
        agents.c.enabled.is_(True),
        agents.c.carry.not_in((Carry.STATELESS, Carry.VOLUME)),
        exists().where(switches.c.agent_id == agents.c.agent_id, switches.c.resume_at.is_not(None)),
        ~exists().where(IS_AVAILABLE),
    )
    .order_by(agents.c.agent_id)
)


def agents_without_image(tx: Transaction) -> list[str]:
    """Return the agents whose rescue gave up and which have no image that is known."""
    return list(tx.execute(_WITHOUT_IMAGE).scalars())


def seek_left_image(tx: Transaction, *, agent_id: str) -> str | None:
    """Have the control role find, by its name, the agent's first image that a daemon began; return what was done, or None.

    The rescue goes on by itself once the image is known. A refusal ends the search: then EC2 has no such image, and nothing to make it of.
    """
    agent = load_agent(tx, agent_id, for_update=True)
    is_wanted = agent.enabled and not agent.is_deleted and newest_image(tx, agent_id) is None
    if not is_wanted or not waits_for_rescue(tx, agent_id):
        return None
    prefix = REFRESH_PREFIX + anchor_of(None)
    attempts = command_queries.newest_attempts(tx, agent_id, prefix, most=ATTEMPTS_READ)
    begun = next((command for command in attempts if command.first_delivered_at is not None), None)
    if begun is None or attempts[0].status is CommandStatus.FAILED:
        return None
    instance_id = str(begun.payload["instance_id"])
    press(tx, agent, Demand(prefix, Act.REFRESH_IMAGE, CommandKind.CREATE_IMAGE, instance_id, begun.payload, tx.policy.image_bound_seconds))
    asked = command_queries.newest_attempts(tx, agent_id, prefix, most=1)
    return f"{agent.logical_agent_id}: looks for the image that {instance_id} began" if asked[0].issued_at == tx.now else None
