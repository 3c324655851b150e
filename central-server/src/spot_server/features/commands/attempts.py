"""Asking for one thing until it is done: numbered attempts of one command, each issued after the outcome of the one before is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, bindparam, func, literal, select

from spot_server.aws.errors import ErrorClass
from spot_server.db.runner import Transaction
from spot_server.db.tables import clients
from spot_server.db.tables import spot_interruption_events as events
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import queries
from spot_server.features.commands.actors import DAEMON_FIRST, HANDLE_ACTS, KINDS_OF_ACT, Act, Assignment, DaemonFacts, choose_actor
from spot_server.features.commands.queries import Command
from spot_server.features.commands.rules import is_past_end
from spot_server.features.control_role.rules import UNUSABLE_SECONDS, Failure, is_usable
from spot_server.features.instances.queries import Instance, list_present
from spot_server.features.silences.gone_rules import account_of_role, is_elsewhere
from spot_server.words import Actor, InterruptionKind


def request_id(prefix: str, attempt: int) -> str:
    """Name one attempt."""
    return f"{prefix}/{attempt}"


def release_request_id(agent_id: str) -> str:
    """Name the one command that tells a deleted agent's daemon to stop."""
    return f"release/{agent_id}"


def release_of(of_agent: FromClause, agent_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that a row of `of_agent` (the table of commands, or an alias of it) is that command of this agent."""
    return of_agent.c.request_id == literal(release_request_id("")).concat(agent_id)


def last_attempt(tx: Transaction, agent_id: str, prefix: str) -> tuple[int, Command | None]:
    """Return the number and command of the newest attempt, or (0, None)."""
    found = queries.newest_attempt(tx, agent_id, prefix)
    return (0, None) if found is None else (int(found.request_id.rpartition("/")[2]), found)


def load_daemons(tx: Transaction, agent: Agent) -> list[DaemonFacts]:
    """Return the agent's daemons with whether each can be given work: heard from lately, and not past the end that a notice named.

    One that is heard well after its end has outlived its notice, and is given work again.
    """
    return daemons_of(tx, agent, list_present(tx, agent.agent_id), notice_ends(tx, agent.agent_id))


def daemons_of(tx: Transaction, agent: Agent, present: Sequence[Instance], ends: Mapping[str, datetime]) -> list[DaemonFacts]:
    """Return what `load_daemons` does, of instances and notices' ends that were read in this transaction."""
    is_dismissed = agent.is_deleted and queries.find_by_request(tx, agent.agent_id, release_request_id(agent.agent_id)) is not None
    fresh_since = tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds)
    return [
        DaemonFacts(
            instance_id=instance.instance_id,
            role=instance.role,
            is_reachable=instance.last_heartbeat_at >= fresh_since and not is_taken_away(tx, instance, ends.get(instance.instance_id)),
        )
        for instance in present
        # A released daemon finishes what is left to terminate, until it is told to stop. A stray has no token.
        if (instance.released_at is None or not is_dismissed) and not instance.is_stray
    ]


def is_forsaken(tx: Transaction, agent: Agent, command: Command) -> bool:
    """Tell whether nobody will answer an open command: its time is over, or the daemon that has it cannot be reached any more."""
    if not command.is_open:
        return False
    if command.deadline_at is not None and tx.now > command.deadline_at:
        return True
    if command.actor is Actor.CONTROL_ROLE:
        return False
    return not any(d.is_reachable and d.instance_id == command.instance_id for d in load_daemons(tx, agent))


_NOTICE_ENDS = (
    select(events.c.instance_id, func.max(events.c.action_at).label("end_at"))
    .where(
        events.c.agent_id == bindparam("agent_id"),
        events.c.kind.in_((InterruptionKind.TERMINATE, InterruptionKind.STOP, InterruptionKind.HIBERNATE)),
        events.c.action_at.is_not(None),
    )
    .group_by(events.c.instance_id)
)


