"""Rows with sensible defaults. Fleet builders (agents, instances) live in `fleet.py` beside this file."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime
from typing import Any

from spot_server.db.runner import Database
from spot_server.features.clients.service import NewClient
from spot_server.features.clients.service import create_client as make_client
from spot_server.features.replicas.image_rules import AgentImage
from spot_server.features.tokens.service import create_token as make_token
from spot_server.words import ImageConsistency, TokenKind

_numbers = itertools.count(1)


def create_client(database: Database, name: str | None = None) -> str:
    """Store a client and return its id."""
    chosen = name or f"client-{next(_numbers)}"
    return database.write(lambda tx: make_client(tx, NewClient(name=chosen))).client_id


def create_token(database: Database, kind: TokenKind, **members: Any) -> str:
    """Store a token of any kind and return its secret."""
    return database.write(lambda tx: make_token(tx, kind, created_by="test", **{"label": "tester", **members}))


def create_admin_token(database: Database, label: str = "admin tester") -> str:
    """Store an admin token and return its secret."""
    return create_token(database, TokenKind.ADMIN, label=label)


def create_client_token(database: Database, client_id: str, label: str = "client tester") -> str:
    """Store a token of this client and return its secret."""
    return create_token(database, TokenKind.CLIENT, client_id=client_id, label=label)


def create_enrolment_token(database: Database, client_id: str, pattern: str = "*", **members: Any) -> str:
    """Store an enrolment token for logical agent ids that match `pattern`."""
    return create_token(database, TokenKind.ENROLMENT, client_id=client_id, logical_agent_id_pattern=pattern, **members)


def create_agent_token(database: Database, client_id: str, agent_id: str, instance_id: str = "i-1", epoch: int = 1) -> str:
    """Store the token of a daemon, whether or not its agent exists."""
    return create_token(database, TokenKind.AGENT, client_id=client_id, agent_id=agent_id, instance_id=instance_id, epoch=epoch)


def an_image(image_id: str, state_at: datetime, **members: Any) -> AgentImage:
    """An image that is available since the moment whose state it holds, and that nothing was launched from."""
    made = AgentImage(
        agent_id="agent-1",
        image_id=image_id,
        client_id="client-1",
        image_name=image_id,
        snapshot_ids=[],
        device_names=[],
        source_instance_id="i-1",
        switch_id=None,
        consistency=ImageConsistency.CRASH,
        has_booted=False,
        has_failed=False,
        started_at=state_at,
        available_at=state_at,
        deregistered_at=None,
    )
    return replace(made, **members)
