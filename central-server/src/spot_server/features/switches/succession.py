"""The move that takes over from one that was abandoned: nothing to go back to, so there is only another way forward, now or later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance, load_instance
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas import rescuing
from spot_server.features.replicas.launching import choose_image, last_primary
from spot_server.features.switches import opening, queries
from spot_server.features.switches.brought_volumes import end_stale
from spot_server.features.switches.queries import Switch
from spot_server.policy import MovePolicy
from spot_server.words import StepName, StepStatus, SwitchTrigger

MOST_RESCUES = 3
"""Moves one right after the other, each with every place tried. Those that follow come after a pause (`features/recoveries`)."""


@dataclass(frozen=True, slots=True)
class RescueStart:
    """From where the next rescue starts. `deadline_at` dooms the instance, and with a notice's `event_id` lets its fence end it."""

    instance: Instance
    deadline_at: datetime | None
    event_id: str | None = None


def open_successor(tx: Transaction, agent: Agent, failed: Switch) -> Switch | None:
    """Open the move that takes over from `failed` at once; None when there is nothing to move to, or it was tried often enough.

    It starts from the instance that is PRIMARY, or was it last: that one is quiesced or fenced anew before anything else may serve.
    """
    if rescue_number(failed) >= MOST_RESCUES:
        return None
    is_promoted = was_promoted(tx, failed)
    is_noticed = failed.deadline_at is not None and not is_promoted
    start = RescueStart(
        instance=load_instance(tx, agent.agent_id, last_primary_id(tx, failed)),
        # An old instance that is lost without a notice is as good as past its end: nothing is taken back to it.
        deadline_at=None if is_promoted else failed.deadline_at or tx.now,
        event_id=failed.interruption_event_id if is_noticed else None,
    )
    is_lost = failed.trigger is SwitchTrigger.FAILOVER
    trigger = SwitchTrigger.NOTICE if is_noticed and not is_lost else SwitchTrigger.FAILOVER
    return _open_next(tx, agent, failed, start, trigger, is_resumed=False)


def resume(tx: Transaction, agent: Agent, given_up: Switch, start: RescueStart) -> Switch | None:
    """Open another rescue after those that followed one another at once have failed; None when there is nothing to move to."""
    trigger = SwitchTrigger.FAILOVER if start.event_id is None else SwitchTrigger.NOTICE
    return _open_next(tx, agent, given_up, start, trigger, is_resumed=True)


def give_up(tx: Transaction, switch: Switch) -> Switch:
    """Have a rescue that ended without success, and without a successor, looked at again after a pause; it alone of its agent's."""
    queries.forget_given_up(tx, switch.agent_id)
    resume_at = tx.now + timedelta(seconds=resume_pause_seconds(rescue_number(switch), tx.policy))
    return queries.update_switch(tx, switch, resume_at=resume_at)


def resume_pause_seconds(number: int, policy: MovePolicy) -> float:
    """Return how long to wait after the `number`-th rescue of a row (>= 1): the same after each quick one, then twice as long each time."""
    doublings = min(max(0, number - MOST_RESCUES), 10)
    return min(policy.resume_pause_seconds * 2.0**doublings, policy.longest_resume_pause_seconds)


def rescue_number(switch: Switch) -> int:
    """Return the place of a move in its row of rescues, from 1."""
    return int(switch.timing.get("rescue_number", 1))


def first_of_row(switch: Switch) -> str:
    """Return the id of the move with which its row of rescues began."""
    return str(switch.timing.get("first_of_row", switch.switch_id))


def was_promoted(tx: Transaction, switch: Switch) -> bool:
    """Tell whether the move's new side is the PRIMARY, or was it last."""
    return any(step.name is StepName.PROMOTE and step.status is StepStatus.DONE for step in queries.list_steps(tx, switch.switch_id))


def last_primary_id(tx: Transaction, switch: Switch) -> str:
    """Return the instance that was PRIMARY when the move ended."""
    is_new = switch.to_instance_id is not None and was_promoted(tx, switch)
    return switch.to_instance_id if is_new and switch.to_instance_id is not None else switch.from_instance_id


def _open_next(
    tx: Transaction, agent: Agent, failed: Switch, start: RescueStart, trigger: SwitchTrigger, *, is_resumed: bool
) -> Switch | None:
    live = replica_queries.nearest_live_replicas(tx, agent.agent_id)
    image = choose_image(tx, agent, last_primary(tx, agent))
    if agent.is_deleted or not agent.enabled or (image is None and not live):
        return None
    replica = rescuing.choose_replica(tx, agent, end_stale(tx, agent, live, is_replaceable=image is not None))
    if replica is None and image is None:
        return None
    prepared = opening.rescue_opening(
        agent,
        start.instance,
        replica,
        opening.Cause(trigger, f"rescue/{failed.switch_id}", start.event_id, start.deadline_at),
        image_id=None if image is None else image.image_id,
    )
    successor = opening.open_switch(tx, agent, prepared)
    timing = {"rescue_number": rescue_number(failed) + 1, "takes_over_from": failed.switch_id, "first_of_row": first_of_row(failed)}
    if start.deadline_at is not None and start.instance.instance_id == failed.from_instance_id and queries.ENDS_SILENT in failed.timing:
        timing[queries.ENDS_SILENT] = True
    return queries.update_switch(tx, successor, timing={**successor.timing, **timing, "is_resumed": is_resumed})
