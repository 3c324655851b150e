"""A move to a pool that cannot take the agent is refused when it is asked for, with the reason, and nothing is begun."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, update

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import instance_types, spot_pools, spot_price_snapshots
from spot_server.errors import MoveRefused
from spot_server.policy import MovePolicy

LARGE = "m5a.large"


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock)


def refusal(story: Story, **target: Any) -> str:
    with pytest.raises(MoveRefused) as refused:
        story.switch(**target)
    assert story.switches() == []
    assert story.commands() == []
    return str(refused.value)


def reshape(story: Story, **values: Any) -> None:
    story.fleet.execute(update(instance_types).where(instance_types.c.instance_type == LARGE).values(**values))


def places_of(story: Story, **target: Any) -> set[str]:
    with pytest.raises(MoveRefused) as refused:
        story.switch(**target)
    return {place["reason"] for place in refused.value.extensions["refused"] if place["instance_type"] == LARGE}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"architectures": ["arm64"]}, "not x86_64"),
        ({"vcpu": 1}, "1 vCPU, the workload has 2"),
        ({"memory_mib": 4096}, "4096 MiB of memory, the workload has 8192"),
    ],
)
def test_a_type_that_does_not_fit_the_workload(story: Story, values: dict[str, Any], reason: str) -> None:
    reshape(story, **values)

    assert places_of(story, instance_type=LARGE) == {reason}


def test_a_type_of_which_nothing_is_known(story: Story) -> None:
    story.fleet.execute(delete(instance_types).where(instance_types.c.instance_type == LARGE))

    assert places_of(story, instance_type=LARGE) == {"its size is not known yet"}


def test_a_type_that_was_not_allowed(story: Story) -> None:
    assert "instance_type 'c5.large' is not in allowed_instance_types" in refusal(story, instance_type="c5.large")


def test_a_zone_without_a_subnet_of_the_agent(story: Story) -> None:
    assert "az_id 'use1-az9' is none of this agent's subnets" in refusal(story, az_id="use1-az9")


def test_a_zone_that_an_address_cannot_follow_to(story: Story) -> None:
    story.set_agent(traffic_handles=[{"kind": "secondary_private_ip", "private_ip": "10.0.0.9"}])

    text = "the secondary private IP 10.0.0.9 binds the agent to use1-az1"
    assert text in {place["reason"] for place in all_places(story, az_id="use1-az2")}


def all_places(story: Story, **target: Any) -> list[dict[str, str]]:
    with pytest.raises(MoveRefused) as refused:
        story.switch(**target)
    listed: list[dict[str, str]] = refused.value.extensions["refused"]
    return listed


@pytest.mark.parametrize("mode", ["spot", "on_demand"])
def test_a_type_that_ec2_does_not_offer_in_that_zone(story: Story, mode: str) -> None:
    story.database = Database(story.database.engine, clock=story.clock, sleeper=story.clock, policy=catalogue())
    forget_price(story, LARGE, "use1-az3")

    reasons = places_of(story, instance_type=LARGE, az_id="use1-az3", mode=mode)

    expected = "no price was reported" if mode == "spot" else f"{LARGE} is not offered in use1-az3, by EC2's spot prices"
    assert expected in reasons


def test_a_type_without_any_spot_price_may_be_sold_on_demand_alone(story: Story) -> None:
    for zone in ("use1-az1", "use1-az2", "use1-az3"):
        forget_price(story, LARGE, zone)

    switch = story.switch(instance_type=LARGE, mode="on_demand")

    assert switch.to_instance_type == LARGE


def catalogue() -> MovePolicy:
    return MovePolicy(on_demand_usd_per_hour={(LARGE, "us-east-1"): Decimal("0.086")})


def forget_price(story: Story, instance_type: str, az_id: str) -> None:
    where = (spot_pools.c.instance_type == instance_type, spot_pools.c.az_id == az_id)
    (pool_id,) = story.fleet.scalars(spot_pools.select().with_only_columns(spot_pools.c.pool_id).where(*where))
    story.fleet.execute(delete(spot_price_snapshots).where(spot_price_snapshots.c.pool_id == pool_id))
