"""Which tokens make sense."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.errors import FieldInvalid
from spot_server.words import TokenKind

PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}\*?|\*")
"""A logical agent id, or the beginning of one and a `*`."""

GRANTABLE_KINDS = (TokenKind.ADMIN, TokenKind.CLIENT, TokenKind.ENROLMENT)
"""Agent tokens are made by registration alone."""

ENROLMENT_LIFETIME = timedelta(days=1)
"""How long an enrolment token lasts when nothing else was asked for."""

ENROLMENT_USES = 1


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token that a person asks for."""

    kind: TokenKind
    label: str
    client_id: str | None = None
    logical_agent_id_pattern: str | None = None
    uses_left: int | None = None
    expires_at: datetime | None = None


def complete_request(request: TokenRequest, now: datetime) -> TokenRequest:
    """Return the request with what its kind needs filled in; FieldInvalid for what contradicts itself."""
    if request.expires_at is not None and request.expires_at <= now:
        raise FieldInvalid("expires_at", request.expires_at.isoformat(), "a time in the future")
    match request.kind:
        case TokenKind.ENROLMENT:
            return _complete_enrolment(request, now)
        case TokenKind.CLIENT | TokenKind.ADMIN:
            _refuse_members(request, ("logical_agent_id_pattern", "uses_left"))
            return _check_client(request)
        case TokenKind.AGENT:
            kinds = ", ".join(GRANTABLE_KINDS)
            raise FieldInvalid("kind", request.kind, f"one of {kinds}; agent tokens come from registration")


def _complete_enrolment(request: TokenRequest, now: datetime) -> TokenRequest:
    pattern = request.logical_agent_id_pattern
    if pattern is None or PATTERN.fullmatch(pattern) is None:
        raise FieldInvalid("logical_agent_id_pattern", pattern, "a logical agent id, or the beginning of one and a *")
    uses_left = ENROLMENT_USES if request.uses_left is None else request.uses_left
    expires_at = request.expires_at or now + ENROLMENT_LIFETIME
    return _check_client(TokenRequest(request.kind, request.label, request.client_id, pattern, uses_left=uses_left, expires_at=expires_at))


def _check_client(request: TokenRequest) -> TokenRequest:
    if request.kind is TokenKind.ADMIN:
        _refuse_members(request, ("client_id",))
    elif request.client_id is None:
        raise FieldInvalid("client_id", None, f"the client that the {request.kind} token is for")
    return request


def _refuse_members(request: TokenRequest, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(request, name)
        if value is not None:
            raise FieldInvalid(name, value, f"nothing: a token of kind {request.kind} has none")
