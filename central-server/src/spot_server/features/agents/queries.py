"""Reading agents. Deleted agents stay readable: every function that leaves them out says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents
from spot_server.errors import NotFound
from spot_server.words import Carry


@dataclass(frozen=True, slots=True)
class Agent:
    """One row of `agents`: a managed workload with its settings as they stand on the server."""

    agent_id: str
    client_id: str
    logical_agent_id: str
    live_key: str | None
    region: str
    enabled: bool
    auto_switch_enabled: bool
    manual_replica_enabled: bool
    replica_count: int
    auto_terminate_enabled: bool
    terminate_wait_seconds: int
    rebalance_hold_seconds: int
    create_snapshot_on_switch: bool
    cleanup_snapshots_older_than_days: int
    cleanup_images_older_than_days: int
    image_refresh_hours: int
    carry: Carry
    allowed_instance_types: list[str]
    traffic_handles: list[dict[str, Any]]
    data_volumes: list[dict[str, Any]]
    launch_specification: dict[str, Any] | None
    base_image_id: str | None
    failover_when_silent: bool
    early_replica_on_warning: bool
    value_per_minute_usd: Decimal
    moves_per_day: int
    min_saving_percent: int
    maintenance_window: dict[str, Any] | None
    safe_to_run_twice: bool
    is_offline: bool
    epoch: int
    config_version: int
    version: int
    created_at: datetime
    deleted_at: datetime | None

    @property
    def is_deleted(self) -> bool:
        """Whether the agent only lives on as history."""
        return self.deleted_at is not None


_COLUMNS = [agents.c[name] for name in Agent.__dataclass_fields__]

_AGENT = select(*_COLUMNS).where(agents.c.agent_id == bindparam("agent_id"))
_AGENT_FOR_UPDATE = _AGENT.with_for_update()


def load_agent(tx: Transaction, agent_id: str, *, for_update: bool = False) -> Agent:
    """Return the agent, deleted or not; NotFound if there never was one.

    `for_update` takes the agent's row until the end of the transaction: the first act of every use case that changes the agent's structure.
    """
    row = tx.execute(_AGENT_FOR_UPDATE if for_update else _AGENT, {"agent_id": agent_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no agent {agent_id}")
    return Agent(*row)


_AGENT_OF_CLIENT = _AGENT.where(agents.c.client_id == bindparam("client_id"))
_AGENT_OF_CLIENT_FOR_UPDATE = _AGENT_OF_CLIENT.with_for_update()


def find_agent_of_client(tx: Transaction, client_id: str, agent_id: str, *, for_update: bool = False) -> Agent:
    """Return the client's agent, deleted or not; the same NotFound for another client's agent as for an unknown one."""
    statement = _AGENT_OF_CLIENT_FOR_UPDATE if for_update else _AGENT_OF_CLIENT
    row = tx.execute(statement, {"agent_id": agent_id, "client_id": client_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no agent {agent_id}")
    return Agent(*row)


_LIVE_AGENT = select(*_COLUMNS).where(agents.c.live_key == bindparam("live_key"))
_LIVE_AGENT_FOR_UPDATE = _LIVE_AGENT.with_for_update()


def find_live_agent(tx: Transaction, client_id: str, logical_agent_id: str, *, for_update: bool = False) -> Agent | None:
    """Return the client's agent under this logical id that is not deleted, if there is one."""
    statement = _LIVE_AGENT_FOR_UPDATE if for_update else _LIVE_AGENT
    row = tx.execute(statement, {"live_key": live_key(client_id, logical_agent_id)}).one_or_none()
    return None if row is None else Agent(*row)


def live_key(client_id: str, logical_agent_id: str) -> str:
    """Return what is unique among living agents; the column is NULL after deletion."""
    return f"{client_id}/{logical_agent_id}"
