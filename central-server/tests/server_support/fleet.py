"""Agents, instances and replicas for tests, made the way that daemons make them where that is possible."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Executable, insert, update

from server_support.builders import create_client, create_enrolment_token
from server_support.clock import FakeClock
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import commands, instances, replica_instances
from spot_server.features.agent_config.service import Intervals
from spot_server.features.agents.queries import Agent, find_live_agent, load_agent
from spot_server.features.agents.service import delete_agent
from spot_server.features.heartbeats.service import mark_offline
from spot_server.features.instances.queries import Instance, list_instances, load_instance
from spot_server.features.registration.arrivals import NewRegistration
from spot_server.features.registration.service import Registered, Turned, accept_or_raise, register
from spot_server.features.tokens.service import NONCE_PREFIX, digest_of
from spot_server.words import Actor, Carry, CommandKind, CommandStatus, Mode, ReplicaKind, ReplicaStatus, Role

_numbers = itertools.count(1)


def registration(**changes: Any) -> NewRegistration:
    """What a daemon on an ordinary spot instance says."""
    base = NewRegistration(
        logical_agent_id="web-1",
        instance_id="i-1",
        instance_type="m5.large",
        region="us-east-1",
        az_id="use1-az1",
        az_name="us-east-1a",
        product="Linux/UNIX",
        architecture="x86_64",
        private_ip="10.0.0.5",
        mode=Mode.SPOT,
        daemon_version="0.1.0",
        mode_evidence={"metadata": "spot", "api": "spot"},
        settings={"carry": Carry.STATELESS, "traffic_handles": [{"kind": "elastic_ip", "allocation_id": "eipalloc-1"}]},
        launch_specification={"vpc_id": "vpc-1", "subnets": {"use1-az1": "subnet-1"}, "security_group_ids": ["sg-1"]},
    )
    return replace(base, **changes)


@dataclass(frozen=True)
class Fleet:
    """One client with an enrolment token for any agent."""

    database: Database
    client_id: str
    enrolment: str

    @classmethod
    def on(cls, database: Database) -> Fleet:
        client_id = create_client(database)
        return cls(database, client_id, create_enrolment_token(database, client_id))

    def execute(self, statement: Executable) -> None:
        """Run one statement in a transaction of its own."""

        def act(tx: Transaction) -> None:
            tx.execute(statement)

        self.database.write(act)

    def scalars(self, statement: Executable) -> list[Any]:
        """Return the first column of what a query finds."""
        return self.database.read(lambda tx: list(tx.execute(statement).scalars()))

    def try_register(self, secret: str | None = None, **changes: Any) -> Registered | Turned:
        """Register and return the outcome, refusals included."""
        request = registration(**changes)
        return self.database.write(lambda tx: register(tx, secret or self.enrolment, request, Intervals()))

    def register(self, secret: str | None = None, **changes: Any) -> Registered:
        """Register, and fail the test on a refusal."""
        return accept_or_raise(self.try_register(secret, **changes))

    def agent(self, logical_agent_id: str = "web-1", **changes: Any) -> Agent:
        """A new agent with one PRIMARY."""
        return self.register(logical_agent_id=logical_agent_id, **changes).config.agent

    def reload(self, agent: Agent) -> Agent:
        """The agent as it is now."""
        return self.database.read(lambda tx: load_agent(tx, agent.agent_id))

    def live(self, logical_agent_id: str) -> Agent:
        """The living agent under that logical id."""
        agent = self.database.read(lambda tx: find_live_agent(tx, self.client_id, logical_agent_id))
        assert agent is not None
        return agent

    def instance(self, agent: Agent, instance_id: str) -> Instance:
        """The instance as it is now."""
        return self.database.read(lambda tx: load_instance(tx, agent.agent_id, instance_id))

    def roles(self, agent: Agent) -> dict[str, Role]:
        """The role of every instance of the agent."""
        rows = self.database.read(lambda tx: list_instances(tx, agent.agent_id))
        return {row.instance_id: row.role for row in rows}

    def launched_replica(self, agent: Agent, *, instance_id: str | None = "i-2", **changes: Any) -> Launched:
        """A replica that the agent's PRIMARY was told to launch; `instance_id` None: its answer is not recorded yet."""
        number = next(_numbers)
        replica_id, command_id, nonce = f"replica-{number}", f"command-{number}", f"{NONCE_PREFIX}{number}"
        primary_id = next((key for key, role in self.roles(agent).items() if role is Role.PRIMARY), "i-none")

        def store(tx: Any) -> None:
            tx.execute(insert(commands).values(**_launch_command(tx.now, agent, command_id, primary_id)))
            values = _replica(tx.now, agent, replica_id, command_id, nonce)
            tx.execute(insert(replica_instances).values({**values, "instance_id": instance_id, **changes}))

        self.database.write(store)
        return Launched(replica_id, command_id, nonce)

    def replica_in_place(self, agent: Agent, instance_id: str = "i-2") -> Launched:
        """A launched replica that has registered."""
        launched = self.launched_replica(agent, instance_id=instance_id)
        self.register(launched.nonce, logical_agent_id=agent.logical_agent_id, instance_id=instance_id)
        return launched

    def add_instance(self, agent: Agent, instance_id: str, role: Role = Role.REPLICA) -> None:
        """Put a row in place that looks like the agent's first instance, under another id and role."""
        first = self.database.read(lambda tx: list_instances(tx, agent.agent_id))[0]
        values = {name: getattr(first, name) for name in Instance.__dataclass_fields__}
        row = {**values, "instance_id": instance_id, "role": role, "primary_of": None}
        self.execute(insert(instances).values(row))

    def delete(self, agent: Agent) -> Agent:
        """Delete the agent as a person does."""
        return self.database.write(lambda tx: delete_agent(tx, self.client_id, agent.agent_id, by="test", reason="a test"))

    def set_role(self, agent: Agent, instance_id: str, role: Role) -> None:
        """Put an instance into a role without the ceremony."""
        statement = update(instances).where(instances.c.agent_id == agent.agent_id, instances.c.instance_id == instance_id)
        values = {"role": role, "primary_of": agent.agent_id if role is Role.PRIMARY else None}
        self.execute(statement.values(values))

    def note_heartbeats(self, now: datetime) -> None:
        """Let every daemon have been heard just now, without anything else happening."""
        self.execute(update(instances).values(last_heartbeat_at=now))

    def mark_offline_after(self, clock: FakeClock, silence_seconds: float, *, offline_after_seconds: float = 300) -> int:
        """Let `silence_seconds` pass, then look for silent agents as a server does that has listened long enough."""
        clock.advance(silence_seconds)
        since = clock.now() - timedelta(days=1)
        return self.database.write(lambda tx: mark_offline(tx, since, offline_after_seconds=offline_after_seconds))


