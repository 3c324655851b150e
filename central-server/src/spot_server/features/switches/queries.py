"""Reading and writing switches and their steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, and_, bindparam, exists, insert, or_, select, union_all, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import instances, switch_steps, switches
from spot_server.db.types import UtcDateTime
from spot_server.errors import NotFound, StateConflict
from spot_server.features.switches.plans import AFTERWARDS, list_rows
from spot_server.words import (
    ACTIVE_SWITCH_STATUSES,
    Actor,
    Carry,
    DowntimeBasis,
    Mode,
    Role,
    StepName,
    StepStatus,
    SwitchStatus,
    SwitchTrigger,
)

UNATTENDED_SINCE = "unattended_since"
"""The key of `timing` of a move that nobody can take back now: since when it is known."""

IS_FORCED = "is_forced"
"""The key of `timing` of a promotion that a person wants although the standby check has not passed."""

ENDS_SILENT = "ends_silent"
"""The key of `timing` of a promotion off a silent PRIMARY, whose instance a person wants ended first."""

ACCEPTED = "accepted"
"""The key of `timing` of a promotion: what its person accepted, so that the same request with another acceptance is told from a repeat."""

TURNS = "turns"
"""In a switch's timing: how often it went forward again because its old side was silent, whether or not the new one ever served."""

RETURNS = "returns"
"""The key of `timing` of a move that was to be taken back and went forward again, because its new side had served: how often."""

CALLS_BACK = "calls_back"
"""The key of `timing` of a move to the instance that an earlier move left: the moment after which its disk lacks what was written."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One move of one agent."""

    switch_id: str
    client_id: str
    agent_id: str
    active_key: str | None
    request_id: str
    trigger: SwitchTrigger
    status: SwitchStatus
    initiated_by: str
    carry: Carry
    traffic_handles: list[dict[str, Any]]
    data_volumes: list[dict[str, Any]]
    from_instance_id: str
    from_instance_type: str
    from_az_id: str
    from_mode: Mode
    to_instance_id: str | None
    to_instance_type: str | None
    to_az_id: str | None
    to_mode: Mode | None
    replica_id: str | None
    image_id: str | None
    interruption_event_id: str | None
    deadline_at: datetime | None
    loses_writes_since: datetime | None
    loss_window_seconds: int | None
    epoch_before: int
    epoch_after: int | None
    failed_step: StepName | None
    failure: str | None
    initiated_at: datetime
    ami_created_at: datetime | None
    instance_launched_at: datetime | None
    instance_ready_at: datetime | None
    quiesced_at: datetime | None
    serving_at: datetime | None
    retire_at: datetime | None
    old_terminated_at: datetime | None
    completed_at: datetime | None
    downtime_ms: int | None
    downtime_basis: DowntimeBasis | None
    resume_at: datetime | None
    differences: list[dict[str, Any]] | None
    accepts_differences: bool
    timing: dict[str, Any]
    version: int

    @property
    def downtime_seconds(self) -> float | None:
        """For how long the workload could not be reached; None until the move is over, and where it never stood still."""
        return None if self.downtime_ms is None else self.downtime_ms / 1000

    @property
    def is_call_back(self) -> bool:
        """Whether it goes back to an instance that is there, the one that an earlier move left, and makes none."""
        return self.replica_id is None and CALLS_BACK in self.timing

    @property
    def is_active(self) -> bool:
        """Whether it still moves."""
        return self.status in ACTIVE_SWITCH_STATUSES


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded step."""

    switch_id: str
    position: int
    name: StepName
    part: int
    status: StepStatus
    attempt: int
    actor: Actor | None
    actor_instance_id: str | None
    command_id: str | None
    intent_at: datetime | None
    deadline_at: datetime | None
    finished_at: datetime | None
    outcome: dict[str, Any] | None
    undo_attempt: int
    undo_command_id: str | None
    undo_finished_at: datetime | None
    undo_outcome: dict[str, Any] | None


_SWITCH_COLUMNS = [switches.c[name] for name in Switch.__dataclass_fields__]
_STEP_COLUMNS = [switch_steps.c[name] for name in Step.__dataclass_fields__]


def _switch(row: Row[*tuple[Any, ...]]) -> Switch:
    return Switch(*row)


_SWITCH = select(*_SWITCH_COLUMNS).where(switches.c.switch_id == bindparam("switch_id"))


def find_switch(tx: Transaction, switch_id: str) -> Switch | None:
    """Return the switch, or None."""
    row = tx.execute(_SWITCH, {"switch_id": switch_id}).one_or_none()
    return None if row is None else _switch(row)


def load_switch(tx: Transaction, switch_id: str) -> Switch:
    """Return the switch; NotFound for an unknown one."""
    switch = find_switch(tx, switch_id)
    if switch is None:
        raise NotFound(f"there is no switch {switch_id}")
    return switch


_BY_REQUEST = select(*_SWITCH_COLUMNS).where(switches.c.agent_id == bindparam("agent_id"), switches.c.request_id == bindparam("request_id"))


def find_by_request(tx: Transaction, agent_id: str, request_id: str) -> Switch | None:
    """Return the switch that an earlier identical request began, or None."""
    row = tx.execute(_BY_REQUEST, {"agent_id": agent_id, "request_id": request_id}).one_or_none()
    return None if row is None else _switch(row)


_ACTIVE = select(*_SWITCH_COLUMNS).where(switches.c.active_key == bindparam("agent_id"))


def active_switch(tx: Transaction, agent_id: str) -> Switch | None:
    """Return the agent's move that is under way, or None; there is at most one, by the database."""
    row = tx.execute(_ACTIVE, {"agent_id": agent_id}).one_or_none()
    return None if row is None else _switch(row)


