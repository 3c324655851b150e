"""What the coordinator costs: one look at all agents together, and the row of an agent only where something has to be done."""

from __future__ import annotations

from datetime import timedelta

import pytest
import structlog
from sqlalchemy import RowMapping, Table, insert, select, update

from server_support.clock import FakeClock
from server_support.counting import Cost, counted
from server_support.plans import plans_of
from server_support.story import Story
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import agents, instances, replica_instances
from spot_server.features.replicas.jobs import coordinate_replicas
from spot_server.features.replicas.scenes import agents_to_coordinate
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import ReplicaKind, ReplicaStatus

FLEET = 200
AT_REST = Cost(reads=1, writes=0, statements=1)


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """One agent with a standby that is ready."""
    story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1)
    story.gets_ready()
    return story


@pytest.fixture
def fleet(story: Story) -> Story:
    """The same agent many times over."""
    copy_rows(story, agents, "logical_agent_id", "live_key")
    copy_rows(story, instances, "primary_of")
    copy_rows(story, replica_instances, "replica_id", "nonce_sha256")
    return story


def copy_rows(story: Story, table: Table, *unique: str) -> None:
    """Copy the story's rows of this table for every other agent, with values of their own in the columns that are `unique`."""

    def copy(tx: Transaction) -> None:
        rows = tx.execute(select(table).where(table.c.agent_id == story.agent_id)).mappings().all()
        names = [f"agent-{number:03}" for number in range(1, FLEET)]
        tx.execute(insert(table), [{**row, **_own(row, name, unique), "agent_id": name} for name in names for row in rows])

    story.database.write(copy)


def _own(row: RowMapping, name: str, unique: tuple[str, ...]) -> dict[str, str]:
    return {column: name for column in unique if row[column] is not None}


def coordinate(story: Story) -> tuple[str, Cost]:
    context = JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger())
    with counted(story.database.engine) as cost:
        said = coordinate_replicas(context)
    return said, cost


def test_two_hundred_agents_at_rest_cost_one_statement_and_no_write(fleet: Story) -> None:
    said, cost = coordinate(fleet)

    assert (said, cost) == ("", AT_REST)


def test_of_two_hundred_agents_only_the_one_that_lost_its_standby_is_held(fleet: Story) -> None:
    table = replica_instances
    fleet.fleet.execute(update(table).where(table.c.agent_id == "agent-117").values(status=ReplicaStatus.TERMINATED))

    said, cost = coordinate(fleet)

    assert said == "agent-117: 1 made, 0 surplus, 0 stood down"
    assert (cost.reads, cost.writes) == (1, 1)


def test_agents_whose_standbys_fail_one_after_the_other_cost_no_write_while_they_pause(fleet: Story, clock: FakeClock) -> None:
    failed = {"status": ReplicaStatus.FAILED, "created_at": clock.now(), "ended_at": clock.now()}
    fleet.fleet.execute(update(replica_instances).values(failed))

    _, pausing = coordinate(fleet)
    clock.advance(31)
    due = fleet.database.read(agents_to_coordinate)

    assert pausing == Cost(reads=1, writes=0, statements=2)
    assert len(due) == FLEET


def test_a_standby_that_the_primary_moved_beside_is_looked_at_with_the_row_held(story: Story) -> None:
    place = {"instance_type": story.region.machines["i-1"].instance_type, "az_id": story.region.machines["i-1"].az_id}
    story.fleet.execute(update(replica_instances).values(place))

    said, cost = coordinate(story)

    assert said == "web-1: 1 made, 0 surplus, 0 stood down"
    assert cost.writes == 1


def test_a_held_replica_stands_down_in_the_first_look_after_its_hold(story: Story, clock: FakeClock) -> None:
    hold = {"kind": ReplicaKind.EMERGENCY, "hold_until": clock.now() + timedelta(seconds=60)}
    story.fleet.execute(update(replica_instances).values(hold))
    story.set_agent(manual_replica_enabled=False, replica_count=0)

    _, holding = coordinate(story)
    clock.advance(60)
    said, _ = coordinate(story)

    assert holding == AT_REST
    assert said == "web-1: 0 made, 0 surplus, 1 stood down"


def test_a_disabled_agent_and_a_deleted_one_are_not_looked_at(story: Story, clock: FakeClock) -> None:
    story.fleet.execute(update(replica_instances).values(status=ReplicaStatus.TERMINATED))

    wanting = story.database.read(agents_to_coordinate)
    story.set_agent(enabled=False)
    disabled = story.database.read(agents_to_coordinate)
    story.set_agent(enabled=True, deleted_at=clock.now())
    deleted = story.database.read(agents_to_coordinate)

    assert (wanting, disabled, deleted) == ([story.agent_id], [], [])


def test_the_look_goes_from_agents_to_the_rest_by_indexes(fleet: Story) -> None:
    (plan,) = plans_of(fleet.database.engine, lambda: fleet.database.read(agents_to_coordinate))

    assert [line.split()[1] for line in plan.splitlines() if line.startswith("SCAN")] in ([], ["agents"]), plan
