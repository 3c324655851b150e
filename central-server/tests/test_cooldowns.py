"""Pools without capacity: left alone by everybody for a while, never the reason that a workload stays down, and forgotten in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
import structlog
from sqlalchemy import insert, select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.story import TYPES, ZONES, Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, game_days, pool_cooldowns
from spot_server.features.agents.queries import Agent
from spot_server.features.cooldowns import queries, service
from spot_server.features.cooldowns.jobs import clear_cooldowns
from spot_server.features.cooldowns.queries import PoolKey
from spot_server.features.cooldowns.rules import MEMORY_SECONDS
from spot_server.features.replicas.placement import Ranking
from spot_server.features.switches.opening import preview_switch
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import GameDayKind, GameDayStatus, Mode, PlayedBy, SwitchStatus

BEST = "spot/m5a.large/use1-az2"
"""Where the story's emergency replica goes first: the cheapest spot pool that differs in AZ and type."""

BEST_POOL = PoolKey("us-east-1", "use1-az2", "m5a.large")


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


def shortages(story: Story) -> dict[str, int]:
    found = story.database.read(lambda tx: tx.execute(select(pool_cooldowns)).all())
    return {f"{row.instance_type}/{row.az_id}": row.shortage_count for row in found}


def cool(story: Story, pool: PoolKey) -> None:
    story.database.write(lambda tx: service.note_shortage(tx, pool, code="InsufficientInstanceCapacity"))


def cool_all(story: Story) -> None:
    for zone, kind in product(ZONES, TYPES):
        cool(story, PoolKey("us-east-1", zone, kind))


def preview(story: Story, agent: Agent) -> Ranking:
    return story.database.read(lambda tx: preview_switch(tx, agent, {})).ranking


def places(story: Story) -> list[str]:
    return [f"{one['mode']}/{one['instance_type']}/{one['az_id']}" for one in story.payloads("launch_instance")]


def sweep(story: Story) -> str:
    return clear_cooldowns(JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger()))


def test_a_pool_without_capacity_is_left_alone_by_other_agents_of_other_clients(story: Story) -> None:
    story.region.refuse(BEST)
    story.notice()
    story.passes(10)
    story.region.refused_places.clear()

    neighbour = Fleet.on(story.database).agent(
        "other-1",
        launch_specification=story.agent.launch_specification,
        settings={"carry": "stateless", "allowed_instance_types": list(TYPES)},
    )

    refused = {refusal.place.key: refusal.reason for refusal in preview(story, neighbour).refused}
    assert shortages(story) == {"m5a.large/use1-az2": 1}
    assert "left alone until 2026-01-01T00:03:" in refused[BEST]
    assert neighbour.client_id != story.fleet.client_id


def test_a_dry_run_shows_the_cool_down_as_the_reason_of_a_refused_place(story: Story) -> None:
    cool(story, BEST_POOL)

    ranking = preview(story, story.agent)

    reasons = {refusal.place.key: refusal.reason for refusal in ranking.refused}
    assert reasons[BEST] == "no spot capacity there of late: left alone until 2026-01-01T00:03:00Z"
    assert BEST not in {offer.place.key for offer in ranking.suitable}


def test_a_cool_down_that_is_over_refuses_nothing(story: Story) -> None:
    cool(story, BEST_POOL)

    story.clock.advance(180)

    assert BEST in {offer.place.key for offer in preview(story, story.agent).suitable}


def test_another_region_is_none_of_ours(story: Story) -> None:
    cool(story, replace(BEST_POOL, region="eu-north-9"))

    assert BEST in {offer.place.key for offer in preview(story, story.agent).suitable}


def test_in_an_emergency_on_demand_comes_before_a_pool_in_its_cool_down(story: Story) -> None:
    cool_all(story)

    story.notice()
    story.passes(60)

    assert places(story)[0].startswith("on_demand/")
    assert story.region.serving == ["i-2"]