# Selections, each by an index of its own; an OR over all would read every switch that ever was. So would IS NOT NULL on SQLite.
_MOVING = select(switches.c.agent_id, switches.c.switch_id).where(switches.c.active_key > "")
_NOW: BindParameter[datetime] = bindparam("now", type_=UtcDateTime())
_SETTLING = (
    select(switches.c.agent_id, switches.c.switch_id)
    .join_from(switch_steps, switches, switches.c.switch_id == switch_steps.c.switch_id)
    .join(instances, and_(instances.c.agent_id == switches.c.agent_id, instances.c.instance_id == switches.c.from_instance_id))
    .where(
        switch_steps.c.name.in_(sorted(AFTERWARDS)),
        switch_steps.c.status.in_((StepStatus.PENDING, StepStatus.RUNNING)),
        switches.c.status == SwitchStatus.COMPLETED,
        or_(
            switch_steps.c.name != StepName.RETIRE,
            switches.c.retire_at <= _NOW,
            switches.c.deadline_at <= _NOW,
            instances.c.role.in_((Role.TERMINATED, Role.PRIMARY)),
        ),
    )
)
_DUE = union_all(_MOVING, _SETTLING)


def due_switches(tx: Transaction) -> list[tuple[str, str]]:
    """Return (agent_id, switch_id) of every switch that moves, or that has a step afterwards whose time has come.

    An old instance that only waits for its end is left alone until then: it waits for hours, and there is one of each recent move.
    """
    return sorted({(row.agent_id, row.switch_id) for row in tx.execute(_DUE, {"now": tx.now})})


def forget_given_up(tx: Transaction, agent_id: str) -> None:
    """No rescue of this agent that gave up is resumed: another move answers for it."""
    where = (switches.c.agent_id == agent_id, switches.c.resume_at.is_not(None))
    tx.execute(update(switches).where(*where).values(resume_at=None, version=switches.c.version + 1))


def is_given_up(tx: Transaction, agent_id: str) -> bool:
    """Tell whether a rescue of this agent gave up and waits to be resumed."""
    waiting = exists().where(switches.c.agent_id == agent_id, switches.c.resume_at.is_not(None))
    return bool(tx.execute(select(waiting)).scalar_one())


def resume_now(tx: Transaction, agent_id: str) -> None:
    """Have the rescue of this agent that gave up looked at again at once."""
    where = (switches.c.agent_id == agent_id, switches.c.resume_at > tx.now)
    tx.execute(update(switches).where(*where).values(resume_at=tx.now, version=switches.c.version + 1))


