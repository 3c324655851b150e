"""Reading instances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import instances
from spot_server.errors import NotFound
from spot_server.words import STATUS_OF_ROLE, InstanceStatus, Mode, Role


@dataclass(frozen=True, slots=True)
class Instance:
    """One row of `instances`: what the server holds of an EC2 instance, and what its daemon last said."""

    agent_id: str
    instance_id: str
    client_id: str
    role: Role
    primary_of: str | None
    mode: Mode
    mode_evidence: dict[str, Any]
    region: str
    az_id: str
    az_name: str
    instance_type: str
    product: str
    architecture: str
    image_id: str | None
    account_id: str | None
    private_ip: str | None
    hostname: str | None
    launched_by_server: bool
    replica_id: str | None
    daemon_version: str
    registered_at: datetime
    launched_at: datetime | None
    booted_at: datetime | None
    last_heartbeat_at: datetime
    serving: bool | None
    quiesced: bool | None
    configuration: dict[str, Any] | None
    daemon_epoch: int | None
    acknowledged_config_version: int | None
    effective_settings: dict[str, Any]
    reported_resources: dict[str, Any] | None
    scheduled_events: list[dict[str, Any]] | None
    attached_volumes: list[dict[str, Any]] | None
    metadata_failures: int
    unknown_fields: int
    clock_skew_seconds: float | None
    last_price_report_id: str | None
    cpu_busy_ratio_sum: float
    cpu_busy_count: int
    role_changed_at: datetime
    last_primary_at: datetime | None
    stray_reason: str | None
    is_retained: bool
    end_asked_at: datetime | None
    end_asked_by: str | None
    released_at: datetime | None
    terminated_at: datetime | None
    version: int

    @property
    def is_primary(self) -> bool:
        """Whether the book says that this instance should serve."""
        return self.role is Role.PRIMARY

    @property
    def is_stray(self) -> bool:
        """Whether it came with the nonce of a replica that had ended: it holds no token and is given no work."""
        return self.stray_reason is not None

    @property
    def instance_status(self) -> InstanceStatus:
        """The role as the wire spells it."""
        return STATUS_OF_ROLE[self.role]


_COLUMNS = [instances.c[name] for name in Instance.__dataclass_fields__]

_INSTANCE = select(*_COLUMNS).where(instances.c.agent_id == bindparam("agent_id"), instances.c.instance_id == bindparam("instance_id"))


def find_instance(tx: Transaction, agent_id: str, instance_id: str) -> Instance | None:
    """Return the agent's instance, or None."""
    row = tx.execute(_INSTANCE, {"agent_id": agent_id, "instance_id": instance_id}).one_or_none()
    return None if row is None else Instance(*row)


def load_instance(tx: Transaction, agent_id: str, instance_id: str) -> Instance:
    """Return the agent's instance; NotFound if the agent never had it."""
    instance = find_instance(tx, agent_id, instance_id)
    if instance is None:
        raise NotFound(f"agent {agent_id} has no instance {instance_id}")
    return instance


_OLDEST_FIRST = (instances.c.registered_at, instances.c.instance_id)
_OF_AGENT = select(*_COLUMNS).where(instances.c.agent_id == bindparam("agent_id")).order_by(*_OLDEST_FIRST)


def list_instances(tx: Transaction, agent_id: str) -> list[Instance]:
    """Return all instances that the agent ever had, oldest registration first."""
    return [Instance(*row) for row in tx.execute(_OF_AGENT, {"agent_id": agent_id})]


_PRESENT = _OF_AGENT.where(instances.c.role != Role.TERMINATED)


def list_present(tx: Transaction, agent_id: str) -> list[Instance]:
    """Return the agent's instances that EC2 may still have, oldest registration first: a few, of the many that it ever had."""
    return [Instance(*row) for row in tx.execute(_PRESENT, {"agent_id": agent_id})]


