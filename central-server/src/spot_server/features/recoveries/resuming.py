"""Going on with a rescue that gave up. The caller holds the agent's row."""

from __future__ import annotations

from datetime import timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign, is_forsaken, last_attempt, load_daemons, notice_ends
from spot_server.features.commands.looking import look_again
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import Instance, load_instance, primary_of
from spot_server.features.interruptions.queries import find_ending
from spot_server.features.recoveries import queries
from spot_server.features.recoveries.resume_rules import (
    ENDED_STATES,
    Drop,
    GivenUpDecision,
    GivenUpFacts,
    LookAtPrimary,
    Postpone,
    Rescue,
    StrickenPrimary,
    TellPrimary,
)
from spot_server.features.recoveries.serving import ServeReason, serve_prefix, tell_to_serve
from spot_server.features.replicas.launching import choose_image, last_primary
from spot_server.features.replicas.queries import live_replicas
from spot_server.features.replicas.termination import note_terminated
from spot_server.features.silences.gone import weighed_state
from spot_server.features.sweeper.holds import newer_epoch, why_not_rescued
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches.driving import drive
from spot_server.features.switches.ending import tell_of_row
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.succession import RescueStart, last_primary_id, resume
from spot_server.words import PRIORITY_EMERGENCY, CommandStatus, Severity


def load_given_up_facts(tx: Transaction, agent: Agent, given_up: Switch) -> GivenUpFacts:
    """Return what is known of the agent's PRIMARY and of what could take its place."""
    primary = primary_of(tx, agent.agent_id)
    has_image = choose_image(tx, agent, last_primary(tx, agent)) is not None
    hold = newer_epoch(tx, agent.agent_id)
    can_launch = has_image and assign(tx, agent, Act.LAUNCH_IN_EMERGENCY, _primary_id(tx, agent, given_up)) is not None
    return GivenUpFacts(
        primary=None if primary is None else _stricken(tx, agent, given_up, primary),
        is_way_open=can_launch or bool(live_replicas(tx, agent.agent_id)),
        held_because=None if hold is None else why_not_rescued(hold),
        now=tx.now,
    )


def _stricken(tx: Transaction, agent: Agent, given_up: Switch, primary: Instance) -> StrickenPrimary:
    _number, look = last_attempt(tx, agent.agent_id, _look_prefix(given_up))
    _number, order = last_attempt(tx, agent.agent_id, serve_prefix(ServeReason.QUIESCED, primary.instance_id, agent.epoch))
    return StrickenPrimary(
        is_reachable=any(one.is_reachable and one.instance_id == primary.instance_id for one in load_daemons(tx, agent)),
        quiesced=primary.quiesced,
        end_at=notice_ends(tx, agent.agent_id).get(primary.instance_id),
        state=_state_of_late(tx, agent, look, primary),
        is_looked_at=look is not None and look.is_open and not is_forsaken(tx, agent, look),
        can_be_looked_at=assign(tx, agent, Act.DESCRIBE, primary.instance_id) is not None,
        has_served=primary.replica_id is None or queries.has_been_started(tx, agent.agent_id, primary.instance_id),
        is_start_refused=order is not None and order.status is CommandStatus.FAILED,
    )


def _primary_id(tx: Transaction, agent: Agent, given_up: Switch) -> str:
    """Return the PRIMARY, or the instance that was it when the rescue gave up."""
    primary = primary_of(tx, agent.agent_id)
    return last_primary_id(tx, given_up) if primary is None else primary.instance_id


def _look_prefix(given_up: Switch) -> str:
    return f"resume/{given_up.switch_id}"


def _state_of_late(tx: Transaction, agent: Agent, look: Command | None, primary: Instance) -> str | None:
    if look is None or look.finished_at is None or look.payload.get("instance_id") != primary.instance_id:
        return None
    is_of_late = tx.now - look.finished_at < timedelta(seconds=tx.policy.resume_pause_seconds)
    return weighed_state(tx, agent, look) if is_of_late else None


def apply_decision(tx: Transaction, agent: Agent, given_up: Switch, decision: GivenUpDecision) -> str | None:
    """Carry out what was decided; return what was done in words, or None for waiting."""
    match decision:
        case Rescue():
            return _rescue(tx, agent, given_up, decision)
        case LookAtPrimary():
            _look(tx, agent, given_up)
            return None
        case TellPrimary():
            _postpone(tx, given_up)
            primary_id = _primary_id(tx, agent, given_up)
            is_told = tell_to_serve(tx, agent, primary_id, ServeReason.QUIESCED)
            return f"{agent.logical_agent_id}: {primary_id} told to serve" if is_told else None
        case Drop(reason):
            switch_queries.forget_given_up(tx, agent.agent_id)
            text = f"the rescue of {agent.logical_agent_id} that gave up is not needed any more: {reason}"
            tell_of_row(tx, agent, given_up, Severity.INFO, "rescue_not_needed", text)
            return text
        case Postpone(reason, is_told):
            _postpone(tx, given_up)
            if is_told:
                text = f"the rescue of {agent.logical_agent_id} that gave up goes on as soon as it can: {reason}"
                tell_of_row(tx, agent, given_up, Severity.CRITICAL, "rescue_waits", text)
            return None


def _postpone(tx: Transaction, given_up: Switch) -> None:
    resume_at = tx.now + timedelta(seconds=tx.policy.resume_pause_seconds)
    switch_queries.update_switch(tx, given_up, resume_at=resume_at)


def _look(tx: Transaction, agent: Agent, given_up: Switch) -> None:
    look_again(
        tx,
        agent,
        _primary_id(tx, agent, given_up),
        prefix=_look_prefix(given_up),
        pause_seconds=tx.policy.resume_pause_seconds,
        priority=PRIORITY_EMERGENCY,
    )


def _rescue(tx: Transaction, agent: Agent, given_up: Switch, rescue: Rescue) -> str | None:
    start = _start(tx, agent, given_up, rescue)
    successor = resume(tx, agent, given_up, start)
    if successor is None:
        _postpone(tx, given_up)
        return None
    drive(tx, agent, successor)
    return f"{agent.logical_agent_id}: rescue {successor.switch_id} takes over from {given_up.switch_id}"


def _start(tx: Transaction, agent: Agent, given_up: Switch, rescue: Rescue) -> RescueStart:
    """Say from where to start.

    A notice whose end has passed is not taken along: it would have the fence end an instance that is merely silent.
    """
    instance_id = _primary_id(tx, agent, given_up)
    if rescue.state in ENDED_STATES:
        note_terminated(tx, agent, instance_id, reason="EC2 says that it is gone")
    instance = load_instance(tx, agent.agent_id, instance_id)
    if rescue.deadline_at is not None:
        event = find_ending(tx, agent.agent_id, instance_id, rescue.deadline_at)
        return RescueStart(instance, rescue.deadline_at, None if event is None else event.event_id)
    # What EC2 stops, or is about to end, is as good as past its end: nothing is taken back to it.
    is_going = rescue.state is not None and rescue.state not in ENDED_STATES
    return RescueStart(instance, tx.now if is_going else None)