def notice_ends(tx: Transaction, agent_id: str) -> dict[str, datetime]:
    """Return when notices take the agent's instances away, by instance id; the last one where there were several."""
    return {row.instance_id: row.end_at for row in tx.execute(_NOTICE_ENDS, {"agent_id": agent_id})}


def is_taken_away(tx: Transaction, instance: Instance, end_at: datetime | None) -> bool:
    """Tell whether a notice's end has come for the instance, which it has not outlived."""
    return is_past_end(end_at, instance.last_heartbeat_at, tx.now, outlived_seconds=tx.policy.notice_outlived_seconds)


def is_going(tx: Transaction, instance: Instance, end_at: datetime | None) -> bool:
    """Tell whether a notice takes the instance away, now or at a time that lies ahead, and it has not outlived that."""
    return end_at is not None and (tx.now < end_at or is_taken_away(tx, instance, end_at))


_ROLE_ARN = select(clients.c.aws_role_arn).where(clients.c.client_id == bindparam("client_id"))


def assign(tx: Transaction, agent: Agent, act: Act, target_instance_id: str) -> Assignment | None:
    """Choose who does `act` now, or None when nobody can. What the role failed at for one of the client's agents counts for all."""
    role_arn = tx.execute(_ROLE_ARN, {"client_id": agent.client_id}).scalar_one()
    has_usable_role = role_arn is not None and _is_role_usable(tx, agent.client_id, act)
    present = list_present(tx, agent.agent_id)
    daemons = daemons_of(tx, agent, present, notice_ends(tx, agent.agent_id))
    if has_usable_role and act in DAEMON_FIRST:
        unable = _unable_instances(tx, agent, act)
        daemons = [daemon for daemon in daemons if daemon.instance_id not in unable]
    return choose_actor(
        act,
        has_control_role=role_arn is not None,
        is_control_role_usable=has_usable_role,
        is_control_role_elsewhere=any(
            one.instance_id == target_instance_id and is_elsewhere(account_of_role(role_arn), one.account_id) for one in present
        ),
        daemons=daemons,
        target_instance_id=target_instance_id,
    )


def falls_to_role(tx: Transaction, agent: Agent, command: Command) -> bool:
    """Tell whether another attempt at what a daemon may not do falls to the control role."""
    act = HANDLE_ACTS.get(command.kind)
    if act is None or command.actor is not Actor.DAEMON or command.error_class != ErrorClass.NOT_AUTHORIZED:
        return False
    chosen = assign(tx, agent, act, command.instance_id)
    return chosen is not None and chosen.actor is Actor.CONTROL_ROLE


def _unable_instances(tx: Transaction, agent: Agent, act: Act) -> set[str]:
    """Whose daemons were refused the act of late, or could not reach AWS for any handle: there is no time to wait until they can."""
    since = tx.now - timedelta(seconds=max(UNUSABLE_SECONDS.values()))
    failed = queries.failures_of_actor(tx, agent.client_id, Actor.DAEMON, since=since, agent_id=agent.agent_id)
    unable = set()
    for one in failed:
        kinds = KINDS_OF_ACT[act] | (HANDLE_ACTS.keys() if one.error_class == ErrorClass.UNREACHABLE else set())
        if not is_usable(kinds, _failures([one]), tx.now):
            unable.add(one.instance_id)
    return unable


def _is_role_usable(tx: Transaction, client_id: str, act: Act) -> bool:
    since = tx.now - timedelta(seconds=max(UNUSABLE_SECONDS.values()))
    failed = queries.failures_of_actor(tx, client_id, Actor.CONTROL_ROLE, since=since)
    return is_usable(KINDS_OF_ACT[act], _failures(failed), tx.now)


def _failures(failed: Sequence[Command]) -> list[Failure]:
    return [
        Failure(command.kind, command.error_class, command.error_code, command.finished_at)
        for command in failed
        if command.finished_at is not None
    ]
