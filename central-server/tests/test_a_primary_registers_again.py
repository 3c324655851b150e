"""A reinstalled daemon, or one that lost its journal, waits to be told; the server tells it."""

from __future__ import annotations

from server_support.fleet import Fleet
from spot_server.db.runner import Database
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.service import take_pending
from spot_server.words import CommandKind, Role


def pending_kinds(database: Database, agent: Agent, instance_id: str) -> list[CommandKind]:
    return [command.kind for command in database.write(lambda tx: take_pending(tx, agent.agent_id, instance_id))]


def test_a_primary_that_registers_again_is_told_to_serve(database: Database) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()

    fleet.register()

    assert pending_kinds(database, agent, "i-1") == [CommandKind.START_SERVING]


def test_it_is_told_once_while_it_has_not_answered(database: Database) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()

    fleet.register()
    fleet.register()

    assert pending_kinds(database, agent, "i-1") == [CommandKind.START_SERVING]


def test_a_zombie_that_registers_again_is_not_told_to_serve(database: Database) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()
    fleet.set_role(agent, "i-1", Role.ZOMBIE)

    fleet.register()

    assert pending_kinds(database, agent, "i-1") == []
