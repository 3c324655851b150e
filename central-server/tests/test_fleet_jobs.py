"""The periodic work on agents and prices, and deletion where it must wait or is repeated."""

from __future__ import annotations

import pytest
import structlog
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import notifications, replica_instances
from spot_server.errors import NotFound, SwitchInProgress
from spot_server.features.agent_config.service import change_settings
from spot_server.features.heartbeats.jobs import OfflineSweep
from spot_server.features.notifications.service import notify
from spot_server.features.switches.service import SwitchRequest, request_switch
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import LIVE_REPLICA_STATUSES, Severity


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


@pytest.fixture
def jobs(database: Database, clock: FakeClock) -> JobContext:
    return JobContext(database=database, clock=clock, settings=Settings(), metrics=Metrics(), log=structlog.get_logger())


def test_the_offline_sweep_gives_daemons_time_after_its_own_start(fleet: Fleet, jobs: JobContext, clock: FakeClock) -> None:
    fleet.agent()
    clock.advance(3600)
    sweep = OfflineSweep()

    first = sweep(jobs)
    clock.advance(301)
    second = sweep(jobs)
    third = sweep(jobs)

    assert (first, third) == ("", "")
    assert "1 agents offline" in second


def test_deletion_ends_the_agents_replicas_and_its_wishes_for_more(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.database.write(lambda tx: change_settings(tx, fleet.client_id, agent.agent_id, {"manual_replica_enabled": True}, by="test"))
    fleet.replica_in_place(agent, "i-2")

    deleted = fleet.delete(agent)

    assert (deleted.manual_replica_enabled, deleted.auto_switch_enabled, deleted.replica_count) == (False, False, 0)
    assert deleted.live_key is None
    live = select(replica_instances.c.replica_id).where(replica_instances.c.status.in_(LIVE_REPLICA_STATUSES))
    assert fleet.scalars(live) == []


def test_settings_of_a_deleted_agent_cannot_be_changed(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.delete(agent)

    with pytest.raises(NotFound):
        fleet.database.write(lambda tx: change_settings(tx, fleet.client_id, agent.agent_id, {"enabled": False}, by="test"))


def test_a_change_that_changes_nothing_leaves_no_trace(fleet: Fleet) -> None:
    agent = fleet.agent()

    same = fleet.database.write(lambda tx: change_settings(tx, fleet.client_id, agent.agent_id, {"enabled": True}, by="test"))

    assert same == fleet.reload(agent) == agent


def test_a_notification_with_a_key_is_stored_and_told_once(fleet: Fleet) -> None:
    def tell(tx: Transaction) -> bool:
        return notify(
            tx, client_id=fleet.client_id, agent_id=None, severity=Severity.INFO, kind="greeting", text="hello", dedupe_key="hello"
        )

    told = [fleet.database.write(tell) for _ in range(3)]

    assert told == [True, False, False]
    assert fleet.scalars(select(notifications.c.text)) == ["hello"]


def test_an_agent_that_is_being_moved_is_not_deleted(fleet: Fleet) -> None:
    agent = fleet.agent()
    request = SwitchRequest("request-1", {"mode": "on_demand"}, "test")
    fleet.database.write(lambda tx: request_switch(tx, fleet.client_id, agent.agent_id, request))

    with pytest.raises(SwitchInProgress):
        fleet.delete(agent)

    assert not fleet.reload(agent).is_deleted
