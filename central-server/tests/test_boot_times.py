"""An emergency replica goes where instances were ready soonest, by the rows of those that were."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import replica_instances
from spot_server.features.agents.queries import Agent
from spot_server.features.replicas.boot_rules import BOOT_WINDOW_DAYS, LEAST_BOOTS
from spot_server.words import InterruptionKind, Mode, ReplicaKind, ReplicaStatus

CHEAPEST = "spot/m5a.large/use1-az2"
"""Where an emergency replica of the story goes by price: it differs in AZ and type."""

OTHER_POOL = ("m5a.large", "use1-az3")


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


def boots(
    story: Story,
    agent: Agent,
    pool: tuple[str, str],
    seconds: float,
    *,
    days_ago: float = 1,
    count: int = LEAST_BOOTS,
    registered_after_seconds: float = 1.0,
) -> None:
    """Replicas of the agent that got ready there, and are gone since."""
    ready_at = story.clock.now() - timedelta(days=days_ago)
    launched_at = ready_at - timedelta(seconds=seconds)
    for _ in range(count):
        values = {
            "replica_id": (name := str(uuid4())),
            "client_id": agent.client_id,
            "agent_id": agent.agent_id,
            "request_id": name,
            "kind": ReplicaKind.SWITCH,
            "status": ReplicaStatus.TERMINATED,
            "instance_type": pool[0],
            "az_id": pool[1],
            "mode": Mode.SPOT,
            "wish": {},
            "rejected_places": [],
            "created_at": launched_at,
            "launched_at": launched_at,
            "registered_at": launched_at + timedelta(seconds=registered_after_seconds),
            "ready_at": ready_at,
            "ended_at": ready_at,
        }
        story.fleet.execute(insert(replica_instances).values(values))


def first_place(story: Story) -> str:
    story.passes(4)
    payload = story.payloads("launch_instance")[0]
    return f"{payload['mode']}/{payload['instance_type']}/{payload['az_id']}"


@pytest.mark.parametrize("kind", [InterruptionKind.TERMINATE, InterruptionKind.REBALANCE])
def test_an_emergency_replica_goes_to_the_pool_that_boots_fastest(story: Story, kind: InterruptionKind) -> None:
    boots(story, story.agent, ("m5a.large", "use1-az2"), 90)
    boots(story, story.agent, OTHER_POOL, 40)

    story.notice(kind=kind)

    assert first_place(story) == "spot/m5a.large/use1-az3"


def test_a_pool_that_boots_fastest_but_shares_the_primarys_type_is_not_preferred(story: Story) -> None:
    boots(story, story.agent, ("m5.large", "use1-az3"), 5)

    story.notice()

    assert first_place(story) == CHEAPEST


@pytest.mark.parametrize(
    ("days_ago", "count"),
    [pytest.param(BOOT_WINDOW_DAYS + 1, LEAST_BOOTS, id="long ago"), pytest.param(1, LEAST_BOOTS - 1, id="too few")],
)
def test_what_was_long_ago_or_hardly_ever_measured_leaves_it_to_the_price(story: Story, days_ago: float, count: int) -> None:
    boots(story, story.agent, OTHER_POOL, 5, days_ago=days_ago, count=count)

    story.notice()

    assert first_place(story) == CHEAPEST


def test_one_whose_time_began_when_it_registered_leaves_it_to_the_price(story: Story) -> None:
    boots(story, story.agent, OTHER_POOL, 5, registered_after_seconds=0)

    story.notice()

    assert first_place(story) == CHEAPEST


def test_another_clients_boot_times_are_not_looked_at(story: Story) -> None:
    other = Fleet.on(story.database).agent("other-1")
    boots(story, other, OTHER_POOL, 5)

    story.notice()

    assert first_place(story) == CHEAPEST


def test_a_planned_move_goes_where_it_costs_least_however_slowly_that_boots(story: Story) -> None:
    by_price = story.switch("request-1")
    story.cancel(by_price)
    story.settles(60)
    boots(story, story.agent, OTHER_POOL, 5)

    again = story.switch("request-2")
    story.passes(4)

    places = [(one["instance_type"], one["az_id"]) for one in story.payloads("launch_instance")]
    assert story.reload(again).is_active
    assert len(set(places)) == 1
