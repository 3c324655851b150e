"""Making and revoking tokens."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.db.tables import tokens
from spot_server.errors import NotFound
from spot_server.features.tokens import queries
from spot_server.features.tokens.queries import TokenRow
from spot_server.words import TokenKind

SECRET_BYTES = 32

PREFIXES = {
    TokenKind.ADMIN: "so_admin_",
    TokenKind.CLIENT: "so_client_",
    TokenKind.ENROLMENT: "so_enrol_",
    TokenKind.AGENT: "so_agent_",
}

NONCE_PREFIX = "so_nonce_"


def new_secret(prefix: str) -> str:
    """Return a prefix with 256 random bits behind it."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(token: str) -> str:
    """Return the hex SHA-256 under which a token or nonce is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_token(
    tx: Transaction,
    kind: TokenKind,
    *,
    created_by: str,
    label: str = "",
    client_id: str | None = None,
    agent_id: str | None = None,
    instance_id: str | None = None,
    epoch: int | None = None,
    logical_agent_id_pattern: str | None = None,
    uses_left: int | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Store a new token and return it, the only time that it can be seen. What a kind needs is the caller's to give."""
    return create_token_with_row(
        tx,
        TokenRow(
            token_id=str(uuid.uuid4()),
            kind=kind,
            label=label,
            client_id=client_id,
            agent_id=agent_id,
            instance_id=instance_id,
            epoch=epoch,
            logical_agent_id_pattern=logical_agent_id_pattern,
            uses_left=uses_left,
            first_used_at=None,
            expires_at=expires_at,
            created_at=tx.now,
            created_by=created_by,
            revoked_at=None,
        ),
    )


def create_token_with_row(tx: Transaction, row: TokenRow) -> str:
    """Store `row` with a fresh secret and return the secret."""
    token = new_secret(PREFIXES[row.kind])
    queries.insert_token(tx, row, digest_of(token))
    return token


def revoke_token(tx: Transaction, token_id: str) -> None:
    """Revoke one token; again is fine. NotFound if there never was one."""
    if queries.find_token(tx, token_id) is None:
        raise NotFound(f"there is no token {token_id}")
    queries.revoke_where(tx, tokens.c.token_id == token_id)


def revoke_agent_tokens(
    tx: Transaction, agent_id: str, *, instance_id: str | None = None, only_unused: bool = False
) -> int:
    """Revoke the agent's tokens, of one instance if given, only those never used if asked; return how many.

    Other web processes believe a revoked token for up to one period of their poller, and at most SPOT_TOKEN_CACHE_SECONDS.
    """
    conditions = [tokens.c.agent_id == agent_id, tokens.c.kind == TokenKind.AGENT]
    if instance_id is not None:
        conditions.append(tokens.c.instance_id == instance_id)
    if only_unused:
        conditions.append(tokens.c.first_used_at.is_(None))
    return queries.revoke_where(tx, *conditions)
