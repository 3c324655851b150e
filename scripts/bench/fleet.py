"""The agents of a measurement, registered through the server's own service functions; of a large fleet the most are copies."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any

from sqlalchemy import Table, insert, select

from bench.wire import PRICE_TYPES, Daemon
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import agents, instances, tokens
from spot_server.features.agent_config.service import Intervals
from spot_server.features.agents.queries import live_key
from spot_server.features.clients.service import NewClient, create_client
from spot_server.features.registration.arrivals import NewRegistration
from spot_server.features.registration.service import accept_or_raise, register
from spot_server.features.tokens.service import PREFIXES, create_token, digest_of, new_secret
from spot_server.words import Carry, Mode, TokenKind

REGISTERED_AT_ONCE = 50
COPIED_AT_ONCE = 1000


def make_agents(
    database: Database, count: int, *, client_name: str = "bench", most_registered: int = 1000
) -> tuple[str, tuple[Daemon, ...]]:
    """Make one client with `count` agents of one PRIMARY each; return the client's id and the daemons with their tokens.

    Beyond `most_registered` an agent is a copy of the first one's rows, with its own ids and token: to register ten thousand takes minutes.
    """
    client = database.write(lambda tx: create_client(tx, NewClient(name=client_name)))
    enrolment = database.write(
        lambda tx: create_token(tx, TokenKind.ENROLMENT, created_by="bench", client_id=client.client_id, logical_agent_id_pattern="*")
    )

    registered = min(count, most_registered)

    def register_some(tx: Transaction, first: int) -> list[Daemon]:
        return [_register(tx, enrolment, number) for number in range(first, min(first + REGISTERED_AT_ONCE, registered))]

    daemons: list[Daemon] = []
    for first in range(0, registered, REGISTERED_AT_ONCE):
        daemons += database.write(lambda tx, first=first: register_some(tx, first))  # type: ignore[misc]  # mypy reads no default of a lambda
    for first in range(len(daemons), count, COPIED_AT_ONCE):
        numbers = range(first, min(first + COPIED_AT_ONCE, count))
        daemons += database.write(partial(_copy, first=daemons[0], numbers=numbers))
    return client.client_id, tuple(daemons)


def _copy(tx: Transaction, *, first: Daemon, numbers: Iterable[int]) -> list[Daemon]:
    """Store the first agent's rows again for each number; return the daemons."""
    patterns = [dict(tx.execute(select(table).where(table.c.agent_id == first.agent_id)).mappings().one()) for table in _COPIED]
    made = [Daemon(str(uuid.uuid4()), instance_id_of(number), new_secret(PREFIXES[TokenKind.AGENT])) for number in numbers]
    for table, pattern in zip(_COPIED, patterns, strict=True):
        tx.execute(
            insert(table),
            [{**pattern, **_own(table, pattern["client_id"], daemon, number)} for daemon, number in zip(made, numbers, strict=True)],
        )
    return made


_COPIED = (agents, instances, tokens)


def _own(table: Table, client_id: str, daemon: Daemon, number: int) -> dict[str, Any]:
    """What distinguishes a copy's row from the first one's."""
    name = logical_id_of(number)
    if table is agents:
        return {"agent_id": daemon.agent_id, "logical_agent_id": name, "live_key": live_key(client_id, name)}
    own = {"agent_id": daemon.agent_id, "instance_id": daemon.instance_id}
    if table is instances:
        return {**own, "primary_of": daemon.agent_id}
    return {**own, "token_id": str(uuid.uuid4()), "token_sha256": digest_of(daemon.token)}


def logical_id_of(number: int) -> str:
    """Return the name of the n-th agent."""
    return f"bench-{number}"


def instance_id_of(number: int) -> str:
    """Return the instance of the n-th agent."""
    return f"i-{number:017x}"


def _register(tx: Transaction, enrolment: str, number: int) -> Daemon:
    request = NewRegistration(
        logical_agent_id=logical_id_of(number),
        instance_id=instance_id_of(number),
        instance_type="m5.large",
        region="us-east-1",
        az_id="use1-az1",
        az_name="us-east-1a",
        product="Linux/UNIX",
        architecture="x86_64",
        mode=Mode.SPOT,
        daemon_version="0.1.0",
        mode_evidence={"metadata": "spot", "api": "spot"},
        settings={"carry": Carry.STATELESS, "allowed_instance_types": list(PRICE_TYPES)},
        launch_specification={"vpc_id": "vpc-1", "subnets": {"use1-az1": "subnet-1"}, "security_group_ids": ["sg-1"]},
    )
    registered = accept_or_raise(register(tx, enrolment, request, Intervals()))
    return Daemon(registered.config.agent.agent_id, request.instance_id, registered.token)
