"""Months of moves that are over, as rows: what a server that has run for long holds beside the little that is under way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert, select, update

from server_support.fleet import registration
from server_support.story import Story
from spot_server.db.runner import Transaction
from spot_server.db.tables import (
    audit_logs,
    cleanup_logs,
    commands,
    event_cursors,
    events,
    instances,
    notifications,
    replica_instances,
    spot_interruption_events,
    switch_steps,
    switches,
)
from spot_server.words import (
    Actor,
    Carry,
    CommandKind,
    CommandStatus,
    InterruptionKind,
    Mode,
    ReplicaKind,
    ReplicaStatus,
    Role,
    Severity,
    StepName,
    StepStatus,
    SwitchStatus,
    SwitchTrigger,
)

STEPS = (StepName.LAUNCH, StepName.QUIESCE, StepName.PROMOTE, StepName.START, StepName.RETIRE)
ROWS_PER_MOVE = {
    switches: 1,
    switch_steps: len(STEPS),
    replica_instances: 1,
    instances: 1,
    commands: len(STEPS) + 1,
    audit_logs: 3,
    events: 4,
    notifications: 1,
    spot_interruption_events: 1,
    cleanup_logs: 1,
}
"""How many rows one move leaves in each table."""

Rows = list[dict[str, Any]]


def store_history(story: Story, ages: list[timedelta], *, prefix: str = "old") -> None:
    """Store one move of the story's agent for each age, the oldest first; one in ten failed. Names are `prefix` and a number from 0 on."""
    ordered = sorted(ages, reverse=True)
    moves = [_Move(story, f"{prefix}-{number:04}", story.clock.now() - age) for number, age in enumerate(ordered)]

    def store(tx: Transaction) -> None:
        for table, make in _MAKERS.items():
            rows = [row for move in moves for row in make(move)]
            tx.execute(insert(table), rows)
        _number_events(tx, moves)

    story.database.write(store)


class _Move:
    """One move: from the instance of its own name, which EC2 has terminated since."""

    def __init__(self, story: Story, name: str, at: datetime) -> None:
        self.name = name
        self.is_in_vain = name.endswith("7")
        self.at = at
        self.instance_id = f"i-{name}"
        self.ids = {"client_id": story.fleet.client_id, "agent_id": story.agent_id}
        self.place = {"instance_type": "m5.large", "az_id": "use1-az1"}


def _switch(move: _Move) -> Rows:
    sides = {f"{side}_{name}": value for side in ("from", "to") for name, value in {**move.place, "mode": Mode.SPOT}.items()}
    return [
        {
            **move.ids,
            **sides,
            "switch_id": move.name,
            "request_id": move.name,
            "trigger": SwitchTrigger.MANUAL,
            "status": SwitchStatus.FAILED if move.is_in_vain else SwitchStatus.COMPLETED,
            "initiated_by": "tester",
            "carry": Carry.STATELESS,
            "traffic_handles": [],
            "from_instance_id": move.instance_id,
            "to_instance_id": "i-1",
            "replica_id": move.name,
            "interruption_event_id": move.name,
            "epoch_before": 1,
            "initiated_at": move.at,
            "completed_at": move.at,
            "timing": {},
        }
    ]


def _steps(move: _Move) -> Rows:
    return [
        {
            "switch_id": move.name,
            "position": position,
            "name": name,
            "status": StepStatus.PENDING if move.is_in_vain else StepStatus.DONE,
            "command_id": f"{move.name}-{position}",
            "finished_at": move.at,
        }
        for position, name in enumerate(STEPS, start=1)
    ]


def _replica(move: _Move) -> Rows:
    return [
        {
            **move.ids,
            **move.place,
            "mode": Mode.SPOT,
            "replica_id": move.name,
            "request_id": f"replica-{move.name}",
            "kind": ReplicaKind.SWITCH,
            "status": ReplicaStatus.TERMINATED,
            "switch_id": move.name,
            "instance_id": move.instance_id,
            "wish": {},
            "rejected_places": [],
            "created_at": move.at,
            "ready_at": move.at,
            "ended_at": move.at,
        }
    ]


