"""Reading and writing tokens. The secret itself is never here: only its SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import tokens
from spot_server.principal import Principal
from spot_server.words import TokenKind


@dataclass(frozen=True, slots=True)
class FoundPrincipal:
    """A good token's holder, and whether the token was ever used before."""

    principal: Principal
    was_used: bool


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One row of `tokens`, without the digest."""

    token_id: str
    kind: TokenKind
    label: str
    client_id: str | None
    agent_id: str | None
    instance_id: str | None
    epoch: int | None
    logical_agent_id_pattern: str | None
    uses_left: int | None
    first_used_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


_COLUMNS = [tokens.c[name] for name in TokenRow.__dataclass_fields__]


def _token(row: Row[*tuple[Any, ...]]) -> TokenRow:
    return TokenRow(*row)


_BY_DIGEST = select(*_COLUMNS).where(tokens.c.token_sha256 == bindparam("token_sha256"))


def find_principal(tx: Transaction, token_sha256: str) -> FoundPrincipal | None:
    """Return whom a token speaks for; None when it is unknown, revoked or expired. One SELECT by a unique key."""
    row = tx.execute(_BY_DIGEST, {"token_sha256": token_sha256}).one_or_none()
    if row is None:
        return None
    token = _token(row)
    if token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= tx.now):
        return None
    principal = Principal(
        kind=token.kind,
        token_id=token.token_id,
        label=token.label,
        client_id=token.client_id,
        agent_id=token.agent_id,
        instance_id=token.instance_id,
        epoch=token.epoch,
        expires_at=token.expires_at,
    )
    return FoundPrincipal(principal, was_used=token.first_used_at is not None)


def find_token(tx: Transaction, token_id: str) -> TokenRow | None:
    """Return the token, or None."""
    row = tx.execute(select(*_COLUMNS).where(tokens.c.token_id == token_id)).one_or_none()
    return None if row is None else _token(row)


def list_tokens(tx: Transaction, *, client_id: str | None, after: tuple[datetime, str] | None, most: int) -> list[TokenRow]:
    """Return up to `most` tokens, oldest first, those after the (created_at, token_id) given; of one client if asked."""
    statement = select(*_COLUMNS).order_by(tokens.c.created_at, tokens.c.token_id).limit(most)
    if client_id is not None:
        statement = statement.where(tokens.c.client_id == client_id)
    if after is not None:
        created_at, token_id = after
        is_later = tokens.c.created_at > created_at
        statement = statement.where(or_(is_later, (tokens.c.created_at == created_at) & (tokens.c.token_id > token_id)))
    return [_token(row) for row in tx.execute(statement)]


def insert_token(tx: Transaction, token: TokenRow, token_sha256: str) -> None:
    """Store a new token under its digest."""
    values = {name: getattr(token, name) for name in TokenRow.__dataclass_fields__}
    tx.execute(insert(tokens).values(**values, token_sha256=token_sha256))


def note_first_use(tx: Transaction, token_id: str) -> None:
    """Record that the token works; only the first time counts."""
    tx.execute(update(tokens).where(tokens.c.token_id == token_id, tokens.c.first_used_at.is_(None)).values(first_used_at=tx.now))


def revoke(
    tx: Transaction,
    *,
    token_id: str | None = None,
    agent_id: str | None = None,
    instance_id: str | None = None,
    only_unused: bool = False,
) -> int:
    """Revoke what is not revoked yet: one token, or an agent's tokens (of one instance, the unused ones); return how many."""
    statement = update(tokens).where(tokens.c.revoked_at.is_(None)).values(revoked_at=tx.now)
    if agent_id is not None:
        statement = statement.where(tokens.c.agent_id == agent_id, tokens.c.kind == TokenKind.AGENT)
    else:
        statement = statement.where(tokens.c.token_id == (token_id or ""))
    if instance_id is not None:
        statement = statement.where(tokens.c.instance_id == instance_id)
    if only_unused:
        statement = statement.where(tokens.c.first_used_at.is_(None))
    return tx.execute(statement).rowcount


_REVOKED_SINCE = select(tokens.c.token_sha256).where(tokens.c.revoked_at > bindparam("since"))


def revoked_digests(tx: Transaction, *, within_seconds: float) -> list[str]:
    """Return the digests of tokens revoked of late, for the caches to forget."""
    return list(tx.execute(_REVOKED_SINCE, {"since": tx.now - timedelta(seconds=within_seconds)}).scalars())


def delete_dead(tx: Transaction, *, before: datetime) -> int:
    """Delete tokens that were revoked, or expired, before that moment; return how many."""
    return tx.execute(delete(tokens).where(or_(tokens.c.revoked_at < before, tokens.c.expires_at < before))).rowcount
