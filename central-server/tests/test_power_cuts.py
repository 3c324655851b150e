"""The process or the database dies in any transaction of a move, before or after its commit: the sweep brings it to the same end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select

from server_support.clock import FakeClock
from server_support.dying_database import DyingDatabase
from server_support.story import ADDRESS, PowerCut, Story
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import commands
from spot_server.words import CommandKind, ReplicaStatus, SwitchStatus

PARTS = 2
"""How many tests share the deaths of a scene."""
STRIDE = 2
"""A death before a commit leaves what one after the commit before it leaves: every second of each kind leaves all there is."""
STRIDES = {"sqlite": STRIDE * PARTS, "mysql": 4 * STRIDE * PARTS, "mariadb": 4 * STRIDE * PARTS}
"""On MariaDB a sample: what is tested is that each use case is whole, which the other database shows for all of them."""


class FailingDatabase(DyingDatabase):
    """Dies in a transaction that does anything."""

    def does_count(self, tx: Transaction, result: object) -> bool:
        return bool(tx.pending_events) or (isinstance(result, list) and bool(result))


def tell(engine: Engine, clock: FakeClock, scene: str, *, dies_in: int = 0, dies_after_commit: bool = False) -> tuple[Story, int]:
    """A move from beginning to end with one death in it; return it with the number of transactions that did anything."""
    sound = Database(engine, clock=clock, sleeper=clock)
    story = Story.on(sound, clock, has_image=True, terminate_wait_seconds=10)
    database = FailingDatabase(engine, clock=clock, sleeper=clock)
    database.dies_in, database.dies_after_commit = dies_in, dies_after_commit
    if scene == "resumed":
        give_up(story)
    # Heartbeats, and what the test itself reads and writes, go on through the sound one.
    story.database = database
    if scene == "undone":
        story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2")
    if scene == "way-back":
        move_away(story)
    requests: dict[str, Callable[[], object]] = {
        "rescue": lambda: story.notice(lead_seconds=60),
        "resumed": lambda: None,
        "way-back": lambda: story.roll_back(story.switches()[0]),
    }
    request = requests.get(scene, story.switch)
    try:
        request()
    except PowerCut:
        # Whoever asked asks again, under the same request_id or notice_id.
        request()
    if scene == "resumed":
        story.passes(200, until=lambda: story.switches()[-1].status is SwitchStatus.COMPLETED)
    story.settles(300)
    return story, database.count


def move_away(story: Story) -> None:
    """Something to go back on, with the database that does not die; the old instance waits longer than the way back takes."""
    story.set_agent(terminate_wait_seconds=300)
    database, story.database = story.database, story.fleet.database
    story.switch()
    story.passes(200, until=lambda: story.active() is None)
    story.set_agent(terminate_wait_seconds=10)
    story.database = database


def give_up(story: Story) -> None:
    """Three rescues find no place, and only then there is one: what comes after that is what the scene is about."""
    specification = {"vpc_id": "vpc-1", "subnets": {"use1-az2": "subnet-2"}, "security_group_ids": []}
    story.set_agent(allowed_instance_types=["m5.large"], launch_specification=specification)
    story.region.refuse("spot/m5.large/use1-az2")
    story.region.refuse("on_demand/m5.large/use1-az2")
    story.notice(lead_seconds=200)
    story.passes(60, until=lambda: any(switch.resume_at is not None for switch in story.switches()))
    story.region.refused_places.clear()


def assert_same_end(story: Story, scene: str) -> None:
    if scene == "way-back":
        assert_went_back(story)
        return
    winner, status = ("i-1", SwitchStatus.ROLLED_BACK) if scene == "undone" else ("i-2", SwitchStatus.COMPLETED)
    failed = 3 if scene == "resumed" else 0
    assert [switch.status for switch in story.switches()] == [SwitchStatus.FAILED] * failed + [status]
    assert story.region.serving == [winner]
    assert story.region.address_of[ADDRESS] == winner
    assert story.agent.epoch == (3 if scene == "undone" else 2)
    assert story.roles == {"i-1": "TERMINATED", "i-2": "TERMINATED", winner: "PRIMARY"}
    assert len(story.region.launched_by_token) == 1
    last = ReplicaStatus.FAILED if scene == "undone" else ReplicaStatus.PROMOTED
    assert [replica.status for replica in story.replicas()] == [ReplicaStatus.FAILED] * failed + [last]
    assert not any(switch.resume_at for switch in story.switches())
    own = commands.c.agent_id == story.agent_id
    assert story.fleet.scalars(select(commands.c.kind).where(own, commands.c.open_instance_id.is_not(None))) == []
    assert story.region.violations == []


def assert_went_back(story: Story) -> None:
    assert [switch.status for switch in story.switches()] == [SwitchStatus.COMPLETED, SwitchStatus.COMPLETED]
    assert (story.region.serving, story.region.address_of[ADDRESS]) == (["i-1"], "i-1")
    assert (story.agent.epoch, story.roles) == (3, {"i-1": "PRIMARY", "i-2": "TERMINATED"})
    assert len(story.region.launched_by_token) == 1
    assert story.fleet.scalars(select(commands.c.kind).where(commands.c.open_instance_id.is_not(None))) == []
    assert story.region.violations == []


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("dies_after_commit", [False, True], ids=["before-commit", "after-commit"])
@pytest.mark.parametrize("scene", ["planned", "undone", "rescue", "resumed", "way-back"])
def test_a_move_ends_the_same_wherever_it_was_interrupted(
    engine: Engine, clock: FakeClock, scene: str, dies_after_commit: bool, part: int
) -> None:
    whole, total = tell(engine, clock, scene)

    for dies_in in range(1 + STRIDE * part, total + 1, STRIDES[engine.dialect.name]):
        story, _count = tell(engine, clock, scene, dies_in=dies_in, dies_after_commit=dies_after_commit)
        assert_same_end(story, scene)
    assert_same_end(whole, scene)
    assert total > 15
