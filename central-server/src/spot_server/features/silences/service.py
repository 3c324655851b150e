"""Use cases for primaries that fall silent. Each takes the agent's row first and may be repeated."""

from __future__ import annotations

from dataclasses import dataclass

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign, is_forsaken
from spot_server.features.commands.looking import look_again
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import Instance, primary_of
from spot_server.features.interruptions.service import Loss, take_loss
from spot_server.features.notifications.service import notify
from spot_server.features.silences import queries
from spot_server.features.silences.gone import say
from spot_server.features.silences.rules import (
    SOONEST_LOOK_SECONDS,
    Answer,
    AskEc2,
    LeaveBe,
    Lost,
    SilenceFacts,
    TakenForLost,
    decide_silence,
)
from spot_server.features.sweeper.holds import newer_epoch, why_not_rescued
from spot_server.features.switches.queries import active_switch
from spot_server.features.switches.silent_fences import why_not_fenced
from spot_server.words import PRIORITY_PERSON, RESCUE_TRIGGERS, InterruptionKind, Severity

ANSWERS_READ = 30
"""More than are asked for in the time that an instance must be unknown to EC2."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the job knows of the server's hearing. `is_one_of_many`: the agent fell silent together with too many others."""

    suspected_after_seconds: float
    told_after_seconds: float
    is_one_of_many: bool
    others_heard_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Looked:
    """What was done, or None; and when to look again, unless EC2, if it was asked, answers before."""

    sentence: str | None = None
    again_after_seconds: float = SOONEST_LOOK_SECONDS
    is_asked: bool = False


def look_into(tx: Transaction, *, agent_id: str, watch: Watch) -> Looked:
    """Do what the silence of the agent's PRIMARY asks for."""
    agent = load_agent(tx, agent_id, for_update=True)
    primary = primary_of(tx, agent_id)
    if primary is None or agent.is_deleted:
        return Looked()
    match decide_silence(_facts(tx, agent, primary, watch)):
        case LeaveBe():
            return Looked()
        case AskEc2(pause_seconds, tells):
            is_asked = _look(tx, agent, primary, pause_seconds)
            if tells is not None:
                _tell(tx, agent, primary, tells)
            return Looked(again_after_seconds=pause_seconds, is_asked=is_asked)
        case Lost(state, is_ended):
            return _take(tx, agent, primary, Loss(f"EC2 says {state}", is_ended=is_ended))
        case TakenForLost(reason):
            return _take(tx, agent, primary, Loss(reason, is_ended=False, kind=InterruptionKind.SILENCE))


def _look(tx: Transaction, agent: Agent, primary: Instance, pause_seconds: float) -> bool:
    """Ask EC2, unless it was asked of late; return whether its answer may still come."""
    look_again(
        tx,
        agent,
        primary.instance_id,
        prefix=_prefix(primary),
        pause_seconds=pause_seconds,
        priority=PRIORITY_PERSON,
        with_status_checks=True,
    )
    newest = command_queries.newest_attempt(tx, agent.agent_id, _prefix(primary))
    return newest is not None and newest.is_open


def _take(tx: Transaction, agent: Agent, primary: Instance, loss: Loss) -> Looked:
    hold = newer_epoch(tx, agent.agent_id)
    if hold is not None:
        # Another instance may be the real PRIMARY, of which this database has lost the row: a rescue would make a second one.
        _tell(tx, agent, primary, f"{loss.reason}; {why_not_rescued(hold)}")
        return Looked()
    taken = take_loss(tx, agent, primary, loss)
    return Looked(None if taken is None else f"{agent.logical_agent_id}: {primary.instance_id} is lost, {loss.reason}: {taken.response}")


def page_of_many(tx: Transaction, client_id: str, *, silent_count: int) -> bool:
    """Tell a client, once an hour, that so many of all agents fell silent together that the server doubts itself."""
    text = (
        f"{silent_count} of your agents fell silent together with many others: the fault is the server's or its network's more likely "
        "than theirs. Nothing is moved on the ground of silence; what EC2 says is gone is rescued all the same."
    )
    return notify(
        tx,
        client_id=client_id,
        agent_id=None,
        severity=Severity.CRITICAL,
        kind="many_silent",
        text=text,
        dedupe_key=f"many_silent/{client_id}/{tx.now:%Y-%m-%dT%H}",
    )


def _prefix(primary: Instance) -> str:
    return f"{queries.LOOK_PREFIX}/{primary.instance_id}"


def _facts(tx: Transaction, agent: Agent, primary: Instance, watch: Watch) -> SilenceFacts:
    asked = command_queries.newest_attempts(tx, agent.agent_id, _prefix(primary), most=ANSWERS_READ)
    return SilenceFacts(
        last_heard_at=primary.last_heartbeat_at,
        now=tx.now,
        suspected_after_seconds=watch.suspected_after_seconds,
        told_after_seconds=watch.told_after_seconds,
        is_looked_after=_is_looked_after(tx, agent, primary),
        is_one_of_many=watch.is_one_of_many,
        is_asked=bool(asked) and asked[0].is_open and not is_forsaken(tx, agent, asked[0]),
        can_be_asked=assign(tx, agent, Act.DESCRIBE, primary.instance_id) is not None,
        answers=_answers(tx, agent, primary, asked),
        others_heard_seconds=watch.others_heard_seconds,
        why_not_fenced=why_not_fenced(agent, primary) if agent.enabled else "the agent is disabled",
    )


def _is_looked_after(tx: Transaction, agent: Agent, primary: Instance) -> bool:
    running = active_switch(tx, agent.agent_id)
    if running is None:
        return queries.has_given_up(tx, agent.agent_id)
    return running.from_instance_id == primary.instance_id and running.trigger in RESCUE_TRIGGERS


def _answers(tx: Transaction, agent: Agent, primary: Instance, asked: list[Command]) -> list[Answer]:
    """Return what EC2 said to questions that were put after the instance was last heard: what came before is another silence's."""
    return [
        Answer(
            state=command.result["state"],
            at=command.finished_at,
            is_other_account=say(tx, agent, primary, command).is_other_account,
            status_checks=command.result.get("status_checks"),
        )
        for command in asked
        if command.issued_at > primary.last_heartbeat_at and command.finished_at is not None and command.result.get("state")
    ]


def _tell(tx: Transaction, agent: Agent, primary: Instance, what: str) -> None:
    """Tell the client once a day for each silence."""
    since = primary.last_heartbeat_at.isoformat(timespec="seconds")
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL,
        kind="primary_silent",
        text=f"the daemon of {primary.instance_id}, the primary of {agent.logical_agent_id}, has been silent since {since}: {what}",
        dedupe_key=f"primary_silent/{agent.agent_id}/{primary.instance_id}/{since}/{tx.now.date()}",
    )