def newest_completed(tx: Transaction, agent_id: str) -> Switch | None:
    """Return the agent's last move that completed, or None."""
    where = (switches.c.agent_id == agent_id, switches.c.status == SwitchStatus.COMPLETED)
    ordered = select(*_SWITCH_COLUMNS).where(*where).order_by(switches.c.completed_at.desc(), switches.c.switch_id.desc())
    row = tx.execute(ordered.limit(1)).one_or_none()
    return None if row is None else _switch(row)


def postpone_retirement(tx: Transaction, agent_id: str, instance_id: str, until: datetime) -> None:
    """Keep an instance that a completed move left until then at least, if it still waits for its retirement."""
    where = (switches.c.agent_id == agent_id, switches.c.from_instance_id == instance_id, switches.c.status == SwitchStatus.COMPLETED)
    later = update(switches).where(*where, switches.c.retire_at < until)
    tx.execute(later.values(retire_at=until, version=switches.c.version + 1))


def list_switches(
    tx: Transaction, client_id: str, *, agent_id: str | None, before: tuple[datetime, str] | None, limit: int
) -> list[Switch]:
    """Return up to `limit` of the client's switches, newest first; `before` is the position of the last one seen."""
    statement = select(*_SWITCH_COLUMNS).where(switches.c.client_id == client_id)
    if agent_id is not None:
        statement = statement.where(switches.c.agent_id == agent_id)
    if before is not None:
        moment, switch_id = before
        same_moment = and_(switches.c.initiated_at == moment, switches.c.switch_id < switch_id)
        statement = statement.where(or_(switches.c.initiated_at < moment, same_moment))
    ordered = statement.order_by(switches.c.initiated_at.desc(), switches.c.switch_id.desc()).limit(limit)
    return [_switch(row) for row in tx.execute(ordered)]


_STEPS = select(*_STEP_COLUMNS).where(switch_steps.c.switch_id == bindparam("switch_id")).order_by(switch_steps.c.position)


def list_steps(tx: Transaction, switch_id: str) -> list[Step]:
    """Return the steps of a switch in order."""
    return [Step(*row) for row in tx.execute(_STEPS, {"switch_id": switch_id})]


def insert_switch(tx: Transaction, switch: Switch, names: tuple[StepName, ...]) -> None:
    """Store a new switch with its planned steps, TRAFFIC once for each of its handles."""
    tx.execute(insert(switches).values({name: getattr(switch, name) for name in Switch.__dataclass_fields__}))
    rows = [
        {
            "switch_id": switch.switch_id,
            "position": position,
            "name": planned.name,
            "part": planned.part,
            "status": StepStatus.PENDING,
            "attempt": 0,
            "undo_attempt": 0,
        }
        for position, planned in enumerate(list_rows(names, switch.traffic_handles), start=1)
    ]
    tx.execute(insert(switch_steps), rows)


_CHANGE_SEEN = update(switches).where(switches.c.switch_id == bindparam("this_switch_id"), switches.c.version == bindparam("seen_version"))


def update_switch(tx: Transaction, switch: Switch, **values: Any) -> Switch:  # noqa: ANN401 - column values
    """Compare-and-set: change `values` if nobody changed the switch since it was read, and return it as it is now."""
    seen = {"this_switch_id": switch.switch_id, "seen_version": switch.version}
    if tx.execute(_CHANGE_SEEN, {**values, **seen, "version": switch.version + 1}).rowcount != 1:
        raise StateConflict(f"switch {switch.switch_id} changed meanwhile")
    return load_switch(tx, switch.switch_id)


_CHANGE_STEP = update(switch_steps).where(
    switch_steps.c.switch_id == bindparam("this_switch_id"),
    switch_steps.c.name == bindparam("this_name"),
    switch_steps.c.part == bindparam("this_part"),
)


def update_step(tx: Transaction, switch_id: str, name: StepName, part: int = 0, **values: Any) -> None:  # noqa: ANN401 - column values
    """Change one step, for a TRAFFIC step that of one handle; the caller holds the agent's row."""
    tx.execute(_CHANGE_STEP, {**values, "this_switch_id": switch_id, "this_name": name, "this_part": part})
