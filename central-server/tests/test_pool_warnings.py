"""A notice or a loss warns the other primaries of its pool: once, without a name, and with a replica only where a person wants one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import select, update

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.story import Story
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import instances, notifications, spot_interruption_events
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import load_instance
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.service import Loss, list_of_client, take_loss, take_report
from spot_server.features.pool_warnings import service
from spot_server.features.pool_warnings.jobs import warn_neighbours
from spot_server.features.pool_warnings.rules import MOST_AT_ONCE, QUIET_SECONDS
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import InterruptionKind, Mode, ReplicaStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """The agent that is warned: on spot, m5.large in use1-az1."""
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False)


@pytest.fixture
def stricken(story: Story) -> Agent:
    """Another client's agent in the same pool."""
    return Fleet.on(story.database).agent("shop-secret", instance_id="i-77")


def strike(story: Story, agent: Agent, kind: InterruptionKind = InterruptionKind.TERMINATE, name: str = "notice-1") -> None:
    """EC2 announces the end of the agent's instance."""
    now = story.clock.now()
    report = Report(name, "i-77", kind, now + timedelta(seconds=120) if kind is InterruptionKind.TERMINATE else None, now)
    story.database.write(lambda tx: take_report(tx, agent.agent_id, report))


def sweep(story: Story) -> str:
    return warn_neighbours(JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger()))


def warnings(story: Story) -> list[str]:
    """The responses to the warnings of the story's agent."""
    table = spot_interruption_events
    where = (table.c.agent_id == story.agent_id, table.c.kind == InterruptionKind.POOL_WARNING)
    return story.fleet.scalars(select(table.c.response).where(*where))


def texts(story: Story) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "interruption_pool_warning"))


def test_a_notice_warns_the_other_primary_of_the_pool_once_and_launches_nothing(story: Story, stricken: Agent) -> None:
    strike(story, stricken)

    sentences = [sweep(story) for _ in range(3)]

    assert sentences == ["warned 1 of interruptions in their pools", "", ""]
    assert warnings(story) == ["observe_only"]
    assert story.replicas() == []


def test_a_warning_tells_the_pool_and_not_whose_instance_it_was(story: Story, stricken: Agent) -> None:
    strike(story, stricken)
    sweep(story)

    shown = story.database.read(lambda tx: list_of_client(tx, story.fleet.client_id, limit=10, cursor=None)).items

    assert texts(story) == [
        "web-1: pool_warning for i-1 (PRIMARY); EC2 took another spot instance of m5.large in use1-az1; response: observe_only"
    ]
    assert [one.channel for one in shown[0].channels] == ["server"]
    assert not any(secret in str(shown) + str(texts(story)) for secret in ("i-77", "shop-secret", stricken.agent_id, stricken.client_id))


def test_where_a_person_wants_it_a_replica_is_held_elsewhere_and_stands_down(story: Story, stricken: Agent) -> None:
    story.set_agent(early_replica_on_warning=True, rebalance_hold_seconds=300)
    strike(story, stricken)
    sweep(story)

    replica = story.gets_ready()
    story.passes(400, step_seconds=10)

    assert (replica.az_id, replica.instance_type) == ("use1-az2", "m5a.large")
    assert warnings(story) == ["hold"]
    assert story.replicas()[0].status is ReplicaStatus.TERMINATED
    assert story.region.serving == ["i-1"]


def test_a_pool_that_goes_on_losing_instances_makes_one_replica_and_not_one_after_the_other(story: Story, stricken: Agent) -> None:
    story.set_agent(early_replica_on_warning=True, rebalance_hold_seconds=60)

    for number in range(8):
        strike(story, stricken, name=f"notice-{number}")
        sweep(story)
        story.passes(600, step_seconds=20)
    story.clock.advance(QUIET_SECONDS)
    strike(story, stricken, name="notice-late")
    sweep(story)

    assert warnings(story) == ["hold", "hold"]
    assert len(story.replicas()) == 2


def test_the_spending_guard_holds_an_early_replica_back(story: Story, stricken: Agent) -> None:
    story.set_agent(early_replica_on_warning=True)
    story.database.policy = replace(story.database.policy, spending_launches_per_hour=0)
    strike(story, stricken)

    sweep(story)
    story.passes(20)

    assert warnings(story) == ["hold"]
    assert story.payloads("launch_instance") == []
    assert len(story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "spending_guard"))) == 1


def test_a_loss_that_ec2_confirms_warns_and_a_mere_silence_does_not(story: Story, stricken: Agent) -> None:
    def lose(kind: InterruptionKind) -> None:
        def act(tx: Transaction) -> None:
            primary = load_instance(tx, stricken.agent_id, "i-77")
            take_loss(tx, stricken, primary, Loss("EC2 says terminated", is_ended=False, kind=kind))

        story.database.write(act)

    lose(InterruptionKind.SILENCE)
    after_silence = sweep(story)
    story.fleet.execute(update(spot_interruption_events).values(kind=InterruptionKind.LOSS))

    assert (after_silence, sweep(story)) == ("", "warned 1 of interruptions in their pools")


@pytest.mark.parametrize("kind", [InterruptionKind.REBALANCE, InterruptionKind.SCHEDULED])
def test_what_takes_nothing_away_warns_nobody(story: Story, stricken: Agent, kind: InterruptionKind) -> None:
    strike(story, stricken, kind)

    assert sweep(story) == ""


@pytest.mark.parametrize(
    "change",
    [{"az_id": "use1-az2"}, {"instance_type": "m5a.large"}, {"region": "eu-north-9"}, {"mode": Mode.ON_DEMAND}],
    ids=["zone", "type", "region", "mode"],
)
def test_a_primary_in_another_pool_is_not_warned(story: Story, stricken: Agent, change: dict[str, str]) -> None:
    story.fleet.execute(update(instances).where(instances.c.agent_id == story.agent_id).values(change))
    strike(story, stricken)

    assert sweep(story) == ""


def test_what_a_game_day_plays_warns_nobody(story: Story, stricken: Agent) -> None:
    strike(story, stricken)
    story.fleet.execute(update(spot_interruption_events).values(game_day_id="game-day-1"))

    assert sweep(story) == ""


def test_a_server_that_was_away_warns_of_nothing_that_is_over(story: Story, stricken: Agent) -> None:
    strike(story, stricken)
    story.clock.advance(3600)

    assert sweep(story) == ""


def test_two_jobs_processes_at_once_warn_once(story: Story, stricken: Agent) -> None:
    strike(story, stricken)
    [neighbour] = story.database.read(service.find_unwarned)

    results = at_once([lambda: story.database.write(lambda tx: service.warn(tx, neighbour))] * 4)

    assert sum(one is not None for one in results) == 1
    assert len(texts(story)) == 1


def test_a_large_pool_is_warned_a_few_at_a_time(story: Story, stricken: Agent) -> None:
    others = Fleet.on(story.database)
    for number in range(MOST_AT_ONCE):
        others.agent(f"web-{number}", instance_id=f"i-{100 + number}")
    strike(story, stricken)

    sentences = [sweep(story) for _ in range(3)]

    assert sentences == [f"warned {MOST_AT_ONCE} of interruptions in their pools", "warned 1 of interruptions in their pools", ""]


def test_a_disabled_agent_is_told_and_left_alone(story: Story, stricken: Agent) -> None:
    story.set_agent(early_replica_on_warning=True, enabled=False)
    strike(story, stricken)

    sweep(story)

    assert warnings(story) == ["observe_only"]
    assert story.replicas() == []
