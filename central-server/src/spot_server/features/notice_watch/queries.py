"""Whom the server looks after itself, and what it has told of already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import select

from spot_server.aws.ports import ControlRole
from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, clients, instances, interruption_sightings, spot_interruption_events
from spot_server.features.interruptions.rules import FORCING_KINDS, SAME_NOTICE_SECONDS
from spot_server.words import Mode, NoticeChannel, Role


@dataclass(frozen=True, slots=True)
class Watched:
    """An instance that serves or stands by. `is_spot`: it may have a spot request; only what is on demand for certain has none."""

    agent_id: str
    instance_id: str
    is_spot: bool


@dataclass(frozen=True, slots=True)
class Territory:
    """A client's control role in one region, and the instances there."""

    client_id: str
    role: ControlRole
    region: str
    watched: tuple[Watched, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Client and region."""
        return self.client_id, self.region

    @property
    def instance_ids(self) -> list[str]:
        """All of them."""
        return [one.instance_id for one in self.watched]

    @property
    def spot_instance_ids(self) -> list[str]:
        """Those that may have a spot request."""
        return [one.instance_id for one in self.watched if one.is_spot]


_WATCHED = (
    select(
        clients.c.client_id,
        clients.c.aws_role_arn,
        clients.c.aws_external_id,
        instances.c.region,
        instances.c.agent_id,
        instances.c.instance_id,
        instances.c.mode,
    )
    .join_from(clients, agents)
    .join(instances, instances.c.agent_id == agents.c.agent_id)
    .where(clients.c.aws_role_arn.is_not(None), agents.c.deleted_at.is_(None), instances.c.role.in_((Role.PRIMARY, Role.REPLICA)))
    .order_by(clients.c.client_id, instances.c.region, instances.c.instance_id)
)


def list_territories(tx: Transaction) -> list[Territory]:
    """Return the PRIMARY and REPLICA instances of living agents whose client gave a control role."""
    return [
        Territory(
            client_id,
            ControlRole(role_arn, external_id, f"spot-optimizer-{client_id}"),
            region,
            tuple(Watched(row.agent_id, row.instance_id, row.mode is not Mode.ON_DEMAND) for row in group),
        )
        for (client_id, role_arn, external_id, region), group in groupby(
            tx.execute(_WATCHED), key=lambda row: (row.client_id, row.aws_role_arn, row.aws_external_id, row.region)
        )
    ]


def told_end(tx: Transaction, watched: Watched, end_at: datetime) -> bool:
    """Tell whether this channel has told of an end of the instance at about that time."""
    event, seen, window = spot_interruption_events, interruption_sightings, timedelta(seconds=SAME_NOTICE_SECONDS)
    statement = (
        select(event.c.event_id)
        .join_from(event, seen)
        .where(
            event.c.agent_id == watched.agent_id,
            event.c.instance_id == watched.instance_id,
            event.c.kind.in_(FORCING_KINDS),
            event.c.action_at.between(end_at - window, end_at + window),
            seen.c.channel == NoticeChannel.CONTROL_ROLE,
        )
    )
    return tx.execute(statement.limit(1)).first() is not None


def told_action_at(tx: Transaction, watched: Watched, notice_id: str) -> tuple[bool, datetime | None]:
    """Return whether this channel has told of the notice under this name, and the time that the event names now."""
    event, seen = spot_interruption_events, interruption_sightings
    statement = (
        select(event.c.action_at)
        .join_from(event, seen)
        .where(seen.c.agent_id == watched.agent_id, seen.c.notice_id == notice_id, seen.c.channel == NoticeChannel.CONTROL_ROLE)
    )
    row = tx.execute(statement).one_or_none()
    return (False, None) if row is None else (True, row.action_at)
