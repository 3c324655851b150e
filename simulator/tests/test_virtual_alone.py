"""Daemons that are left alone, on a virtual clock: the server goes away around the end of a primary, and comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.lone_drawing import draw_lone_agent
from spot_simulator.virtual.run import Result, play
from spot_simulator.virtual.schedule import AT_STEP, Event, Kind, Schedule
from spot_simulator.virtual.silence import be_silent
from spot_simulator.virtual.ways import Leaves

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

NOTICE = Event(1000.0, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "terminate"})
STOP = Event(1000.0, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "stop"})
DEAD = Event(990.0, Kind.SERVER_AWAY, 0, {"for_seconds": 400.0, "is_dead": True})
UNREACHABLE = Event(990.0, Kind.SERVER_AWAY, 0, {"for_seconds": 400.0, "is_dead": False})
CUT_OFF = Event(990.0, Kind.CUT_FROM_SERVER, 0, {"for_seconds": 400.0, "is_new_side": False})
DEAD_AT_ONCE = Event(1000.0, Kind.SERVER_AWAY, 0, {"for_seconds": 400.0, "is_dead": True, AT_STEP: "quiesce"})
BACK_UP = Event(1500.0, Kind.START_AGAIN, 0)


@dataclass
class Story:
    """What came of a run of one agent: `outages` as the prober saw them, in seconds."""

    outages: list[float] = field(default_factory=list)
    notifications: set[str] = field(default_factory=set)
    states: list[str] = field(default_factory=list)
    """Of its instances, the oldest first."""

    def look(self, fleet: Fleet) -> None:
        """Read it off a fleet whose run is over."""
        (front,) = fleet.members[0].fronts
        self.outages = [one.seconds for one in fleet.region.traffic.figures(front).outages]
        self.notifications = {kind for (kind,) in fleet.database.raw.execute("SELECT kind FROM notifications")}
        self.states = [machine.state.value for machine in fleet.region.machines.by_id.values()]


def tell(*events: Event, leaves_out: Leaves = Leaves.ALL) -> tuple[Result, Story]:
    """Play events on a fleet of one agent, which has a standby that its plan names; daemons do everything."""
    be_silent()
    story = Story()
    schedule = Schedule(5, has_control_role=False, agents=(draw_lone_agent(),), events=events, eventful_seconds=1500.0)
    result = play(schedule, leaves_out=leaves_out, look_at_end=story.look)
    assert result.violations == ()
    return result, story


@pytest.mark.parametrize("absence", [DEAD, UNREACHABLE, CUT_OFF], ids=["dead", "unreachable", "cut off"])
def test_a_standby_takes_over_without_the_server_which_follows_when_it_is_back(absence: Event) -> None:
    result, story = tell(absence, NOTICE)

    assert result.alone == 1
    assert "taken_over_alone" in story.notifications
    assert "restore_suspected" not in story.notifications
    assert len(story.outages) == 1
    assert story.outages[0] < 40


def test_who_was_told_by_the_server_hands_over_when_that_is_not_heard_any_more_a_minute_before_the_end() -> None:
    """The server takes the notice, and dies at its next step: metadata says nothing new from then on, only the time does."""
    result, story = tell(NOTICE, DEAD_AT_ONCE)

    assert result.alone == 1
    assert len(story.outages) == 1
    assert story.outages[0] < 40


def test_leaving_quiet_turns_out_changes_nothing_of_what_daemons_do_alone() -> None:
    """While the server is missed, and once it is back, they look as often as they would."""
    (short, told), (whole, told_whole) = tell(NOTICE, DEAD_AT_ONCE), tell(NOTICE, DEAD_AT_ONCE, leaves_out=Leaves.NOTHING)

    assert (short.moves, short.alone) == (whole.moves, whole.alone)
    assert told.outages == pytest.approx(told_whole.outages, abs=5.0)
    assert (told.notifications, told.states) == (told_whole.notifications, told_whole.states)


def test_an_old_primary_that_ec2_starts_again_after_its_standby_took_over_serves_no_more() -> None:
    result, story = tell(DEAD, STOP, BACK_UP)

    assert result.alone == 1
    assert len(story.outages) == 1
    assert story.states[0] == "terminated"
