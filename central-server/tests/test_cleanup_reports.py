"""What daemons cleaned up is kept, once, and nothing is launched from an image that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.builders import an_image
from server_support.fleet import Fleet
from spot_server.db.runner import Database, Transaction
from spot_server.errors import RequestIdReused
from spot_server.features.agents.queries import Agent
from spot_server.features.cleanups.service import list_history, record_cleanup
from spot_server.features.replicas.image_queries import newest_image, store_image


def report(database: Database, agent: Agent, request_id: str = "clean-1", *, deleted: tuple[str, ...] = ()) -> Any:
    items = [{"kind": "image", "id": image_id, "reason": "older than the limit"} for image_id in deleted]

    def take(tx: Transaction) -> Any:
        return record_cleanup(tx, agent.agent_id, "i-1", request_id=request_id, deleted=items, kept=[], failed=[])

    return database.write(take)


def remember_image(database: Database, agent: Agent, image_id: str) -> None:
    def store(tx: Transaction) -> None:
        store_image(tx, an_image(image_id, tx.now, agent_id=agent.agent_id, client_id=agent.client_id))

    database.write(store)


def test_a_report_is_in_the_history_of_its_client_and_of_no_other(database: Database) -> None:
    fleet, other = Fleet.on(database), Fleet.on(database)
    report(database, fleet.agent(), deleted=("ami-1",))

    own = database.read(lambda tx: list_history(tx, fleet.client_id, limit=10, cursor=None))
    others = database.read(lambda tx: list_history(tx, other.client_id, limit=10, cursor=None))

    assert [item["id"] for cleanup in own.items for item in cleanup.deleted] == ["ami-1"]
    assert list(others.items) == []


def test_the_same_report_again_is_one_report(database: Database) -> None:
    fleet = Fleet.on(database)
    agent = fleet.agent()

    first, second = report(database, agent, deleted=("ami-1",)), report(database, agent, deleted=("ami-1",))

    assert first == second


def test_another_report_under_the_same_request_id_is_refused(database: Database) -> None:
    agent = Fleet.on(database).agent()
    report(database, agent, deleted=("ami-1",))

    with pytest.raises(RequestIdReused):
        report(database, agent, deleted=("ami-2",))


def test_nothing_is_launched_from_an_image_that_was_cleaned_up(database: Database) -> None:
    agent = Fleet.on(database).agent()
    remember_image(database, agent, "ami-1")

    report(database, agent, deleted=("ami-1",))

    assert database.read(lambda tx: newest_image(tx, agent.agent_id)) is None
