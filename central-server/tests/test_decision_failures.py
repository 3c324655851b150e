"""One agent on which the round of decisions stumbles keeps no other from its decision, nor from what was decided."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from server_support.clock import FakeClock
from server_support.deciding import Deciding
from spot_server.db.runner import Database
from spot_server.db.tables import agents, switches
from spot_server.words import Action

ON_MARS = {"days": ["thursday"], "starts_at": "02:00", "ends_at": "05:00", "time_zone": "Mars/Olympus"}
"""Stored by a server whose machine knew the zone; this one does not."""


@pytest.fixture
def deciding(database: Database, clock: FakeClock) -> Deciding:
    return Deciding.on(database, clock)


def test_an_agent_that_nothing_can_be_said_of_is_left_out_and_told_of_at_the_end(deciding: Deciding) -> None:
    broken = [deciding.story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0").agent_id for number in range(2, 6)]
    deciding.story.fleet.execute(update(agents).where(agents.c.agent_id.in_(broken)).values(maintenance_window=ON_MARS))

    with pytest.raises(ExceptionGroup) as told:
        deciding.decide()

    assert told.value.message == "4 parts of the round of decisions failed"
    assert all("Mars/Olympus" in str(failure) for failure in told.value.exceptions)
    assert deciding.last.action is Action.SWITCH
    assert deciding.story.fleet.scalars(select(switches.c.agent_id)) == [deciding.story.agent_id]
    assert all(deciding.stored(agent_id=agent_id) == [] for agent_id in broken)
