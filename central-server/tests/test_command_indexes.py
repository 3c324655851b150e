"""What is asked of the commands before each act is answered from an index, however many there ever were."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.plans import gather_statistics, plans_of
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import clients, commands
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign
from spot_server.features.commands.queries import failures_of_actor
from spot_server.words import Actor, CommandKind, CommandStatus

PAST_COMMANDS = 3000


def past_commands(agent_id: str, client_id: str, now: datetime) -> list[dict[str, Any]]:
    """A day of commands that were carried out, one in a hundred in vain."""
    return [
        {
            "command_id": f"command-{number}",
            "client_id": client_id,
            "agent_id": agent_id,
            "instance_id": "i-1",
            "request_id": f"past/{number}",
            "kind": CommandKind.DESCRIBE_INSTANCE,
            "actor": Actor.CONTROL_ROLE if number % 2 else Actor.DAEMON,
            "priority": 25,
            "epoch": 1,
            "payload": {},
            "payload_sha256": "",
            "status": CommandStatus.FAILED if number % 100 == 0 else CommandStatus.SUCCEEDED,
            "issued_at": now - timedelta(seconds=30 * number),
            "finished_at": now - timedelta(seconds=30 * number),
        }
        for number in range(PAST_COMMANDS)
    ]


def test_the_failures_of_a_client_s_control_role_are_found_by_an_index(database: Database, clock: FakeClock) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()
    fleet.execute(insert(commands).values(past_commands(agent.agent_id, fleet.client_id, clock.now())))
    gather_statistics(database.engine)
    since = clock.now() - timedelta(seconds=300)

    def ask(tx: Transaction) -> None:
        failures_of_actor(tx, fleet.client_id, Actor.CONTROL_ROLE, since=since)
        failures_of_actor(tx, fleet.client_id, Actor.DAEMON, since=since, agent_id=agent.agent_id)

    plans = plans_of(database.engine, lambda: database.read(ask))

    assert ["ix_commands_client_id_actor_status_finished_at" in plan for plan in plans] == [True, True], plans


def test_failures_of_other_clients_agents_and_times_are_left_out(database: Database, clock: FakeClock) -> None:
    fleet, stranger = Fleet.on(database), Fleet.on(database)
    first, second, other = fleet.agent("web-1"), fleet.agent("web-2", instance_id="i-2"), stranger.agent(instance_id="i-3")
    now = clock.now()
    for number, (agent, actor, age_seconds) in enumerate(
        [
            (first, Actor.DAEMON, 300),
            (first, Actor.DAEMON, 301),
            (first, Actor.CONTROL_ROLE, 10),
            (second, Actor.DAEMON, 10),
            (other, Actor.DAEMON, 10),
        ]
    ):
        row = past_commands(agent.agent_id, agent.client_id, now)[0]
        times = {"issued_at": now, "finished_at": now - timedelta(seconds=age_seconds)}
        fleet.execute(insert(commands).values({**row, **times, "command_id": f"c-{number}", "request_id": f"r-{number}", "actor": actor}))
    since = now - timedelta(seconds=300)

    of_client = database.read(lambda tx: failures_of_actor(tx, fleet.client_id, Actor.DAEMON, since=since))
    of_agent = database.read(lambda tx: failures_of_actor(tx, fleet.client_id, Actor.DAEMON, since=since, agent_id=first.agent_id))

    assert sorted(command.command_id for command in of_client) == ["c-0", "c-3"]
    assert [command.command_id for command in of_agent] == ["c-0"]


def test_choosing_who_acts_reads_no_table_of_commands_from_end_to_end(database: Database, clock: FakeClock) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()
    fleet.execute(update(clients).values(aws_role_arn="arn:aws:iam::123456789012:role/control"))
    fleet.execute(insert(commands).values(past_commands(agent.agent_id, fleet.client_id, clock.now())))
    gather_statistics(database.engine)

    plans = plans_of(database.engine, lambda: database.read(lambda tx: assign(tx, agent, Act.MOVE_ADDRESS, "i-1")))

    assert [plan for plan in plans if " commands " in plan]
    assert not [plan for plan in plans if "SCAN commands" in plan]
