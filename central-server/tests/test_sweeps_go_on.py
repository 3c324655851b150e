"""One thing that fails in a sweep does not keep the others from their turn."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import replica_instances
from spot_server.errors import DatabaseUnavailable, NotFound, StateConflict
from spot_server.jobs.each import for_each
from spot_server.jobs.lease import LeaseLost
from spot_server.words import ReplicaStatus, SwitchStatus


def test_every_item_has_its_turn_and_the_failures_come_together_at_the_end() -> None:
    seen = []

    def act(number: int) -> int:
        seen.append(number)
        if number == 1:
            raise StateConflict("1")
        if number == 3:
            raise OverflowError("3")  # a mistake of ours is one item's trouble too
        return number

    with pytest.raises(ExceptionGroup) as raised:
        for_each([1, 2, 3, 4], act)

    assert seen == [1, 2, 3, 4]
    assert [str(failure) for failure in raised.value.exceptions] == ["1", "3"]


@pytest.mark.parametrize("error", [DatabaseUnavailable(), LeaseLost()], ids=["database", "lease"])
def test_a_database_that_is_away_and_a_lease_that_is_lost_end_the_round(error: Exception) -> None:
    def act(_number: int) -> None:
        raise error

    with pytest.raises(type(error)):
        for_each([1, 2], act)


def test_the_results_come_in_order() -> None:
    assert for_each("abc", str.upper) == ["A", "B", "C"]


def test_a_replica_that_cannot_be_swept_does_not_hold_up_a_switch_of_another_agent(database: Database, clock: FakeClock) -> None:
    broken = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1)
    replica = broken.gets_ready()
    broken.promote(replica.replica_id)
    broken.passes(120, until=lambda: broken.active() is None)
    # Its book is made to contradict itself: an ended replica whose instance is the PRIMARY.
    ended = update(replica_instances).where(replica_instances.c.replica_id == replica.replica_id)
    broken.fleet.execute(ended.values(status=ReplicaStatus.FAILED, ended_at=None))
    sound = Story.on(database, clock, terminate_wait_seconds=10)

    switch = sound.switch()
    sound.passes(100)

    assert sound.reload(switch).status is SwitchStatus.COMPLETED
    assert any(isinstance(failure, ExceptionGroup) for failure in sound.failures)
    assert broken.roles["i-2"] == "PRIMARY"
    assert broken.region.machines["i-2"].state == "running"
    assert not any(isinstance(failure, NotFound) for failure in sound.failures)
