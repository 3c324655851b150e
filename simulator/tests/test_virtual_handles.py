"""Traffic handles of every kind, and all of them together, with the product's own server and daemons on a virtual clock.

Downtime is what a prober outside sees through each handle: it writes twenty times a second at the handle's front. What every run
must keep (one serves, everybody is reached in the end, nothing is terminated that holds a handle, and so on) is checked in each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from spot_simulator.virtual.fleet import START, Fleet
from spot_simulator.virtual.gateway import ROLE
from spot_simulator.virtual.handles import CHECK_INTERVAL_SECONDS, PERSON, TTL_SECONDS, HandleKind
from spot_simulator.virtual.run import play
from spot_simulator.virtual.schedule import CALM_SECONDS, AgentPlan, Event, Kind, Schedule
from spot_simulator.virtual.silence import be_silent

pytestmark = pytest.mark.long

TOGETHER = AgentPlan("stateless", True, True, False, tuple(HandleKind))
PLANS = (*(AgentPlan("stateless", True, True, False, (kind,)) for kind in HandleKind), TOGETHER)
"""An agent for each kind, and one that has all of them."""
MOVING = frozenset({"AssociateAddress", "AssignPrivateIpAddresses", "RegisterTargets", "DeregisterTargets", "ChangeResourceRecordSets"})
CONFIRMED = (HandleKind.TARGET_GROUP, HandleKind.ROUTE53_RECORD, HandleKind.HOOK)

STOP_TO_SERVE_SECONDS = 10.0
"""From the end of the old workload until the new one serves, with five handles moved in between."""
LONGEST_SECONDS = {
    HandleKind.ELASTIC_IP: 10.0,  # the region's longest address move
    HandleKind.SECONDARY_PRIVATE_IP: 10.0,
    HandleKind.TARGET_GROUP: 5.0 + 2 * CHECK_INTERVAL_SECONDS,  # its longest registration, and a check that came too early
    HandleKind.ROUTE53_RECORD: 60.0 + TTL_SECONDS,  # its longest change
    HandleKind.HOOK: 0.0,
}
"""What a kind of handle may add to that."""
MEND_SECONDS = 2000.0


@dataclass
class Story:
    """What came of a run: `outages` of each agent by kind of handle in seconds, `movers` of handles as (call, caller)."""

    plans: tuple[AgentPlan, ...]
    moves: dict[str, int] = field(default_factory=dict)
    outages: list[dict[HandleKind, list[float]]] = field(default_factory=list)
    movers: set[tuple[str, str]] = field(default_factory=set)
    steps: list[tuple[str, str]] = field(default_factory=list)
    notifications: list[str] = field(default_factory=list)
    first_ends: list[float | None] = field(default_factory=list)
    """When the first instance of each agent was terminated, in seconds of the run."""

    def states(self, name: str) -> list[str]:
        """Return how the steps of a name ended."""
        return [status for step, status in self.steps if step == name]

    def look(self, fleet: Fleet) -> None:
        """Read everything off a fleet whose run is over."""
        traffic, raw = fleet.region.traffic, fleet.database.raw
        for member in fleet.members:
            pairs = zip(member.handles, member.fronts, strict=True)
            self.outages.append({handle.kind: [one.seconds for one in traffic.figures(front).outages] for handle, front in pairs})
            ended_at = fleet.region.machines.by_id[member.first_instance_id].terminated_at
            self.first_ends.append(None if ended_at is None else (ended_at - START).total_seconds())
        calls = [facts for _at, kind, facts in fleet.region.log.entries if kind == "api" and facts["action"] in MOVING]
        self.movers = {(str(one["action"]), str(one["caller"])) for one in calls if one["outcome"] == "ok" and one["caller"] != PERSON}
        self.steps = raw.execute("SELECT name, status FROM switch_steps").fetchall()
        self.notifications = [kind for (kind,) in raw.execute("SELECT kind FROM notifications").fetchall()]


def tell(
    *events: Event,
    has_control_role: bool = True,
    plans: tuple[AgentPlan, ...] = PLANS,
    eventful_seconds: float = 300.0,
    prepare: Callable[[Fleet], None] = lambda _fleet: None,
) -> Story:
    """Play events on a fleet."""
    be_silent()
    story = Story(plans)
    schedule = Schedule(seed=5, has_control_role=has_control_role, agents=plans, events=events, eventful_seconds=eventful_seconds)
    result = play(schedule, prepare=prepare, look_at_end=story.look)
    assert result.violations == ()
    story.moves = result.moves
    return story


def of_all(kind: Kind, **facts: float | str | bool) -> list[Event]:
    return [Event(610.0 + number, kind, number, facts) for number in range(len(PLANS))]


def assert_short(story: Story, kind: HandleKind) -> None:
    """Whoever asks through this kind of handle was without an answer once, and no longer than that kind explains."""
    for outages in story.outages:
        if kind in outages:
            assert len(outages[kind]) == 1
            assert outages[kind][0] <= STOP_TO_SERVE_SECONDS + LONGEST_SECONDS[kind]


@pytest.fixture(scope="module")
def planned() -> Story:
    return tell(*of_all(Kind.SWITCH, on_demand=False))


@pytest.fixture(scope="module")
def noticed() -> Story:
    """Daemons do everything: there is no control role."""
    return tell(*of_all(Kind.NOTICE, lead_seconds=120.0, action="terminate"), has_control_role=False)


@pytest.fixture(scope="module")
def undone() -> Story:
    """The workload does not start on the new side."""
    fails = [Event(605.0, Kind.START_FAILS, number, {"count": 1}) for number in range(len(PLANS))]
    return tell(*fails, *of_all(Kind.SWITCH, on_demand=False))


def test_a_planned_move_takes_every_handle_along(planned: Story) -> None:
    assert planned.moves == {"manual completed": len(PLANS)}
    assert planned.states("traffic") == ["done"] * sum(len(plan.handles) for plan in PLANS)
    assert planned.states("confirm") == ["done"] * 2 * len(CONFIRMED)
    assert "handle_not_confirmed" not in planned.notifications


@pytest.mark.parametrize("kind", HandleKind)
def test_a_planned_move_is_one_short_outage_through_each_handle(planned: Story, kind: HandleKind) -> None:
    assert_short(planned, kind)


def test_a_notice_takes_every_handle_along_without_a_control_role(noticed: Story) -> None:
    assert noticed.moves == {"notice completed": len(PLANS)}
    assert noticed.states("confirm") == ["done"] * 2 * len(CONFIRMED)
    assert ROLE not in {caller for _call, caller in noticed.movers}
    assert {call for call, _caller in noticed.movers} == MOVING


def test_an_undo_takes_every_handle_back(undone: Story) -> None:
    assert undone.moves == {"manual rolled_back": len(PLANS)}
    assert undone.states("traffic") == ["undone"] * sum(len(plan.handles) for plan in PLANS)
    assert undone.first_ends == [None] * len(PLANS)


def test_an_undone_move_of_a_record_reaches_clients_late(undone: Story) -> None:
    """Name servers may answer with the new address for a while after it was taken back, and resolvers keep what they were told."""
    outages = [seconds for of_agent in undone.outages for seconds in of_agent.get(HandleKind.ROUTE53_RECORD, [])]

    assert len(outages) > 2
    assert TTL_SECONDS <= max(outages) <= TTL_SECONDS + STOP_TO_SERVE_SECONDS


def test_the_control_role_moves_and_confirms_what_a_daemon_without_ec2_cannot() -> None:
    cut = Event(645.0, Kind.CUT_FROM_EC2, 0, {"for_seconds": 600.0, "is_new_side": True})

    story = tell(Event(610.0, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "terminate"}), cut, plans=(TOGETHER,))

    assert story.moves == {"notice completed": 1}
    assert {caller for _call, caller in story.movers} == {ROLE}
    assert {call for call, _caller in story.movers} >= MOVING - {"DeregisterTargets"}  # the old target went with its instance
    assert story.states("confirm") == ["done"] * len(CONFIRMED)


def spoil_target_group(fleet: Fleet, *, is_spoilt: bool) -> None:
    """Let the load balancer ask for a page that never existed, or for the right one."""
    arn = fleet.members[0].handles[0].setting["target_group_arn"]
    path = "/missing" if is_spoilt else "/health"
    fleet.region.client("elbv2", PERSON).modify_target_group(TargetGroupArn=arn, HealthCheckPath=path)


def spoil_hook(fleet: Fleet, *, is_spoilt: bool) -> None:
    """Let the check of the hook, which asks as a client does, get no answer, or one."""
    fleet.switches.unheard = {fleet.members[0].name} if is_spoilt else set()


@pytest.mark.parametrize(("kind", "spoil"), [(HandleKind.TARGET_GROUP, spoil_target_group), (HandleKind.HOOK, spoil_hook)])
def test_a_handle_by_which_the_new_side_is_not_reached_keeps_the_old_instance_until_a_person_mends_it(
    kind: HandleKind, spoil: Callable[..., None]
) -> None:
    plan = AgentPlan("stateless", True, True, False, (kind,))

    def prepare(fleet: Fleet) -> None:
        fleet.scheduler.after(605.0, lambda: spoil(fleet, is_spoilt=True))
        fleet.scheduler.after(MEND_SECONDS, lambda: spoil(fleet, is_spoilt=False))

    switch = Event(610.0, Kind.SWITCH, 0, {"on_demand": False})
    story = tell(switch, plans=(plan,), eventful_seconds=MEND_SECONDS - CALM_SECONDS, prepare=prepare)

    assert story.moves == {"manual completed": 1}
    assert "handle_not_confirmed" in story.notifications
    assert story.states("confirm") == ["done"]
    (ended_seconds,) = story.first_ends
    assert ended_seconds is not None
    assert ended_seconds > MEND_SECONDS
