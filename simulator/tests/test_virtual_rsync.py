"""The carry `rsync` on a virtual clock, with the product's own server and daemons."""

from __future__ import annotations

import pytest

from spot_simulator.virtual.run import play
from spot_simulator.virtual.schedule import AgentPlan, Event, Kind, Schedule
from spot_simulator.virtual.silence import be_silent

pytestmark = pytest.mark.long

PLAN = AgentPlan(carry="rsync", is_on_spot=True, is_auto_terminated=True, keeps_standby=False)
MOVE = Event(610.0, Kind.SWITCH, 0, {"on_demand": False})


@pytest.fixture(autouse=True)
def silent() -> None:
    be_silent()


def test_a_switch_by_rsync_completes_with_its_passes_in_slices_of_virtual_time() -> None:
    result = play(Schedule(seed=3, has_control_role=True, agents=(PLAN,), events=(MOVE,), eventful_seconds=300.0))

    assert result.violations == ()
    assert result.moves == {"manual completed": 1}
