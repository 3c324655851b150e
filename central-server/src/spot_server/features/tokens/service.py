"""Making and revoking tokens."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import FieldInvalid, NotFound
from spot_server.features.audit import service as audit
from spot_server.features.clients.queries import client_exists
from spot_server.features.tokens import queries
from spot_server.features.tokens.queries import TokenRow
from spot_server.features.tokens.rules import TokenRequest, complete_request
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


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token that was just made, with its secret."""

    token: str
    token_id: str
    kind: TokenKind
    label: str
    client_id: str | None
    agent_id: str | None
    instance_id: str | None
    logical_agent_id_pattern: str | None
    uses_left: int | None
    first_used_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


def grant_token(tx: Transaction, request: TokenRequest, *, created_by: str) -> MadeToken:
    """Make the token that a person asks for, and say so in the client's audit log."""
    complete = complete_request(request, tx.now)
    if complete.client_id is not None and not client_exists(tx, complete.client_id):
        raise FieldInvalid("client_id", complete.client_id, "the id of a client")
    row = _new_row(tx, complete, created_by=created_by)
    secret = _store(tx, row)
    _audit(tx, row, user_id=created_by, action="token_created", post_state={"kind": row.kind, "label": row.label})
    members = {name: getattr(row, name) for name in MadeToken.__dataclass_fields__ if name != "token"}
    return MadeToken(token=secret, **members)


def create_token(
    tx: Transaction,
    kind: TokenKind,
    *,
    created_by: str,
    label: str = "",
    client_id: str | None = None,
    **bounds: Any,  # noqa: ANN401 - see _new_row
) -> str:
    """Store a new token and return it, the only time that it can be seen. What a kind needs is the caller's to give.

    `bounds` are agent_id, instance_id and epoch (agent), or logical_agent_id_pattern, uses_left and expires_at (enrolment).
    """
    request = TokenRequest(kind, label, client_id)
    return _store(tx, replace(_new_row(tx, request, created_by=created_by), **bounds))


def _new_row(tx: Transaction, request: TokenRequest, *, created_by: str) -> TokenRow:
    return TokenRow(
        token_id=str(uuid.uuid4()),
        kind=request.kind,
        label=request.label,
        client_id=request.client_id,
        agent_id=None,
        instance_id=None,
        epoch=None,
        logical_agent_id_pattern=request.logical_agent_id_pattern,
        uses_left=request.uses_left,
        first_used_at=None,
        expires_at=request.expires_at,
        created_at=tx.now,
        created_by=created_by,
        revoked_at=None,
    )


def _store(tx: Transaction, row: TokenRow) -> str:
    secret = new_secret(PREFIXES[row.kind])
    queries.insert_token(tx, row, digest_of(secret))
    return secret


def revoke_token(tx: Transaction, token_id: str, *, revoked_by: str) -> None:
    """Revoke one token; again is fine. NotFound if there never was one."""
    row = queries.find_token(tx, token_id)
    if row is None:
        raise NotFound(f"there is no token {token_id}")
    if queries.revoke(tx, token_id=token_id):
        _audit(tx, row, user_id=revoked_by, action="token_revoked", post_state={"kind": row.kind, "label": row.label})


def revoke_agent_tokens(tx: Transaction, agent_id: str, *, instance_id: str | None = None, only_unused: bool = False) -> int:
    """Revoke the agent's tokens, of one instance if given, only those never used if asked; return how many.

    Web processes believe a revoked token until their poller's next look, or for SPOT_TOKEN_CACHE_SECONDS where that fails.
    """
    return queries.revoke(tx, agent_id=agent_id, instance_id=instance_id, only_unused=only_unused)


def _audit(tx: Transaction, row: TokenRow, *, user_id: str, action: str, post_state: dict[str, Any]) -> None:
    if row.client_id is None:
        return
    audit.record(
        tx,
        client_id=row.client_id,
        agent_id=row.agent_id,
        instance_id=row.instance_id,
        user_id=user_id,
        action=action,
        reason="",
        pre_state=None,
        post_state={**post_state, "token_id": row.token_id},
    )
