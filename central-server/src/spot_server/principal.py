"""Who a request speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spot_server.words import TokenKind


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a valid token. Ids that do not belong to the kind are None."""

    kind: TokenKind
    token_id: str
    label: str
    client_id: str | None = None
    agent_id: str | None = None
    instance_id: str | None = None
    epoch: int | None = None
    expires_at: datetime | None = None

    @property
    def user_id(self) -> str:
        """Return what the audit log shows as the one who acted."""
        return self.label or f"{self.kind} token {self.token_id}"