def test_when_everything_else_is_refused_an_emergency_tries_the_pool_that_has_waited_longest(story: Story) -> None:
    cool(story, BEST_POOL)
    story.clock.advance(30)
    for zone, kind in product(ZONES, TYPES):
        story.region.refuse(f"on_demand/{kind}/{zone}")
        if (zone, kind) != (BEST_POOL.az_id, BEST_POOL.instance_type):
            cool(story, PoolKey("us-east-1", zone, kind))

    story.notice()
    story.passes(90)

    assert [place.partition("/")[0] for place in places(story)] == ["on_demand"] * 6 + ["spot"]
    assert places(story)[-1] == BEST
    assert story.region.serving == ["i-2"]


def test_a_planned_move_with_every_spot_pool_in_its_cool_down_goes_on_demand(story: Story) -> None:
    cool_all(story)

    switch = story.switch()
    story.settles(100)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.region.machines["i-2"].mode == Mode.ON_DEMAND


def test_an_instance_that_is_launched_in_the_pool_ends_its_cool_down(story: Story) -> None:
    cool(story, BEST_POOL)
    story.clock.advance(180)

    story.notice()
    story.passes(30)

    assert places(story) == [BEST]
    assert shortages(story) == {}


def test_a_launch_from_before_the_refusal_ends_nothing(story: Story) -> None:
    cool(story, BEST_POOL)

    ended = story.database.write(lambda tx: service.note_capacity(tx, BEST_POOL, tx.now - timedelta(seconds=1)))

    assert not ended
    assert shortages(story) == {"m5a.large/use1-az2": 1}


def test_a_shortage_that_a_game_day_plays_cools_nothing(story: Story) -> None:
    play(story)
    story.region.refuse(BEST)

    story.notice()
    story.passes(30)

    assert places(story)[0] == BEST
    assert shortages(story) == {}


def play(story: Story) -> None:
    """A game day of the story's agent is under way."""
    required = {column.name: "" for column in game_days.c if not column.nullable}
    values = {
        **required,
        "game_day_id": "game-day-1",
        "client_id": story.fleet.client_id,
        "agent_id": story.agent_id,
        "active_key": story.agent_id,
        "request_id": "request-1",
        "kind": GameDayKind.CAPACITY_SHORTAGE,
        "played_by": PlayedBy.SIMULATED_REGION,
        "status": GameDayStatus.PLAYING,
        "options": {},
        "plan": {},
        "reference": {},
        "attempts": 1,
        "requested_at": story.clock.now(),
        "version": 1,
    }
    story.fleet.execute(insert(game_days).values(values))


@pytest.mark.parametrize("error_class", ["price", "subnet", "pool_invalid", "quota"])
def test_what_is_refused_to_one_account_alone_cools_nothing(story: Story, error_class: str) -> None:
    story.region.refuse(BEST, error_class)

    story.notice()
    story.passes(30)

    assert places(story)[0] == BEST
    assert shortages(story) == {}


def test_the_client_whose_launch_was_refused_is_told_until_when(story: Story) -> None:
    story.region.refuse(BEST)

    story.notice()
    story.passes(10)

    told = story.fleet.scalars(select(events.c.data).where(events.c.kind == "pool_cools_down"))
    assert [one["place"] for one in told] == [BEST]
    assert told[0]["until"].startswith("2026-01-01T00:03:")


def test_many_that_are_refused_at_once_make_one_row_and_one_shortage(story: Story) -> None:
    results = at_once([lambda: cool(story, BEST_POOL)] * 8)

    assert results == [None] * 8
    assert shortages(story) == {"m5a.large/use1-az2": 1}


def test_a_shortage_is_forgotten_an_hour_after_its_cool_down_and_not_before(story: Story) -> None:
    cool(story, BEST_POOL)

    story.clock.advance(180 + MEMORY_SECONDS)
    before = sweep(story)
    story.clock.advance(1)
    after = sweep(story)

    assert (before, after) == ("", "forgot 1 shortages")
    assert shortages(story) == {}
    assert sweep(story) == ""


def test_a_code_longer_than_its_column_is_cut(story: Story) -> None:
    story.database.write(lambda tx: service.note_shortage(tx, BEST_POOL, code="x" * 200))

    assert story.database.read(lambda tx: queries.find_cooldown(tx, BEST_POOL)) is not None
