"""Pages for admins to make, list and revoke tokens."""

from __future__ import annotations

from typing import Any

from spot_server.features.tokens import service
from spot_server.features.tokens.queries import TokenRow, list_tokens
from spot_server.features.tokens.rules import TokenRequest
from spot_server.features.tokens.schemas import MadeTokenAnswer, NewTokenSchema, TokenPage, TokenQuery
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import TokenKind

blueprint = Blueprint("tokens", __name__, url_prefix="/api/admin/tokens", description="Bearer tokens.")
protect(blueprint, TokenKind.ADMIN)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(NewTokenSchema)
@blueprint.response(201, MadeTokenAnswer)
def create(body: TokenRequest) -> service.MadeToken:
    """Make a token. The answer is the only place where it can be seen."""
    who = current_principal()
    return current_context().database.write(lambda tx: service.grant_token(tx, body, created_by=who.user_id))


@blueprint.route("", methods=["GET"])
@blueprint.arguments(TokenQuery, location="query")
@blueprint.response(200, TokenPage)
def list_all(query: dict[str, Any]) -> Page[TokenRow]:
    """List tokens, oldest first."""
    after = read_moment_cursor(query["cursor"])
    rows = current_context().database.read(lambda tx: list_tokens(tx, client_id=query["client_id"], after=after, most=query["limit"] + 1))
    return page_of(rows, limit=query["limit"], position=lambda token: moment_position(token.created_at, token.token_id))


@blueprint.route("/<token_id>", methods=["DELETE"])
@blueprint.response(204)
def revoke(token_id: str) -> None:
    """Revoke a token. It is refused at once here, and within a second by other web processes."""
    context = current_context()
    who = current_principal()
    context.database.write(lambda tx: service.revoke_token(tx, token_id, revoked_by=who.user_id))
    context.token_cache.forget(token_id)
