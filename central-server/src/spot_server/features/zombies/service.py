"""Showing the ZOMBIEs of all clients, and having some of them ended, each by the rules that a client's own wish goes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from spot_server.db.runner import Database, Transaction
from spot_server.errors import DatabaseUnavailable, ProductError
from spot_server.features.kept.service import request_end
from spot_server.features.zombies import queries
from spot_server.features.zombies.queries import Zombie
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor


@dataclass(frozen=True, slots=True)
class ZombieName:
    """Which instance is meant."""

    client_id: str
    agent_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class EndedZombie:
    """What became of one. `reason` says why it is not ended; None: its end is under way, or over."""

    client_id: str
    agent_id: str
    instance_id: str
    reason: str | None

    @property
    def is_accepted(self) -> bool:
        """Whether its end is under way, or over."""
        return self.reason is None


def list_zombies(tx: Transaction, *, limit: int, cursor: str | None, client_id: str | None) -> Page[Zombie]:
    """Return ZOMBIEs that are still ours, the longest left first."""
    rows = queries.list_zombies(tx, after=read_moment_cursor(cursor), most=limit + 1, client_id=client_id)
    return page_of(rows, limit=limit, position=lambda row: moment_position(row.left_at, row.instance_id))


def end_zombies(database: Database, names: Sequence[ZombieName], *, request_id: str, user_id: str) -> list[EndedZombie]:
    """Have each ended, in a transaction of its own: one that is refused keeps no other from its end. The same request again is harmless.

    A database that is away ends the round with its error; asked again, it goes on.
    """
    return [_end(database, name, f"{request_id}/{name.instance_id}", user_id) for name in names]


def _end(database: Database, name: ZombieName, request_id: str, user_id: str) -> EndedZombie:
    act = partial(
        request_end,
        client_id=name.client_id,
        agent_id=name.agent_id,
        instance_id=name.instance_id,
        request_id=request_id,
        user_id=user_id,
    )
    try:
        database.write(act)
    except DatabaseUnavailable:
        raise
    except ProductError as refusal:
        return EndedZombie(name.client_id, name.agent_id, name.instance_id, refusal.detail)
    return EndedZombie(name.client_id, name.agent_id, name.instance_id, None)
