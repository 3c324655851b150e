"""The carry `volume` on a virtual clock, with the product's own server and daemons, and EBS as the simulated region has it.

What every run must keep is checked in each: one serves, whoever serves keeps its writes on a volume that is attached to it, and nothing
that was acknowledged to the prober outside is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from spot_simulator.machine import Machine, State
from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.truth import Truth
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet
from spot_simulator.virtual.run import play
from spot_simulator.virtual.schedule import AT_STEP, AgentPlan, Event, Facts, Kind, Schedule
from spot_simulator.virtual.silence import be_silent

pytestmark = pytest.mark.long

PLAN = AgentPlan(carry="volume", is_on_spot=True, is_auto_terminated=True, keeps_standby=False)
MOVE = Event(610.0, Kind.SWITCH, 0, {"on_demand": False})
NOTICE = Event(610.0, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "terminate"})
ELSEWHERE = replace(MOVE, facts={"on_demand": False, "is_elsewhere": True})
LOSS = Event(610.0, Kind.LOSS, 0)
START_FAILS = Event(605.0, Kind.START_FAILS, 0, {"count": 3})
VOLUME_STEPS = ("unmount", "detach", "attach", "mount")
COPY_STEPS = ("snapshot", "copy_volumes")


@pytest.fixture(autouse=True)
def silent() -> None:
    be_silent()


@dataclass
class Story:
    """What came of a run of one agent: `volumes` are the data volumes that there are, `lost` what is on none of those that serve."""

    moves: dict[str, int] = field(default_factory=dict)
    violations: tuple[object, ...] = ()
    steps: dict[str, str] = field(default_factory=dict)
    failure: str | None = None
    volumes: dict[str, str | None] = field(default_factory=dict)
    serves_on: str | None = None
    server: Machine | None = None
    first: Machine | None = None
    lost: NumberRanges = field(default_factory=NumberRanges)
    acknowledged: int = 0
    outages: list[float] = field(default_factory=list)
    notifications: list[str] = field(default_factory=list)

    def look(self, fleet: Fleet) -> None:
        """Read everything off a fleet whose run is over."""
        region, raw, (member,) = fleet.region, fleet.database.raw, fleet.members
        truth, (front,) = Truth(region, TAG_AGENT), member.fronts
        figures = region.traffic.figures(front)
        self.outages, self.acknowledged = [one.seconds for one in figures.outages], len(figures.acknowledged)
        self.volumes = {
            one.volume_id: one.held_by
            for one in region.volumes.by_id.values()
            if one.disk_of is None and one.volume_id not in fleet.foreign.ids
        }
        self.first = region.machines.by_id[member.first_instance_id]
        self.steps = dict(raw.execute("SELECT name, status FROM switch_steps").fetchall())
        self.notifications = [kind for (kind,) in raw.execute("SELECT kind FROM notifications").fetchall()]
        acceptor = region.traffic.acceptor_behind(front)
        if acceptor is not None:
            self.server = region.machines.by_id[acceptor.instance_id]
            self.serves_on = truth.writes_on(acceptor.instance_id)
            self.lost = region.traffic.lost(front, truth.held(acceptor.instance_id, front))


def tell(
    *events: Event,
    has_control_role: bool,
    plan: AgentPlan = PLAN,
    eventful_seconds: float = 900.0,
    prepare: Callable[[Fleet], None] = lambda _fleet: None,
) -> Story:
    """Play events on a fleet of one agent."""
    story = Story()
    schedule = Schedule(5, has_control_role, (plan,), events, eventful_seconds)
    result = play(schedule, prepare=prepare, look_at_end=story.look)
    story.moves, story.violations = result.moves, result.violations
    return story


@pytest.fixture(params=[True, False], ids=["control role", "daemons"])
def has_control_role(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_planned_switch_brings_the_volume_itself_and_all_that_is_on_it(has_control_role: bool) -> None:
    story = tell(MOVE, has_control_role=has_control_role)

    assert story.violations == ()
    assert story.moves == {"manual completed": 1}
    assert [story.steps[name] for name in (*VOLUME_STEPS, *COPY_STEPS)] == ["done"] * 4 + ["skipped"] * 2
    assert story.server is not story.first
    assert list(story.volumes) == [story.serves_on]
    assert (len(story.lost), story.acknowledged > 10_000) == (0, True)


def test_a_switch_to_another_zone_brings_a_copy_with_all_that_was_acknowledged(has_control_role: bool) -> None:
    story = tell(ELSEWHERE, has_control_role=has_control_role, eventful_seconds=2400.0)

    assert story.violations == ()
    assert story.moves == {"manual completed": 1}
    assert [story.steps[name] for name in (*COPY_STEPS, "unmount", "mount")] == ["done"] * 4
    assert story.server is not None
    assert story.first is not None
    assert story.server.az_id != story.first.az_id
    assert len(story.volumes) == 2
    assert (len(story.lost), story.serves_on is not None) == (0, True)
    assert (story.first.state, "final_image_failed" in story.notifications) == (State.TERMINATED, False)


def test_a_notice_without_a_standby_loses_nothing(has_control_role: bool) -> None:
    story = tell(NOTICE, has_control_role=has_control_role)

    assert story.violations == ()
    assert story.moves == {"notice completed": 1}
    assert list(story.volumes) == [story.serves_on]
    assert story.server is not story.first
    assert (len(story.lost), "writes_lost" in story.notifications) == (0, False)


def test_a_notice_with_a_standby_moves_the_volume_before_the_instance_goes(has_control_role: bool) -> None:
    story = tell(NOTICE, has_control_role=has_control_role, plan=replace(PLAN, keeps_standby=True))

    assert story.violations == ()
    assert story.moves == {"notice completed": 1}
    assert list(story.volumes) == [story.serves_on]
    assert len(story.lost) == 0
    assert max(story.outages) < 60


def test_a_loss_without_a_word_loses_nothing_that_was_acknowledged(has_control_role: bool) -> None:
    story = tell(LOSS, has_control_role=has_control_role, plan=replace(PLAN, keeps_standby=True))

    assert story.violations == ()
    assert story.moves == {"notice completed" if has_control_role else "failover completed": 1}  # told by its spot request, or silent
    assert list(story.volumes) == [story.serves_on]
    assert (len(story.lost), "writes_lost" in story.notifications) == (0, False)


def test_a_switch_whose_workload_does_not_start_is_undone_with_its_volume(has_control_role: bool) -> None:
    story = tell(START_FAILS, MOVE, has_control_role=has_control_role)

    assert story.violations == ()
    assert story.moves == {"manual rolled_back": 1}
    assert story.server is story.first
    assert list(story.volumes) == [story.serves_on]
    assert len(story.lost) == 0


def test_a_copy_whose_workload_does_not_start_is_undone_and_deleted(has_control_role: bool) -> None:
    story = tell(START_FAILS, ELSEWHERE, has_control_role=has_control_role, eventful_seconds=2400.0)

    assert story.violations == ()
    assert story.moves == {"manual rolled_back": 1}
    assert story.server is story.first
    assert list(story.volumes) == [story.serves_on]
    assert len(story.lost) == 0


def test_a_successor_that_is_lost_while_it_takes_the_volume_is_told_of_where_nobody_can_go_on() -> None:
    story = tell(LOSS, replace(LOSS, facts={AT_STEP: "attach"}), has_control_role=False, plan=replace(PLAN, keeps_standby=True))

    assert story.violations == ()
    assert story.moves == {"failover running": 1}
    assert story.server is None
    assert "rescue_waits" in story.notifications
    assert list(story.volumes.values()) == [None]


@pytest.mark.parametrize("action", ["DetachVolume", "AttachVolume"])
def test_an_answer_that_is_lost_loses_no_write(action: str) -> None:
    lost = Event(605.0, Kind.LOST_ANSWER, 0, {"action": action, "count": 1})
    story = tell(lost, MOVE, has_control_role=True)

    assert story.violations == ()
    assert list(story.volumes) == [story.serves_on]
    assert len(story.lost) == 0


def test_a_new_side_that_does_not_give_the_volume_back_is_ended_whoever_the_address_names() -> None:
    """A future of seed 40012: the old side boots and cannot take its address, the database is away while the volume is to come back."""
    back_in_promotion: Facts = {"is_undo": True, "at_move": "promotion"}
    reboot = Event(600.0, Kind.REBOOT, 0, {AT_STEP: "traffic", **back_in_promotion})
    away = Event(600.0, Kind.DATABASE_AWAY, 0, {"for_seconds": 178.8, AT_STEP: "mount", **back_in_promotion})
    promotion = Event(700.0, Kind.STANDBY_AND_PROMOTE, 0, {"promote_after_seconds": 326.8, "when_ready": True})
    fails = replace(START_FAILS, at_seconds=700.0, facts={"count": 6})
    story = Story()
    result = play(Schedule(2, has_control_role=True, agents=(PLAN,), events=(reboot, away, promotion, fails)), look_at_end=story.look)

    assert result.violations == ()
    assert result.moves == {"promotion rolled_back": 1}
    assert story.server is story.first
    assert len(story.lost) == 0


def test_a_rescue_to_another_zone_that_could_not_move_the_address_goes_on_with_its_copies() -> None:
    """Seed 30067: a second copy was made for each further rescue, and EC2 refused to attach it beside the first one."""
    nowhere_near = Event(609.0, Kind.NO_CAPACITY, 0, {"of_zone": True, "pools": 0, "on_demand": True, "for_seconds": 900.0})
    cut = Event(600.0, Kind.CUT_FROM_EC2, 0, {"for_seconds": 79.4, "is_new_side": True, AT_STEP: "traffic", "at_move": "notice"})
    story = Story()
    result = play(Schedule(2, has_control_role=False, agents=(PLAN,), events=(nowhere_near, NOTICE, cut)), look_at_end=story.look)

    assert result.violations == ()
    assert result.moves == {"notice failed": 1, "notice completed": 1}
    assert len(story.lost) == 0
