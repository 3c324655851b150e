"""Two clients with an agent each: whoever is one of them must not see or touch what is the other's."""

from __future__ import annotations

from dataclasses import dataclass

from server_support.builders import create_admin_token, create_client_token, create_enrolment_token
from server_support.fleet import Fleet
from spot_server.db.runner import Database
from spot_server.words import TokenKind


@dataclass(frozen=True)
class Tenant:
    """A client, its agent, and a token of every kind that is its own."""

    client_id: str
    agent_id: str
    instance_id: str
    tokens: dict[TokenKind, str]

    @property
    def ids(self) -> dict[str, str]:
        """What its addresses are filled with."""
        return {"client_id": self.client_id, "agent_id": self.agent_id, "instance_id": self.instance_id}


def create_tenant(database: Database, instance_id: str) -> Tenant:
    """Make a client with one agent on one instance."""
    fleet = Fleet.on(database)
    registered = fleet.register(instance_id=instance_id)
    return Tenant(
        client_id=fleet.client_id,
        agent_id=registered.config.agent.agent_id,
        instance_id=instance_id,
        tokens={
            TokenKind.ADMIN: create_admin_token(database),
            TokenKind.CLIENT: create_client_token(database, fleet.client_id),
            TokenKind.ENROLMENT: create_enrolment_token(database, fleet.client_id),
            TokenKind.AGENT: registered.token,
        },
    )
