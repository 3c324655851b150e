"""The poller: one look finds what to deliver and which tokens to forget; it outlives the database."""

from __future__ import annotations

import pytest
from sqlalchemy import event, text

from server_support.builders import create_admin_token, create_client
from server_support.clock import FakeClock
from server_support.http import Http
from spot_server.db.runner import Database
from spot_server.features.events.stream import wait_key
from spot_server.features.tokens.service import revoke_token
from spot_server.http.context import AppContext
from spot_server.http.poller import REVOCATION_WINDOW_SECONDS, Poller

MOST_STATEMENTS = 2
"""One more while somebody waits for events."""


@pytest.fixture
def poller(context: AppContext) -> Poller:
    return Poller(context, period_seconds=0.25)


def token_id_of(http: Http, token: str) -> str:
    return str(http.as_(token).get("/api/client/validate").json["token_id"])


def test_one_look_is_a_few_statements_whoever_waits(context: AppContext, poller: Poller) -> None:
    statements: list[str] = []
    event.listen(context.database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))

    poller.step()
    with context.waiting_room.seat(wait_key("a client")):
        poller.step()

    asks_of_events = ["event_cursors" in text for text in statements if text.startswith("SELECT")]
    assert asks_of_events == [False] * MOST_STATEMENTS + [False] * MOST_STATEMENTS + [True]


def test_who_waits_for_events_is_told_what_happened_while_nobody_did(database: Database, context: AppContext, poller: Poller) -> None:
    client_id = create_client(database)
    with context.waiting_room.seat(wait_key(client_id)):
        poller.step()
    database.write(lambda tx: tx.emit("client_created", client_id=client_id))
    poller.step()

    with context.waiting_room.seat(wait_key(client_id)) as seat:
        poller.step()
        assert seat is not None
        was_woken = seat.wait(0.0)
        poller.step()
        is_woken_again = seat.wait(0.0)

    assert (was_woken, is_woken_again) == (True, False)


def test_a_token_revoked_elsewhere_is_refused_after_the_next_look(database: Database, http: Http, poller: Poller, clock: FakeClock) -> None:
    token = create_admin_token(database)
    token_id = token_id_of(http, token)
    poller.step()
    clock.advance(1.0)
    database.write(lambda tx: revoke_token(tx, token_id, revoked_by="another process"))

    before = http.as_(token).get("/api/client/validate").status
    poller.step()
    after = http.as_(token).get("/api/client/validate").status

    assert (before, after) == (200, 401)


def test_while_revocations_are_watched_a_token_costs_one_lookup_in_ten_minutes(
    database: Database, http: Http, context: AppContext, poller: Poller, clock: FakeClock
) -> None:
    token = create_admin_token(database)

    for _ in range(20):
        # A heartbeat's period, between two of which there are looks.
        for _ in range(30):
            poller.step()
            clock.advance(1.0)
        poller.step()
        http.as_(token).get("/api/client/validate")

    lookups = context.metrics.registry.get_sample_value("spot_token_lookups_total", {"source": "database"})
    assert lookups == 1


def test_a_revocation_that_no_look_could_tell_is_not_missed(database: Database, http: Http, poller: Poller, clock: FakeClock) -> None:
    token = create_admin_token(database)
    token_id = token_id_of(http, token)
    poller.step()
    database.write(lambda tx: revoke_token(tx, token_id, revoked_by="another process"))

    # Longer than a look reads back: it no longer tells of this revocation.
    clock.advance(REVOCATION_WINDOW_SECONDS + 1)
    poller.step()

    assert http.as_(token).get("/api/client/validate").status == 401


def test_a_database_that_fails_is_counted_and_the_next_look_is_made(context: AppContext, poller: Poller) -> None:
    with context.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE commands RENAME TO elsewhere"))
    poller.step()
    with context.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO commands"))

    poller.step()

    assert context.metrics.registry.get_sample_value("spot_poller_failures_total") == 1
    assert context.waiting_room.has_deliverable(("agent", "instance")) is False


def test_a_process_that_stops_closes_its_waiting_room(context: AppContext) -> None:
    poller = Poller(context, period_seconds=0.001, is_stopping=lambda: True)

    poller.start()
    poller._thread.join(30)

    assert context.waiting_room.is_closed
