"""A client with a control role, its agent, and jobs processes whose acts run at once in the test's own thread."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy import select, update

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.memory_aws import FakeGateway
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import clients, commands, instances, notifications
from spot_server.errors import DatabaseUnavailable
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import CONTROL_ROLE_INSTANCE_ID, Act
from spot_server.features.commands.attempts import assign
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.commands.queries import Command, load_command
from spot_server.features.control_role.jobs import ControlRoleActs
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import Actor, CommandKind

T = TypeVar("T")
ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
_numbers = itertools.count(1)

LAUNCH: dict[str, Any] = {
    "client_token": "token-1",
    "image_id": "ami-base",
    "instance_type": "m5.large",
    "az_id": "use1-az1",
    "subnet_id": "subnet-1",
    "mode": "spot",
    "user_data": "a nonce",
    "tags": {},
}


class Stage:
    """A client with a role, an agent, and a jobs process whose acts run at once in the test's own thread."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock, self.gateway = database, clock, FakeGateway()
        self.fleet = Fleet.on(database)
        self.fleet.execute(
            update(clients).where(clients.c.client_id == self.fleet.client_id).values(aws_role_arn=ROLE_ARN, aws_external_id="external-1")
        )
        self.agent = self.fleet.agent()
        self.ec2 = self.gateway.fake_ec2
        self.context = self.context_on(database)
        self.acts = self.new_process()

    def context_on(self, database: Database) -> JobContext:
        return JobContext(database, self.clock, Settings(), Metrics(), structlog.get_logger())

    def new_process(self, spawn: Callable[[Callable[[], None]], None] = lambda work: work()) -> ControlRoleActs:
        """Another jobs process, which remembers nothing."""
        return ControlRoleActs(self.gateway, most_at_once=8, spawn=spawn, draw=lambda: 1.0)

    def issue(self, kind: CommandKind, payload: dict[str, Any], **members: Any) -> str:
        base: dict[str, Any] = {
            "client_id": self.fleet.client_id,
            "agent_id": self.agent.agent_id,
            "instance_id": CONTROL_ROLE_INSTANCE_ID,
            "actor": Actor.CONTROL_ROLE,
            "request_id": f"request-{next(_numbers)}",
            "kind": kind,
            "priority": 50,
            "epoch": self.agent.epoch,
            "payload": payload,
            "deadline_at": self.clock.now() + timedelta(seconds=150),
        }
        return self.database.write(lambda tx: ledger.issue(tx, NewCommand(**{**base, **members})))

    def command(self, command_id: str) -> Command:
        found = self.database.read(lambda tx: load_command(tx, command_id))
        assert found is not None
        return found

    def run(self, acts: ControlRoleActs | None = None) -> None:
        (acts or self.acts)(self.context)

    def run_after(self, seconds: float, acts: ControlRoleActs | None = None) -> None:
        self.clock.advance(seconds)
        self.heartbeat()
        self.run(acts)

    def heartbeat(self) -> None:
        """The primary's daemon stays reachable however long the test takes."""
        self.fleet.execute(update(instances).values(last_heartbeat_at=self.clock.now()))

    def assigned(self, act: Act) -> Actor | None:
        chosen = self.database.write(lambda tx: assign(tx, self.agent, act, "i-other"))
        return None if chosen is None else chosen.actor

    def told(self) -> list[str]:
        return self.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "control_role_refused"))

    def open_daemon_commands(self) -> list[tuple[str, CommandKind]]:
        """(instance, kind) of what daemons have to do."""
        rows = self.database.read(
            lambda tx: tx.execute(
                select(commands.c.instance_id, commands.c.kind).where(
                    commands.c.open_instance_id.is_not(None), commands.c.actor == Actor.DAEMON
                )
            ).all()
        )
        return [(row.instance_id, row.kind) for row in rows]


class DyingDatabase(Database):
    """The database of a process that dies before its `deadly_write`-th write (1 is the first)."""

    def __init__(self, database: Database, deadly_write: int) -> None:
        self.engine, self._database, self._left = database.engine, database, deadly_write

    def read(self, use_case: Callable[[Transaction], T]) -> T:
        return self._database.read(use_case)

    def write(self, use_case: Callable[[Transaction], T]) -> T:
        self._left -= 1
        if self._left <= 0:
            raise DatabaseUnavailable
        return self._database.write(use_case)
