"""What the command line does to the database: the acts that must work before there is a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from spot_server.clock import SystemClock
from spot_server.db.factory import build_database
from spot_server.db.runner import Transaction
from spot_server.errors import StateConflict
from spot_server.features.clients import service as clients
from spot_server.features.clients.queries import Client, find_client_by_name
from spot_server.features.risk import service as risk
from spot_server.features.risk.advisor import AdvisorBand
from spot_server.features.tokens import service as tokens
from spot_server.features.tokens.rules import TokenRequest
from spot_server.migrations import expected_revision, migrate
from spot_server.settings import Settings
from spot_server.words import TokenKind

T = TypeVar("T")

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class WantedToken:
    """The arguments of `spot-server create-token`. `days` is until it expires."""

    kind: str
    label: str
    client_id: str | None
    pattern: str | None
    uses: int | None
    days: float | None


def migrate_database(settings: Settings) -> str:
    """Bring the schema up to date and return a sentence about it."""
    clock = SystemClock()
    database = build_database(settings, clock)
    before = migrate(database.engine, clock=clock, sleeper=clock)
    database.engine.dispose()
    if before.is_current:
        return f"the schema was at {before.current} already"
    return f"the schema went from {before.current or 'nothing'} to {expected_revision()}"


def create_client(settings: Settings, new: clients.NewClient, *, if_missing: bool) -> str:
    """Make a client and return its id, and its external id in a second line if it has a role.

    With `if_missing` the client of this name is kept as it is; StateConflict if it has another role, or external id, than is asked for.
    """

    def use_case(tx: Transaction) -> str:
        known = find_client_by_name(tx, new.name) if if_missing else None
        if known is not None:
            _require_same_role(known, new)
        client = known or clients.create_client(tx, new)
        return client.client_id if client.aws_role_arn is None else f"{client.client_id}\nexternal id: {client.aws_external_id}"

    return _write(settings, use_case)


def _require_same_role(known: Client, new: clients.NewClient) -> None:
    is_other_role = new.aws_role_arn is not None and new.aws_role_arn != known.aws_role_arn
    is_other_id = new.aws_external_id is not None and new.aws_external_id != known.aws_external_id
    is_other_fis = new.fis_role_arn is not None and new.fis_role_arn != known.fis_role_arn
    is_other_queue = new.notice_queue_url is not None and new.notice_queue_url != known.notice_queue_url
    if is_other_queue:
        raise StateConflict(f"there is already a client named {new.name!r}, with another notice queue or none; nothing was changed")
    if is_other_role or is_other_id or is_other_fis:
        has = f"the role {known.aws_role_arn}" if known.aws_role_arn else "no role"
        what = f"{has}, another role for FIS, or another external id" if is_other_fis else f"{has} or another external id"
        raise StateConflict(f"there is already a client named {new.name!r}, with {what}; nothing was changed")


def create_token(settings: Settings, wanted: WantedToken) -> str:
    """Make a token and return its secret."""

    def use_case(tx: Transaction) -> str:
        request = TokenRequest(
            kind=TokenKind(wanted.kind),
            label=wanted.label,
            client_id=wanted.client_id,
            logical_agent_id_pattern=wanted.pattern,
            uses_left=wanted.uses,
            expires_at=None if wanted.days is None else tx.now + timedelta(days=wanted.days),
        )
        return tokens.grant_token(tx, request, created_by=COMMAND_LINE).token

    return _write(settings, use_case)


def import_spot_advisor(settings: Settings, rows: list[AdvisorBand]) -> str:
    """Store the newest band of each market and return a sentence about it."""
    count = _write(settings, lambda tx: risk.import_bands(tx, rows))
    return f"stored the bands of {count} markets, of {len(rows)} rows"


def _write(settings: Settings, use_case: Callable[[Transaction], T]) -> T:
    database = build_database(settings, SystemClock())
    try:
        return database.write(use_case)
    finally:
        database.engine.dispose()
