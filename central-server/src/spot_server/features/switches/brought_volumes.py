"""Copies of data volumes that a move attached to its new side, and left there when it came to nothing. The caller holds the agent's row.

The next rescue to that instance goes on with them where they hold all that was written: another copy could not be attached beside them,
and would bring nothing new. Where the old side may have written since, nothing goes to that instance any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import commands, switch_steps, switches
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance, load_instance
from spot_server.features.replicas.ending import end_replica
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.rules import ReplicaEvent
from spot_server.features.switches import queries
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.volume_payloads import BROUGHT, discard_copies, find_step
from spot_server.features.switches.volume_rules import CopiedFrom, holds_everything
from spot_server.words import Carry, CommandKind, StepName, StepStatus

STALE = "an earlier move left copies of the data volumes with it, and the old primary may have written since"


@dataclass(frozen=True, slots=True)
class Brought:
    """What a move left with its new side, as its step tells of them. `holds_everything`: nobody can have written to the originals since."""

    switch: Switch
    volumes: list[dict[str, Any]]
    holds_everything: bool

    @property
    def timing(self) -> dict[str, Any]:
        """What is kept with a switch that goes on with them."""
        return {BROUGHT: {"by": self.switch.switch_id, "volumes": self.volumes}}


_TRIED = (
    select(switches.c.switch_id)
    .join_from(switches, switch_steps, switches.c.switch_id == switch_steps.c.switch_id)
    .where(
        switches.c.agent_id == bindparam("agent_id"),
        switches.c.to_instance_id == bindparam("instance_id"),
        switches.c.active_key.is_(None),
        or_(
            # Of a move that was taken back too: nobody detaches copies, they were to go with their instance.
            and_(
                switch_steps.c.name == StepName.COPY_VOLUMES,
                switch_steps.c.status.in_({StepStatus.DONE, StepStatus.UNDOING, StepStatus.UNDONE}),
                switch_steps.c.finished_at.is_not(None),
            ),
            and_(switch_steps.c.name == StepName.ATTACH, switch_steps.c.intent_at.is_not(None)),
        ),
    )
    .order_by(switches.c.initiated_at, switches.c.switch_id)
)

_LET_WRITE = select(commands.c.command_id).where(
    commands.c.agent_id == bindparam("agent_id"),
    commands.c.instance_id == bindparam("instance_id"),
    commands.c.kind.in_({CommandKind.MOUNT_VOLUMES, CommandKind.START_SERVING}),
    commands.c.issued_at >= bindparam("since"),
)


def find_brought(tx: Transaction, agent: Agent, instance_id: str | None) -> Brought | None:
    """Return the copies that the first of the moves to this instance tried to attach, whether all of them got there or not."""
    if agent.carry is not Carry.VOLUME or instance_id is None:
        return None
    rows = [row.switch_id for row in tx.execute(_TRIED, {"agent_id": agent.agent_id, "instance_id": instance_id})]
    # Both steps of one and the same move: what it copied is what it attached.
    switch_id = next((one for one in rows if rows.count(one) > 1), None)
    if switch_id is None:
        return None
    switch = queries.load_switch(tx, switch_id)
    copied = find_step(tx, switch, StepName.COPY_VOLUMES)
    assert copied is not None  # noqa: S101 - the query found it done
    volumes = (copied.outcome or {}).get("volumes") or []
    # A promotion since then, of whomever, had somebody else write, and raised the epoch.
    is_latest = switch.epoch_before == agent.epoch and bool(volumes)
    return Brought(switch, volumes, is_latest and holds_everything(_source(tx, switch, copied.intent_at or tx.now)))


def _source(tx: Transaction, switch: Switch, copied_at: datetime) -> CopiedFrom:
    old: Instance = load_instance(tx, switch.agent_id, switch.from_instance_id)
    unmount = find_step(tx, switch, StepName.UNMOUNT)
    asked = {"agent_id": switch.agent_id, "instance_id": old.instance_id, "since": copied_at}
    return CopiedFrom(
        copied_at=copied_at,
        role=old.role,
        role_changed_at=old.role_changed_at,
        has_let_go=unmount is not None and unmount.status is StepStatus.DONE,
        may_have_mounted_since=tx.execute(_LET_WRITE, asked).first() is not None,
    )


def end_stale(tx: Transaction, agent: Agent, live: Sequence[Replica], *, is_replaceable: bool) -> list[Replica]:
    """Return the replicas that a rescue can go to. Those with copies that are out of date end, if there is anything to launch from."""
    if agent.carry is not Carry.VOLUME or not is_replaceable:
        return list(live)
    fit = []
    for replica in live:
        brought = find_brought(tx, agent, replica.instance_id)
        if brought is None or brought.holds_everything:
            fit.append(replica)
        else:
            end_replica(tx, agent, replica, ReplicaEvent.FAILED, STALE)
            discard_copies(tx, brought.switch)
    return fit
