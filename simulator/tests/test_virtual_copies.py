"""The carries that copy, `rsync` and `hook`, and what an image brings, on a virtual clock, with the product's own server and daemons."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.truth import Truth
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet
from spot_simulator.virtual.run import Result, play
from spot_simulator.virtual.schedule import AT_STEP, AgentPlan, Event, Kind, Schedule
from spot_simulator.virtual.silence import be_silent

pytestmark = pytest.mark.long

PLAN = AgentPlan(carry="rsync", is_on_spot=True, is_auto_terminated=True, keeps_standby=False)
MOVE = Event(610.0, Kind.SWITCH, 0, {"on_demand": False})
CUT_IN_COPY = Event(610.0, Kind.CUT_FROM_SERVER, 0, {"for_seconds": 30.0, "is_new_side": False, AT_STEP: "copy"})
KILLED_IN_COPY = Event(610.0, Kind.KILL_DAEMON, 0, {"is_new_side": False, AT_STEP: "copy"})
NOTICE = Event(1500.0, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "terminate"})


@pytest.fixture(autouse=True)
def silent() -> None:
    be_silent()


@dataclass
class Left:
    """What is missing in the end of what was acknowledged, and how many writes were."""

    lost: NumberRanges = field(default_factory=NumberRanges)
    acknowledged: int = 0

    def look(self, fleet: Fleet) -> None:
        """Read it off a fleet whose run is over."""
        (front,) = fleet.members[0].fronts
        acceptor = fleet.region.traffic.acceptor_behind(front)
        assert acceptor is not None
        self.lost = fleet.region.traffic.lost(front, Truth(fleet.region, TAG_AGENT).held(acceptor.instance_id, front))
        self.acknowledged = len(fleet.region.traffic.figures(front).acknowledged)


def tell(*events: Event, carry: str, keeps_standby: bool = False, eventful_seconds: float = 600.0) -> tuple[Result, Left]:
    """Play events on a fleet of one agent."""
    left = Left()
    plan = replace(PLAN, carry=carry, keeps_standby=keeps_standby)
    schedule = Schedule(seed=3, has_control_role=True, agents=(plan,), events=events, eventful_seconds=eventful_seconds)
    return play(schedule, look_at_end=left.look), left


@pytest.mark.parametrize("carry", ["rsync", "hook"])
@pytest.mark.parametrize("fault", [None, CUT_IN_COPY, KILLED_IN_COPY], ids=["fair", "cut", "killed"])
def test_a_switch_completes_with_its_passes_in_slices_of_virtual_time_and_loses_nothing(carry: str, fault: Event | None) -> None:
    result, left = tell(MOVE, *([] if fault is None else [fault]), carry=carry)

    assert (result.violations, result.missed) == ((), ())
    assert result.moves == {"manual completed": 1}
    assert (len(left.lost), left.acknowledged > 10_000) == (0, True)


@pytest.mark.parametrize("carry", ["rsync", "hook"])
def test_a_notice_with_a_standby_brings_everything_along(carry: str) -> None:
    result, left = tell(NOTICE, carry=carry, keeps_standby=True, eventful_seconds=1500.0)

    assert result.violations == ()
    assert result.moves == {"notice completed": 1}
    assert (len(left.lost), left.acknowledged > 10_000) == (0, True)


@pytest.mark.parametrize("carry", ["image_after_quiesce", "hook"])
def test_an_image_that_completes_after_its_instance_has_ended_brings_the_agent_back(carry: str) -> None:
    """It is the first one; it was begun a minute before the loss, and the agent's rescue has given up for want of one by then.

    The first rescue follows from EC2's word about the spot request, or from silence: whichever is looked into first.
    """
    result, _left = tell(Event(300.0, Kind.LOSS, 0), carry=carry)

    assert result.violations == ()
    assert sorted(move.split()[1] for move in result.moves) == ["completed", "failed"]
    assert set(result.moves.values()) == {1}
