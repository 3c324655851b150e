"""The agents of a measurement, registered through the server's own service functions, fifty in a transaction."""

from __future__ import annotations

from bench.wire import PRICE_TYPES, Daemon
from spot_server.db.runner import Database, Transaction
from spot_server.features.agent_config.service import Intervals
from spot_server.features.clients.service import NewClient, create_client
from spot_server.features.registration.arrivals import NewRegistration
from spot_server.features.registration.service import accept_or_raise, register
from spot_server.features.tokens.service import create_token
from spot_server.words import Carry, Mode, TokenKind

REGISTERED_AT_ONCE = 50


def make_agents(database: Database, count: int, *, client_name: str = "bench") -> tuple[str, tuple[Daemon, ...]]:
    """Make one client with `count` agents of one PRIMARY each; return the client's id and the daemons with their tokens."""
    client = database.write(lambda tx: create_client(tx, NewClient(name=client_name)))
    enrolment = database.write(
        lambda tx: create_token(tx, TokenKind.ENROLMENT, created_by="bench", client_id=client.client_id, logical_agent_id_pattern="*")
    )

    def register_some(tx: Transaction, first: int) -> list[Daemon]:
        return [_register(tx, enrolment, number) for number in range(first, min(first + REGISTERED_AT_ONCE, count))]

    daemons: list[Daemon] = []
    for first in range(0, count, REGISTERED_AT_ONCE):
        daemons += database.write(lambda tx, first=first: register_some(tx, first))  # type: ignore[misc]  # mypy reads no default of a lambda
    return client.client_id, tuple(daemons)


def _register(tx: Transaction, enrolment: str, number: int) -> Daemon:
    request = NewRegistration(
        logical_agent_id=f"bench-{number}",
        instance_id=f"i-{number:017x}",
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
