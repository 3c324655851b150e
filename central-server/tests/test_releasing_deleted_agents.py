"""A deleted agent's primary keeps running; its daemon stops only when nothing else of the agent is left to terminate."""

from __future__ import annotations

from typing import Any

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from spot_server.db.runner import Database
from spot_server.features.agents.queries import Agent
from spot_server.features.agents.release import release_primary, unreleased_agents
from spot_server.features.commands.service import CommandOutcome, record_outcome, take_pending
from spot_server.features.replicas.service import sweep_replica
from spot_server.words import CommandKind, Role


def pending_kinds(database: Database, agent: Agent, instance_id: str = "i-1") -> list[CommandKind]:
    commands = database.write(lambda tx: take_pending(tx, agent.agent_id, instance_id))
    return [command.kind for command in commands]


def answer(database: Database, agent: Agent, kind: CommandKind, result: dict[str, Any], instance_id: str = "i-1") -> None:
    """Let the daemon on `instance_id` answer its open command of that kind with success."""
    command = next(c for c in database.write(lambda tx: take_pending(tx, agent.agent_id, instance_id)) if c.kind is kind)
    outcome = CommandOutcome(command.request_id, "succeeded", None, result, None, None)
    database.write(lambda tx: record_outcome(tx, agent.agent_id, instance_id, command.command_id, outcome))


def test_without_standbys_the_release_is_told_at_once(database: Database) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()

    fleet.delete(agent)

    assert pending_kinds(database, agent) == [CommandKind.RELEASE]


def test_the_daemon_stays_until_the_standby_is_gone(database: Database, clock: FakeClock) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()
    launched = fleet.replica_in_place(agent)

    fleet.delete(agent)

    assert fleet.roles(agent) == {"i-1": Role.ZOMBIE, "i-2": Role.ZOMBIE}
    answer(database, agent, CommandKind.TERMINATE_INSTANCE, {"state": "shutting-down"})
    database.write(lambda tx: sweep_replica(tx, agent_id=agent.agent_id, replica_id=launched.replica_id))
    assert database.read(unreleased_agents) == [agent.agent_id]
    assert database.write(lambda tx: release_primary(tx, agent_id=agent.agent_id)) is False
    answer(database, agent, CommandKind.WAIT_TERMINATED, {"state": "terminated"})
    database.write(lambda tx: sweep_replica(tx, agent_id=agent.agent_id, replica_id=launched.replica_id))
    assert database.write(lambda tx: release_primary(tx, agent_id=agent.agent_id)) is True
    assert pending_kinds(database, agent) == [CommandKind.RELEASE]
    assert database.read(unreleased_agents) == []


def test_the_wait_for_the_standby_is_bounded(database: Database, clock: FakeClock) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()
    fleet.replica_in_place(agent)
    fleet.delete(agent)

    clock.advance(database.policy.release_wait_seconds + 1)

    assert database.write(lambda tx: release_primary(tx, agent_id=agent.agent_id)) is True
