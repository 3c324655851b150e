"""Who calls, and whether what the URL names is theirs. Every blueprint is either protected or left open for a stated reason."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, g, request

from spot_server.errors import NotFound, TokenInvalid, TokenKindWrong, TokenMissing
from spot_server.features.clients.queries import client_exists
from spot_server.features.tokens.queries import find_principal, note_first_use
from spot_server.features.tokens.service import digest_of
from spot_server.http.context import AppContext, current_context
from spot_server.principal import Principal
from spot_server.words import TokenKind

__all__ = ["Principal", "bearer_token", "current_instance_id", "current_principal", "leave_open", "protect"]

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

PROTECTION = "spot_protection"
"""The attribute of a blueprint that tells how it is guarded: a frozenset of kinds, or the reason why it is open."""


def protect(blueprint: Blueprint, *kinds: TokenKind) -> None:
    """Let only holders of `kinds` into the blueprint's pages, and only to what is theirs.

    A `client_id` or `agent_id` in the URL that is another's gives the same 404 as an unknown one. Where clients are let in, an admin
    token may read.
    """
    allowed = frozenset(kinds)
    setattr(blueprint, PROTECTION, allowed)

    def check() -> None:
        g.principal = _authenticate(current_context(), bearer_token())
        _check_kind(g.principal, allowed)
        _check_url(g.principal, request.view_args or {})

    blueprint.before_request(check)


def leave_open(blueprint: Blueprint, *, reason: str, needs_bearer: bool = False) -> None:
    """Declare that the blueprint's pages need no token of ours; `reason` says why, for the guard test and the reader.

    `needs_bearer`: the pages check a secret of their own, so a request without any is refused before its body is read.
    """
    setattr(blueprint, PROTECTION, reason)
    if needs_bearer:
        blueprint.before_request(_require_bearer)


def _require_bearer() -> None:
    bearer_token()


def protection_of(blueprint: object) -> frozenset[TokenKind] | str | None:
    """Return the kinds that are let in, the reason why the blueprint is open, or None if nobody thought of it."""
    return cast("frozenset[TokenKind] | str | None", getattr(blueprint, PROTECTION, None))


def current_principal() -> Principal:
    """Return who makes the present request; only inside protected blueprints."""
    return cast("Principal", g.principal)


def current_instance_id() -> str:
    """Return the instance to which the daemon's token is bound; only inside blueprints for agent tokens."""
    instance_id = current_principal().instance_id
    if instance_id is None:
        raise TokenInvalid("this token is bound to no instance")
    return instance_id


def bearer_token() -> str:
    """Return the request's bearer token; TokenMissing if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissing
    return token.strip()


def _authenticate(context: AppContext, token: str) -> Principal:
    digest = digest_of(token)
    cached = context.token_cache.get(digest)
    if cached is not None:
        context.metrics.token_lookups.labels("cache").inc()
        return cached
    context.metrics.token_lookups.labels("database").inc()
    read_seconds = context.clock.monotonic_seconds()
    found = context.database.read(lambda tx: find_principal(tx, digest))
    if found is None:
        raise TokenInvalid
    if not found.was_used:
        context.database.write(lambda tx: note_first_use(tx, found.principal.token_id))
    context.token_cache.put(digest, found.principal, read_seconds=read_seconds)
    return found.principal


def _check_kind(principal: Principal, allowed: frozenset[TokenKind]) -> None:
    may_read = principal.kind is TokenKind.ADMIN and TokenKind.CLIENT in allowed and request.method in READING_METHODS
    if principal.kind not in allowed and not may_read:
        wanted = " or ".join(sorted(allowed))
        raise TokenKindWrong(f"this needs a token of kind {wanted}; yours is of kind {principal.kind}")


def _check_url(principal: Principal, view_args: dict[str, Any]) -> None:
    client_id = view_args.get("client_id")
    if client_id is not None and client_id != principal.client_id:
        is_admin = principal.kind is TokenKind.ADMIN
        if not is_admin or not current_context().database.read(lambda tx: client_exists(tx, client_id)):
            raise NotFound(f"there is no client {client_id}")
    agent_id = view_args.get("agent_id")
    if principal.kind is TokenKind.AGENT and agent_id is not None and agent_id != principal.agent_id:
        raise NotFound(f"there is no agent {agent_id}")