def _instance(move: _Move) -> Rows:
    said = registration()
    return [
        {
            **move.ids,
            **move.place,
            "instance_id": move.instance_id,
            "role": Role.TERMINATED,
            "mode": Mode.SPOT,
            "mode_evidence": {},
            "region": said.region,
            "az_name": said.az_name,
            "product": said.product,
            "architecture": said.architecture,
            "launched_by_server": True,
            "replica_id": move.name,
            "daemon_version": said.daemon_version,
            "registered_at": move.at,
            "last_heartbeat_at": move.at,
            "effective_settings": {},
            "role_changed_at": move.at,
            "terminated_at": move.at,
        }
    ]


def _commands(move: _Move) -> Rows:
    numbers = range(len(STEPS) + 1)
    retiring = f"{CommandKind.WAIT_TERMINATED}/{move.instance_id}/1"
    return [
        {
            **move.ids,
            "command_id": f"{move.name}-{number}",
            "instance_id": "i-1",
            "request_id": f"switch/{move.name}/{number}" if number else retiring,
            "kind": CommandKind.WAIT_TERMINATED,
            "actor": Actor.DAEMON,
            "priority": 50,
            "epoch": 1,
            "payload": {},
            "payload_sha256": "",
            "status": CommandStatus.SUCCEEDED,
            "switch_id": move.name if number else None,
            "issued_at": move.at,
            "finished_at": move.at,
        }
        for number in numbers
    ]


def _audit(move: _Move) -> Rows:
    actions = ("switch.requested", "agent.promoted", "role.terminated")
    return [
        {**move.ids, "instance_id": move.instance_id, "at": move.at, "user_id": "tester", "action": action, "post_state": {}}
        for action in actions
    ]


def _notification(move: _Move) -> Rows:
    said = {"severity": Severity.INFO, "kind": "switch_completed", "text": "it is over", "created_at": move.at}
    return [{**move.ids, **said, "notification_id": move.name, "dedupe_key": move.name}]


def _interruption(move: _Move) -> Rows:
    return [
        {
            **move.ids,
            **move.place,
            "event_id": move.name,
            "notice_id": move.name,
            "instance_id": move.instance_id,
            "kind": InterruptionKind.TERMINATE,
            "instance_role": Role.PRIMARY,
            "region": "us-east-1",
            "detected_at": move.at,
            "received_at": move.at,
            "response": "handover",
            "switch_id": move.name,
            "replica_id": move.name,
        }
    ]


def _cleanup(move: _Move) -> Rows:
    lists: dict[str, list[Any]] = {key: [] for key in ("deleted", "kept", "failed")}
    return [{**move.ids, **lists, "request_id": move.name, "instance_id": "i-1", "received_at": move.at}]


_MAKERS: dict[Table, Callable[[_Move], Rows]] = {
    switches: _switch,
    switch_steps: _steps,
    replica_instances: _replica,
    instances: _instance,
    commands: _commands,
    audit_logs: _audit,
    notifications: _notification,
    spot_interruption_events: _interruption,
    cleanup_logs: _cleanup,
}


def _number_events(tx: Transaction, moves: list[_Move]) -> None:
    """Put the events before those that are there already: what happened long ago has the small numbers."""
    client_id = moves[0].ids["client_id"]
    count = ROWS_PER_MOVE[events] * len(moves)
    present = tx.execute(select(events.c.sequence).where(events.c.client_id == client_id).order_by(events.c.sequence.desc()))
    for sequence in list(present.scalars()):
        where = (events.c.client_id == client_id, events.c.sequence == sequence)
        tx.execute(update(events).where(*where).values(sequence=sequence + count))
    raised = event_cursors.c.last_sequence + count
    tx.execute(update(event_cursors).where(event_cursors.c.client_id == client_id).values(last_sequence=raised))
    rows = [
        {**move.ids, "sequence": index * ROWS_PER_MOVE[events] + number, "at": move.at, "kind": "step_finished", "data": {}}
        for index, move in enumerate(moves)
        for number in range(1, ROWS_PER_MOVE[events] + 1)
    ]
    tx.execute(insert(events), rows)