@dataclass(frozen=True)
class Launched:
    """A replica, the command that launched it, and the nonce in its user data."""

    replica_id: str
    command_id: str
    nonce: str


def _launch_command(now: Any, agent: Agent, command_id: str, instance_id: str) -> dict[str, Any]:
    return {
        "command_id": command_id,
        "client_id": agent.client_id,
        "agent_id": agent.agent_id,
        "instance_id": instance_id,
        "request_id": command_id,
        "kind": CommandKind.LAUNCH_INSTANCE,
        "actor": Actor.DAEMON,
        "priority": 75,
        "epoch": agent.epoch,
        "payload": {},
        "payload_sha256": "0" * 64,
        "status": CommandStatus.DELIVERED,
        "open_instance_id": instance_id,
        "issued_at": now,
        "deadline_at": now + timedelta(seconds=150),
    }


def _replica(now: Any, agent: Agent, replica_id: str, command_id: str, nonce: str) -> dict[str, Any]:
    known = {column.name for column in replica_instances.columns}
    values = {
        "replica_id": replica_id,
        "client_id": agent.client_id,
        "agent_id": agent.agent_id,
        "request_id": replica_id,
        "kind": ReplicaKind.SWITCH,
        "status": ReplicaStatus.LAUNCHING,
        "instance_type": "m5.large",
        "az_id": "use1-az1",
        "mode": Mode.SPOT,
        "wish": {},
        "rejected_places": [],
        "launch_command_id": command_id,
        "nonce_sha256": digest_of(nonce),
        "created_at": now,
    }
    return {name: value for name, value in values.items() if name in known}
