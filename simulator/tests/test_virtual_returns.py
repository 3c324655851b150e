"""A daemon that is starved while it starts a workload that a planned move brought, on a virtual clock: what was acknowledged is not lost.

The new side gets its order to start, and then its daemon does not reach the server until the time for its answer is over. Meanwhile
clients write to what was started, through the address that leads there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.truth import Truth
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet
from spot_simulator.virtual.run import play
from spot_simulator.virtual.schedule import AFTER_SECONDS, AT_STEP, AgentPlan, Event, Kind, Schedule
from spot_simulator.virtual.silence import be_silent

pytestmark = pytest.mark.long

MOVE = Event(610.0, Kind.SWITCH, 0, {"on_demand": False})
UNTIL_AFTER_THE_BOUND_SECONDS = 170.0
"""After the 150 s in which START is answered. Then it depends on what is heard first: the answer, or a heartbeat, upon which the new side
is asked to stop and to say whether it served, and the move goes forward again."""

TOO_LONG_SECONDS = 900.0
LOSS = Event(605.0, Kind.LOSS, 0, {AT_STEP: "start", AFTER_SECONDS: 60.0})
"""Of the instance that accepts writes then, which is the new one."""


@dataclass
class Story:
    """What came of a run: who serves in the end, and what that one's disk lacks of what was acknowledged through the address."""

    moves: dict[str, int] = field(default_factory=dict)
    violations: tuple[object, ...] = ()
    is_moved: bool = False
    lost: NumberRanges = field(default_factory=NumberRanges)
    acknowledged: int = 0
    notifications: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def look(self, fleet: Fleet) -> None:
        """Read everything off a fleet whose run is over."""
        region, raw, (member,) = fleet.region, fleet.database.raw, fleet.members
        (front,) = member.fronts
        self.acknowledged = len(region.traffic.figures(front).acknowledged)
        self.notifications = [kind for (kind,) in raw.execute("SELECT kind FROM notifications").fetchall()]
        self.events = [kind for (kind,) in raw.execute("SELECT kind FROM events").fetchall()]
        acceptor = region.traffic.acceptor_behind(front)
        assert acceptor is not None
        self.is_moved = acceptor.instance_id != member.first_instance_id
        self.lost = region.traffic.lost(front, Truth(region, TAG_AGENT).held(acceptor.instance_id, front))


def tell(carry: str, *others: Event, starved_seconds: float, has_control_role: bool = True) -> Story:
    """Play a planned move whose new side's daemon falls silent just after it was told to start."""
    facts: dict[str, float | int | str | bool] = {AT_STEP: "start", AFTER_SECONDS: 0.5, "is_new_side": True, "for_seconds": starved_seconds}
    plan = AgentPlan(carry=carry, is_on_spot=True, is_auto_terminated=True, keeps_standby=False)
    events = (Event(605.0, Kind.CUT_FROM_SERVER, 0, facts), *others, MOVE)
    story = Story()
    result = play(Schedule(7, has_control_role, (plan,), events, 2400.0), look_at_end=story.look)
    story.moves, story.violations = result.moves, result.violations
    return story


@pytest.fixture(autouse=True)
def silent() -> None:
    be_silent()


@pytest.mark.parametrize("carry", ["rsync", "image_after_quiesce"])
@pytest.mark.parametrize("has_control_role", [True, False], ids=["control role", "daemons"])
def test_the_move_ends_on_its_new_side_and_nothing_that_was_acknowledged_is_lost(carry: str, *, has_control_role: bool) -> None:
    story = tell(carry, starved_seconds=UNTIL_AFTER_THE_BOUND_SECONDS, has_control_role=has_control_role)

    assert story.violations == ()
    assert story.moves == {"manual completed": 1}
    assert (story.is_moved, len(story.lost), story.acknowledged > 10_000) == (True, 0, True)
    assert "writes_lost" not in story.notifications


def test_a_new_side_that_is_lost_costs_what_it_acknowledged_and_a_person_is_told() -> None:
    story = tell("rsync", LOSS, starved_seconds=TOO_LONG_SECONDS)

    assert story.violations == ()
    assert story.moves == {"manual rolled_back": 1}
    assert not story.is_moved
    assert len(story.lost) > 0
    assert story.notifications.count("writes_lost") == 1
    assert "writes_lost" in story.events
