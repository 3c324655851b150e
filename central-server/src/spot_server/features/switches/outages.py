"""The downtime of a move that ends, read from what the books say of its old side. The caller holds the agent's row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from spot_server.db.runner import Transaction
from spot_server.db.tables import commands
from spot_server.features.commands.queries import load_command
from spot_server.features.instances.queries import load_instance
from spot_server.features.interruptions.channels import list_sightings
from spot_server.features.interruptions.queries import InterruptionEvent, find_event
from spot_server.features.interruptions.rules import FORCING_KINDS
from spot_server.features.switches import issuing, queries
from spot_server.features.switches.outage_rules import Downtime, OldSide, downtime_until
from spot_server.features.switches.queries import Step, Switch
from spot_server.moments import read_told_moment
from spot_server.words import CommandKind, InterruptionKind, StepName, StepStatus

_TAKEN_FOR_LOST = frozenset({InterruptionKind.LOSS, InterruptionKind.SILENCE})


def downtime_of_completed(tx: Transaction, switch: Switch) -> Downtime | None:
    """Return for how long the workload of a move that completes could not be reached; None where the new side never said that it serves.

    It ends with the new side's serving check, or when no resolver answers with a record's old address any more, if that is later.
    """
    if switch.serving_at is None:
        return None
    steps = queries.list_steps(tx, switch.switch_id)
    return downtime_until(max([switch.serving_at, *_caches_end(steps)]), _old_side(tx, switch, steps))


def downtime_of_undone(tx: Transaction, switch: Switch) -> Downtime | None:
    """Return for how long the workload of a move that was taken back stood still; None where its old side never stopped."""
    if switch.quiesced_at is None:
        return None
    stopped = next(step for step in queries.list_steps(tx, switch.switch_id) if step.name is StepName.QUIESCE)
    answer = None if stopped.undo_command_id is None else load_command(tx, stopped.undo_command_id)
    told = None if answer is None else read_told_moment(answer.result.get("serving_at"))
    return downtime_until(told or stopped.undo_finished_at or tx.now, OldSide(switch.quiesced_at, quiesced_at=switch.quiesced_at))


def values_of(downtime: Downtime | None) -> dict[str, Any]:
    """Return the columns of `switches` that hold it."""
    return {
        "downtime_ms": None if downtime is None else downtime.milliseconds,
        "downtime_basis": None if downtime is None else downtime.basis,
    }


def _caches_end(steps: list[Step]) -> list[datetime]:
    """Return until when a resolver may answer with the old address: each record's change, and its time to live after that."""
    moved = [step.outcome or {} for step in steps if step.name is StepName.TRAFFIC]
    changes = [(issuing.moment(outcome.get("moved_at")), outcome.get("ttl_seconds")) for outcome in moved]
    return [changed_at + timedelta(seconds=ttl) for changed_at, ttl in changes if changed_at is not None and isinstance(ttl, int)]


def _old_side(tx: Transaction, switch: Switch, steps: list[Step]) -> OldSide:
    old = load_instance(tx, switch.agent_id, switch.from_instance_id)
    if switch.quiesced_at is not None:
        return OldSide(old.last_heartbeat_at, quiesced_at=switch.quiesced_at)
    event = None if switch.interruption_event_id is None else find_event(tx, switch.interruption_event_id)
    is_of_old = event is not None and event.instance_id == old.instance_id
    event = event if is_of_old else None
    known_gone = [old.terminated_at]
    known_gone += [step.finished_at for step in steps if step.name is StepName.FENCE and step.status is StepStatus.DONE]
    if event is not None and event.kind in _TAKEN_FOR_LOST:
        known_gone.append(event.received_at)
    return OldSide(
        last_seen_at=max([old.last_heartbeat_at, *_seen_by_ec2(tx, switch, event, old.last_heartbeat_at)]),
        named_end_at=None if event is None or event.kind not in FORCING_KINDS else event.action_at,
        gone_at=min(filter(None, known_gone), default=None),
        heard_every_seconds=tx.policy.daemon_fresh_seconds,
    )


def _seen_by_ec2(tx: Transaction, switch: Switch, event: InterruptionEvent | None, heard_at: datetime) -> list[datetime]:
    """Return when EC2 showed after the last heartbeat that the old instance ran: asked about a silence, or announcing its end.

    Of one that was given up because it was silent that says nothing: EC2 called it running all the time.
    """
    if event is None or event.kind is InterruptionKind.SILENCE:
        return []
    announced = [sighting.announced_at for sighting in list_sightings(tx, [event.event_id])[event.event_id]]
    asked = select(commands.c.payload, commands.c.outcome, commands.c.finished_at).where(
        commands.c.agent_id == switch.agent_id,
        commands.c.kind == CommandKind.DESCRIBE_INSTANCE,
        commands.c.issued_at > heard_at,
        commands.c.finished_at <= event.received_at,
    )
    looks = [
        row.finished_at
        for row in tx.execute(asked)
        if row.payload.get("instance_id") == switch.from_instance_id and ((row.outcome or {}).get("result") or {}).get("state") == "running"
    ]
    return [at for at in (*announced, *looks) if at is not None]
