"""Finding rows that are old, over, and needed by nothing that is kept; and deleting them by their keys.

What is kept needs what it names: a switch its commands, replica, images, interruption event and both instances; a replica its commands
and its image; an instance its replica, and while EC2 has it the numbered attempts about it; an audit row its instance. The other way round
(`interruption.switch_id` and the like) a name may outlive what it names. So nothing goes round in a circle, and everything goes in the end.

Rows are found in a transaction that holds no locks, and deleted in another: what is old and over changes no more, and nothing new will
name it. Two processes that find the same rows delete them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, delete, exists, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import (
    agent_images,
    agent_requests,
    agents,
    audit_logs,
    cleanup_logs,
    commands,
    consolidation_jobs,
    decision_documents,
    decisions,
    game_days,
    instances,
    interruption_sightings,
    notifications,
    pool_risk_analysis,
    replica_instances,
    spot_interruption_events,
    switch_steps,
    switches,
)
from spot_server.features.retention.rules import Record
from spot_server.words import CommandKind, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class AgedRows:
    """Rows of one table that go when `moment` is too long ago and all `conditions` hold."""

    record: Record
    table: Table
    key: tuple[Column[Any], ...]
    moment: Column[datetime]
    conditions: tuple[ColumnElement[bool], ...] = ()
    parts: tuple[Column[str], ...] = ()
    """Columns of other tables, which name a row by its key and go with it."""


def find_aged(tx: Transaction, before: datetime, most: int, *, rows: AgedRows) -> list[Key]:
    """Return the keys of up to `most` rows that may go, the oldest first. Reads the rows that are too old, and no others."""
    statement = select(*rows.key).where(rows.moment < before, *rows.conditions).order_by(rows.moment).limit(most)
    return [tuple(row) for row in tx.execute(statement)]


def delete_aged(tx: Transaction, keys: Sequence[Key], *, rows: AgedRows) -> int:
    """Delete the rows with these keys, and their parts before them; return how many rows were still there."""
    for column in rows.parts:
        tx.execute(delete(column.table).where(column.in_([key[0] for key in keys])))
    return tx.execute(delete(rows.table).where(_is_one_of(rows.key, keys))).rowcount


def _is_one_of(columns: Sequence[Column[Any]], keys: Sequence[Key]) -> ColumnElement[bool]:
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    # By the first part of the key, and then by the others: MariaDB uses no index for (a, b) IN ((1, 2), …).
    first, second = columns
    groups: dict[object, list[object]] = {}
    for key in keys:
        groups.setdefault(key[0], []).append(key[1])
    return or_(*[and_(first == value, second.in_(others)) for value, others in groups.items()])


def _is_named_by_a_switch(*columns: Column[str], of: Column[str], agent_id: Column[str]) -> ColumnElement[bool]:
    """A switch of this agent, which is kept, has that name in one of these columns."""
    return exists().where(switches.c.agent_id == agent_id, or_(*[column == of for column in columns]))


_IS_RETIRING = exists().where(
    switch_steps.c.switch_id == switches.c.switch_id,
    switch_steps.c.name == StepName.RETIRE,
    switch_steps.c.status.in_({StepStatus.PENDING, StepStatus.RUNNING}),
    switches.c.status == SwitchStatus.COMPLETED,
)

SWITCHES = AgedRows(
    Record.SWITCHES,
    switches,
    (switches.c.switch_id,),
    switches.c.initiated_at,
    (switches.c.active_key.is_(None), ~_IS_RETIRING),
    parts=(switch_steps.c.switch_id,),
)

_event = spot_interruption_events
INTERRUPTIONS = AgedRows(
    Record.INTERRUPTIONS,
    _event,
    (_event.c.event_id,),
    _event.c.received_at,
    (
        ~_is_named_by_a_switch(switches.c.interruption_event_id, of=_event.c.event_id, agent_id=_event.c.agent_id),
        # Its notice still says how much can be asked of the instance.
        ~exists().where(
            instances.c.agent_id == _event.c.agent_id,
            instances.c.instance_id == _event.c.instance_id,
            instances.c.role != Role.TERMINATED,
        ),
    ),
    parts=(interruption_sightings.c.event_id,),
)

_present = instances.alias("present")
INSTANCES = AgedRows(
    Record.INSTANCES,
    instances,
    (instances.c.agent_id, instances.c.instance_id),
    instances.c.terminated_at,
    (
        # EC2's word and no other: whatever is not TERMINATED may run, and cost, however long it has been silent.
        instances.c.role == Role.TERMINATED,
        ~_is_named_by_a_switch(
            switches.c.from_instance_id, switches.c.to_instance_id, of=instances.c.instance_id, agent_id=instances.c.agent_id
        ),
        ~exists().where(audit_logs.c.instance_id == instances.c.instance_id, audit_logs.c.agent_id == instances.c.agent_id),
        # Where nobody is PRIMARY, a rescue looks for a place like that of the last one.
        or_(
            exists().where(_present.c.primary_of == instances.c.agent_id),
            exists().where(agents.c.agent_id == instances.c.agent_id, agents.c.deleted_at.is_not(None)),
        ),
    ),
)

_replica = replica_instances
REPLICAS = AgedRows(
    Record.REPLICAS,
    _replica,
    (_replica.c.replica_id,),
    _replica.c.created_at,
    (
        or_(_replica.c.ended_at.is_not(None), _replica.c.status == ReplicaStatus.PROMOTED),
        ~exists().where(
            instances.c.agent_id == _replica.c.agent_id,
            or_(instances.c.instance_id == _replica.c.instance_id, instances.c.replica_id == _replica.c.replica_id),
        ),
        ~_is_named_by_a_switch(switches.c.replica_id, of=_replica.c.replica_id, agent_id=_replica.c.agent_id),
    ),
)

IMAGES = AgedRows(
    Record.IMAGES,
    agent_images,
    (agent_images.c.agent_id, agent_images.c.image_id),
    agent_images.c.deregistered_at,
    (
        ~_is_named_by_a_switch(switches.c.image_id, of=agent_images.c.image_id, agent_id=agent_images.c.agent_id),
        ~exists().where(_replica.c.agent_id == agent_images.c.agent_id, _replica.c.image_id == agent_images.c.image_id),
    ),
)

COMMANDS = AgedRows(
    Record.COMMANDS,
    commands,
    (commands.c.command_id,),
    commands.c.finished_at,
    (
        commands.c.open_instance_id.is_(None),
        ~exists().where(switches.c.switch_id == commands.c.switch_id),
        ~exists().where(_replica.c.replica_id == commands.c.replica_id),
        # Attempts are numbered from the last one on, and a deleted agent's daemon is told to stop once: as long as there is an instance.
        ~exists().where(
            instances.c.agent_id == commands.c.agent_id,
            instances.c.role != Role.TERMINATED,
            or_(
                commands.c.request_id.contains("/" + instances.c.instance_id + "/"),
                and_(commands.c.kind == CommandKind.RELEASE, commands.c.instance_id == instances.c.instance_id),
            ),
        ),
    ),
)

AUDIT_LOGS = AgedRows(Record.AUDIT_LOGS, audit_logs, (audit_logs.c.audit_id,), audit_logs.c.at)
NOTIFICATIONS = AgedRows(Record.NOTIFICATIONS, notifications, (notifications.c.notification_id,), notifications.c.created_at)
CLEANUP_LOGS = AgedRows(Record.CLEANUP_LOGS, cleanup_logs, (cleanup_logs.c.agent_id, cleanup_logs.c.request_id), cleanup_logs.c.received_at)
AGENT_REQUESTS = AgedRows(
    Record.AGENT_REQUESTS, agent_requests, (agent_requests.c.agent_id, agent_requests.c.request_id), agent_requests.c.received_at
)

GAME_DAYS = AgedRows(Record.GAME_DAYS, game_days, (game_days.c.game_day_id,), game_days.c.requested_at, (game_days.c.active_key.is_(None),))
_consolidation = consolidation_jobs
CONSOLIDATIONS = AgedRows(
    Record.CONSOLIDATIONS, _consolidation, (_consolidation.c.job_id,), _consolidation.c.started_at, (_consolidation.c.active_key.is_(None),)
)

_risk = pool_risk_analysis
POOL_RISKS = AgedRows(Record.POOL_RISKS, _risk, (_risk.c.computed_at, _risk.c.pool_id), _risk.c.computed_at)

DECISIONS = AgedRows(Record.DECISIONS, decisions, (decisions.c.decision_id,), decisions.c.last_tick_at)
DECISION_DOCUMENTS = AgedRows(
    # A decision is stored with its markets: one that was last used then belongs to decisions that were last made within the hour after.
    Record.DECISION_DOCUMENTS,
    decision_documents,
    (decision_documents.c.document_sha256,),
    decision_documents.c.last_used_at,
)

ALL_AGED = (
    POOL_RISKS,
    AUDIT_LOGS,
    NOTIFICATIONS,
    CLEANUP_LOGS,
    DECISIONS,
    DECISION_DOCUMENTS,
    AGENT_REQUESTS,
    GAME_DAYS,
    CONSOLIDATIONS,
    SWITCHES,
    INTERRUPTIONS,
    INSTANCES,
    REPLICAS,
    IMAGES,
    COMMANDS,
)
"""What names comes before what it names, which is then free to go."""
