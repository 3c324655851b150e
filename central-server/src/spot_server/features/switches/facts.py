"""Reading everything that a decision about a switch rests on, as one frozen snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.errors import NotFound
from spot_server.features.agents.queries import Agent
from spot_server.features.autonomy.queries import open_plans
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign, daemons_of, falls_to_role, is_going, is_taken_away, notice_ends
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import Instance, list_present_and
from spot_server.features.interruptions.queries import InterruptionEvent, find_event
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.launching import choose_image, last_primary
from spot_server.features.replicas.queries import Replica
from spot_server.features.silences.gone import weighed_state
from spot_server.features.switches import queries
from spot_server.features.switches.alarms import ALARMED_AT
from spot_server.features.switches.carry_rules import leaves_new_writes
from spot_server.features.switches.comparing import comparison_of, words_of
from spot_server.features.switches.decisions import SETTLED, CommandView, StepView, SwitchFacts
from spot_server.features.switches.issuing import moment
from spot_server.features.switches.new_sides import side_called_back, side_of_replica
from spot_server.features.switches.payloads import handle_of
from spot_server.features.switches.queries import Step, Switch
from spot_server.features.switches.rivals import rivals_of, why_not_promoted
from spot_server.features.switches.silent_fences import why_not_ended, why_not_fenced
from spot_server.features.switches.turning import was_told_to_serve
from spot_server.features.switches.volume_payloads import BROUGHT
from spot_server.words import (
    RESCUE_TRIGGERS,
    Actor,
    Carry,
    CommandKind,
    HandleKind,
    InterruptionKind,
    Mode,
    Role,
    StepName,
    StepStatus,
    SwitchStatus,
)

ENDS_AT_A_NAMED_TIME = frozenset({InterruptionKind.TERMINATE, InterruptionKind.STOP})
"""A hibernation begins at its notice."""


def load_facts(tx: Transaction, agent: Agent, switch: Switch) -> SwitchFacts:
    """Return the snapshot for `switch` as the database stands now. What only some steps ask is looked up at those steps alone."""
    replica = None if switch.replica_id is None else replica_queries.load_replica(tx, agent.agent_id, switch.replica_id)
    new_id = switch.to_instance_id if switch.is_call_back else None if replica is None else replica.instance_id
    old, new, present = _read_instances(tx, agent, switch, new_id)
    ends = notice_ends(tx, agent.agent_id)
    reachable = {daemon.instance_id for daemon in daemons_of(tx, agent, present, ends) if daemon.is_reachable}
    new_end_at = None if new_id is None else ends.get(new_id)
    new_side = side_called_back(tx, new, new_end_at) if switch.is_call_back else side_of_replica(replica)
    deadline_at = switch.deadline_at
    # An old instance that is heard well after its notice's end is doomed no more: the move may be taken back to it, and must be asked.
    event = None if switch.interruption_event_id is None else find_event(tx, switch.interruption_event_id)
    is_silent = _is_silence(switch, event)
    is_outlived = deadline_at is not None and deadline_at <= tx.now and not _is_given_up(tx, old, deadline_at, is_silent=is_silent)
    rows = queries.list_steps(tx, switch.switch_id)
    next_name = next((row.name for row in rows if row.status not in SETTLED), None)
    steps = _step_views(tx, agent, switch, rows, reachable)
    needs_copies = _needs_copies(switch, steps, _az_of(new, replica, old), old.az_id)
    return SwitchFacts(
        status=switch.status,
        steps=steps,
        replica_status=new_side.status,
        replica_reason=new_side.reason,
        new_instance_id=new_id,
        new_role=None if new is None else new.role,
        is_new_past_its_end=new is not None and is_taken_away(tx, new, new_end_at),
        old_role=old.role,
        is_old_reachable=old.instance_id in reachable,
        has_handle=bool(switch.traffic_handles),
        has_fallback_image=next_name is StepName.IMAGE and choose_image(tx, agent, last_primary(tx, agent)) is not None,
        action_at=None if is_outlived else deadline_at,
        may_terminate_old=not (why_old_is_kept := _why_old_is_kept(agent, switch, old, event)),
        ends_old_by=CommandKind.STOP_INSTANCE if is_silent and old.mode is Mode.ON_DEMAND else CommandKind.TERMINATE_INSTANCE,
        needs_copies=needs_copies,
        has_copies=BROUGHT in switch.timing,
        has_volumes=bool(switch.data_volumes),
        now=tx.now,
        why_not_promoted=_why_not_promoted(tx, switch, rows) if next_name is StepName.PROMOTE else "",
        why_old_is_kept=why_old_is_kept,
        is_rescue=switch.trigger in RESCUE_TRIGGERS,
        is_end_announced=event is not None and event.kind in ENDS_AT_A_NAMED_TIME,
        is_old_heard=old.last_heartbeat_at >= tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds),
        new_launched_at=None if replica is None else replica.launched_at,
        comparison=comparison_of(tx, switch, old, new),
        differences=words_of(switch.differences),
        accepts_differences=switch.accepts_differences,
        is_forced=switch.timing.get(queries.IS_FORCED) is True,
        is_attended=_is_attended(tx, agent, switch, is_old_reachable=old.instance_id in reachable),
        unattended_since=moment(switch.timing.get(queries.UNATTENDED_SINCE)),
        leaves_new_writes=leaves_new_writes(switch.carry, needs_copies=needs_copies),
        leaves_old_writes=switch.loses_writes_since is not None,
        may_serve_twice=agent.safe_to_run_twice and switch.carry is Carry.STATELESS,
        is_new_going=new is not None and is_going(tx, new, new_end_at),
        returns=int(switch.timing.get(queries.RETURNS, 0)),
        turns=int(switch.timing.get(queries.TURNS, 0)),
        old_silent_seconds=(tx.now - old.last_heartbeat_at).total_seconds(),
        is_new_heard=new is not None and new.last_heartbeat_at >= tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds),
        is_old_told_to_serve=switch.status is SwitchStatus.ROLLING_BACK and was_told_to_serve(tx, switch),
        may_move_silent=agent.failover_when_silent,
        may_terminate_new=not switch.is_call_back or (agent.auto_terminate_enabled and new is not None and new.launched_by_server),
    )


def _read_instances(tx: Transaction, agent: Agent, switch: Switch, new_id: str | None) -> tuple[Instance, Instance | None, list[Instance]]:
    """Return the old side, the new one if there is one, and all instances of the agent that are present; in one statement."""
    known = {one.instance_id: one for one in list_present_and(tx, agent.agent_id, switch.from_instance_id, new_id)}
    if switch.from_instance_id not in known:
        raise NotFound(f"agent {agent.agent_id} has no instance {switch.from_instance_id}")
    new = None if new_id is None else known.get(new_id)
    return known[switch.from_instance_id], new, [one for one in known.values() if one.role is not Role.TERMINATED]


def _is_attended(tx: Transaction, agent: Agent, switch: Switch, *, is_old_reachable: bool) -> bool:
    """Tell whether anybody can take the move back; asked only while it is taken back."""
    if switch.status is not SwitchStatus.ROLLING_BACK or is_old_reachable:
        return True
    return assign(tx, agent, Act.DESCRIBE, switch.from_instance_id) is not None


def _az_of(new: Instance | None, replica: Replica | None, old: Instance) -> str:
    """Return where the new side is, or is to be; where the old one is before that is known."""
    return new.az_id if new is not None else old.az_id if replica is None else replica.az_id


def _needs_copies(switch: Switch, steps: Sequence[StepView], to_az_id: str, from_az_id: str) -> bool:
    """Tell whether the volumes themselves cannot be attached to the new instance."""
    has_old_ended = any(step.name is StepName.FENCE and step.status is StepStatus.DONE for step in steps)
    return to_az_id != from_az_id or (has_old_ended and any(volume.get("delete_on_termination") for volume in switch.data_volumes))


def _why_not_promoted(tx: Transaction, switch: Switch, steps: Sequence[Step]) -> str:
    """A move that follows a claim promotes its maker at once: what it holds, nobody else can claim."""
    follows_a_claim = next(step.name for step in steps if step.name in {StepName.PROMOTE, StepName.TRAFFIC}) is StepName.PROMOTE
    if follows_a_claim:
        return ""
    done = [step for step in steps if step.name is StepName.TRAFFIC and step.status is StepStatus.DONE]
    handles = [handle_of(switch, step.name, step.part) for step in done]
    moved = [handle["allocation_id"] for handle in handles if handle is not None and "allocation_id" in handle]
    rivals = rivals_of(open_plans(tx, switch.agent_id), (switch.from_instance_id, switch.to_instance_id))
    return why_not_promoted(rivals, moved)


def _is_silence(switch: Switch, event: InterruptionEvent | None) -> bool:
    """Tell whether the instance is taken for lost because it is silent, while EC2 says that it runs: by a second witness, or a person."""
    return _is_ended_by_a_person(switch) or (event is not None and event.kind is InterruptionKind.SILENCE)


def _is_ended_by_a_person(switch: Switch) -> bool:
    return switch.timing.get(queries.ENDS_SILENT) is True


def _is_given_up(tx: Transaction, old: Instance, deadline_at: datetime, *, is_silent: bool) -> bool:
    """Tell whether the old instance is still taken for lost. One that was merely silent is not, from its first word on."""
    return old.last_heartbeat_at <= deadline_at if is_silent else is_taken_away(tx, old, deadline_at)


def _why_old_is_kept(agent: Agent, switch: Switch, old: Instance, event: InterruptionEvent | None) -> str:
    """Return why we do not end an old instance that outlives its notice or is taken for lost; empty when we may.

    An instance that is to be stopped keeps its disk, and is not terminated by us.
    """
    if _is_ended_by_a_person(switch):
        return why_not_ended(agent, old)
    if _is_silence(switch, event):
        return why_not_fenced(agent, old)
    if not agent.auto_terminate_enabled:
        return "auto-terminate is off"
    is_terminated_by_ec2 = event is not None and event.kind is InterruptionKind.TERMINATE
    return "" if is_terminated_by_ec2 else "no notice said that EC2 would terminate it"


def _step_views(tx: Transaction, agent: Agent, switch: Switch, steps: Sequence[Step], reachable: set[str]) -> tuple[StepView, ...]:
    named = {command_id for step in steps for command_id in (step.command_id, step.undo_command_id) if command_id is not None}
    commands = command_queries.load_commands(tx, named)
    views: dict[str | None, CommandView] = {key: _command_view(tx, agent, command, reachable) for key, command in commands.items()}
    return tuple(_step_view(switch, step, views) for step in steps)


def _step_view(switch: Switch, step: Step, views: Mapping[str | None, CommandView]) -> StepView:
    handle = handle_of(switch, step.name, step.part)
    return StepView(
        name=step.name,
        status=step.status,
        attempt=step.attempt,
        intent_at=step.intent_at,
        command=views.get(step.command_id),
        undo_attempt=step.undo_attempt,
        undo_command=views.get(step.undo_command_id),
        is_alarmed=ALARMED_AT in (step.outcome or {}),
        part=step.part,
        handle=None if handle is None else HandleKind(handle["kind"]),
    )


def _command_view(tx: Transaction, agent: Agent, command: Command, reachable: set[str]) -> CommandView:
    return CommandView(
        kind=command.kind,
        status=command.status,
        state=weighed_state(tx, agent, command),
        error_class=command.error_class,
        error_text=command.error_text,
        deadline_at=command.deadline_at,
        issued_at=command.issued_at,
        finished_at=command.finished_at,
        is_actor_reachable=command.actor is Actor.CONTROL_ROLE or command.instance_id in reachable,
        is_by_control_role=command.actor is Actor.CONTROL_ROLE,
        falls_to_control_role=falls_to_role(tx, agent, command),
        was_delivered=command.first_delivered_at is not None,
        served=served if isinstance(served := command.result.get("served"), bool) else None,
    )
