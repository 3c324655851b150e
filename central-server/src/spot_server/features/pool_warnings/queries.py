"""Finding primaries in pools that were interrupted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, exists, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, game_days, instances, spot_interruption_events, switches
from spot_server.features.interruptions.rules import FORCING_KINDS
from spot_server.features.pool_warnings.rules import Neighbour
from spot_server.words import InterruptionKind, Mode, Role

_INTERRUPTING = FORCING_KINDS | {InterruptionKind.LOSS}
"""What says something about a pool: EC2's word. A silence is no more than a suspicion, a recommendation and a warning are guesses."""


def _neighbours() -> Select[*tuple[Any, ...]]:
    cause, warning, other = spot_interruption_events.alias("cause"), spot_interruption_events.alias("warning"), instances.alias("other")
    taken = instances.alias("taken")
    in_pool = (other.c.region == cause.c.region, other.c.az_id == cause.c.az_id, other.c.instance_type == cause.c.instance_type)
    is_warned = exists().where(
        warning.c.agent_id == other.c.agent_id,
        warning.c.kind == InterruptionKind.POOL_WARNING,
        warning.c.az_id == other.c.az_id,
        warning.c.instance_type == other.c.instance_type,
        warning.c.received_at > bindparam("warned_before"),
    )
    return (
        select(other.c.agent_id, other.c.instance_id, cause.c.event_id.label("cause_id"), cause.c.received_at.label("interrupted_at"))
        .join_from(cause, taken, (taken.c.agent_id == cause.c.agent_id) & (taken.c.instance_id == cause.c.instance_id))
        .join(other, in_pool[0] & in_pool[1] & in_pool[2])
        .join(agents, agents.c.agent_id == other.c.agent_id)
        .where(
            cause.c.received_at > bindparam("interrupted_since"),
            cause.c.kind.in_(_INTERRUPTING),
            cause.c.game_day_id.is_(None),
            ~exists().where(game_days.c.active_key == cause.c.agent_id),
            taken.c.mode == Mode.SPOT,
            other.c.role == Role.PRIMARY,
            other.c.mode == Mode.SPOT,
            other.c.instance_id != cause.c.instance_id,
            other.c.role_changed_at <= cause.c.received_at,
            agents.c.deleted_at.is_(None),
            ~exists().where(switches.c.active_key == other.c.agent_id),
            ~is_warned,
        )
    )


_NEIGHBOURS = _neighbours()


def list_neighbours(tx: Transaction, *, interrupted_since: datetime, warned_before: datetime) -> list[Neighbour]:
    """Return the spot PRIMARYs in whose pool another spot instance, of whichever client, was interrupted since then.

    Left out are those that were warned of the pool after `warned_before`, that a move takes elsewhere, that came after the interruption,
    and what a game day plays.
    """
    rows = tx.execute(_NEIGHBOURS, {"interrupted_since": interrupted_since, "warned_before": warned_before})
    return [Neighbour(**row._asdict()) for row in rows]


def last_warning(tx: Transaction, agent_id: str, az_id: str, instance_type: str) -> datetime | None:
    """Return when the agent was last warned of this pool, or None."""
    table = spot_interruption_events
    where = (
        table.c.agent_id == agent_id,
        table.c.kind == InterruptionKind.POOL_WARNING,
        table.c.az_id == az_id,
        table.c.instance_type == instance_type,
    )
    found: datetime | None = tx.execute(
        select(table.c.received_at).where(*where).order_by(table.c.received_at.desc()).limit(1)
    ).scalar_one_or_none()
    return found