_IS_SIDE = (instances.c.instance_id == bindparam("one_side"), instances.c.instance_id == bindparam("other_side"))
_PRESENT_AND_SIDES = _OF_AGENT.where(or_(instances.c.role != Role.TERMINATED, *_IS_SIDE))


def list_present_and(tx: Transaction, agent_id: str, one_side: str, other_side: str | None) -> list[Instance]:
    """Return what `list_present` does, and with it the two sides of a move, whatever became of them; one statement for all."""
    asked = {"agent_id": agent_id, "one_side": one_side, "other_side": other_side}
    return [Instance(*row) for row in tx.execute(_PRESENT_AND_SIDES, asked)]


def list_instances_of_client(
    tx: Transaction,
    client_id: str,
    *,
    after: tuple[datetime, str] | None,
    most: int,
    agent_id: str | None = None,
    role: Role | None = None,
) -> list[Instance]:
    """Return up to `most` of the client's instances, oldest registration first, from after (registered_at, instance_id) on."""
    statement = select(*_COLUMNS).where(instances.c.client_id == client_id)
    if agent_id is not None:
        statement = statement.where(instances.c.agent_id == agent_id)
    if role is not None:
        statement = statement.where(instances.c.role == role)
    if after is not None:
        registered_at, instance_id = after
        is_later = instances.c.registered_at > registered_at
        is_next = (instances.c.registered_at == registered_at) & (instances.c.instance_id > instance_id)
        statement = statement.where(or_(is_later, is_next))
    return [Instance(*row) for row in tx.execute(statement.order_by(*_OLDEST_FIRST).limit(most))]


def find_instance_of_client(tx: Transaction, client_id: str, instance_id: str) -> Instance:
    """Return the client's instance, its latest registration if several agents had it; NotFound for another client's too."""
    statement = select(*_COLUMNS).where(instances.c.client_id == client_id, instances.c.instance_id == instance_id)
    row = tx.execute(statement.order_by(instances.c.registered_at.desc()).limit(1)).one_or_none()
    if row is None:
        raise NotFound(f"there is no instance {instance_id}")
    return Instance(*row)


def note_sign_of_life(tx: Transaction, agent_id: str, instance_id: str) -> None:
    """The instance's daemon just said something that matters: it can be given work, whenever its last heartbeat was."""
    statement = update(instances).where(instances.c.agent_id == agent_id, instances.c.instance_id == instance_id)
    tx.execute(statement.where(instances.c.last_heartbeat_at < tx.now).values(last_heartbeat_at=tx.now))


def note_quiesced(tx: Transaction, agent_id: str, instance_id: str, *, is_quiesced: bool) -> None:
    """Keep what the daemon said with its answer to a command: its next heartbeat may be half a minute away."""
    where = (instances.c.agent_id == agent_id, instances.c.instance_id == instance_id)
    tx.execute(update(instances).where(*where).values(quiesced=is_quiesced))


def store_clock_skew(tx: Transaction, instance: Instance, skew_seconds: float) -> None:
    """Keep by how much the instance's clock is ahead (> 0) or behind, as something beside a heartbeat showed."""
    where = (instances.c.agent_id == instance.agent_id, instances.c.instance_id == instance.instance_id)
    tx.execute(update(instances).where(*where).values(clock_skew_seconds=skew_seconds))


def set_retained(tx: Transaction, agent_id: str, instance_id: str, *, is_retained: bool) -> None:
    """Note whether an instance that a move left is kept until a person acts."""
    where = (instances.c.agent_id == agent_id, instances.c.instance_id == instance_id)
    tx.execute(update(instances).where(*where).values(is_retained=is_retained))


_PRIMARY = select(*_COLUMNS).where(instances.c.primary_of == bindparam("agent_id"))


def primary_of(tx: Transaction, agent_id: str) -> Instance | None:
    """Return the agent's PRIMARY; None between a loss and the failover that answers it."""
    row = tx.execute(_PRIMARY, {"agent_id": agent_id}).one_or_none()
    return None if row is None else Instance(*row)
