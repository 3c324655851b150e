"""The product on a virtual clock: runs repeat, leaving quiet turns out changes no history, and each invariant can be broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from spot_server.features.replicas.coordinating import SURPLUS
from spot_simulator.machine import Machine
from spot_simulator.virtual.entropy import seeded_entropy
from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.invariants import Invariants
from spot_simulator.virtual.run import Result, play
from spot_simulator.virtual.schedule import AFTER_SECONDS, AT_STEP, IS_UNDO, AgentPlan, Event, Kind, Schedule
from spot_simulator.virtual.silence import be_silent
from spot_simulator.virtual.ways import Leaves

pytestmark = pytest.mark.long

PLAN = AgentPlan(carry="stateless", is_on_spot=True, is_auto_terminated=True, keeps_standby=False)
EVENTS = (
    Event(610.0, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "terminate"}),
    Event(615.0, Kind.KILL_JOBS),
    Event(640.0, Kind.SWITCH, 1, {"on_demand": False}),
    Event(700.0, Kind.CUT_FROM_SERVER, 1, {"for_seconds": 40.0, "is_new_side": False}),
)
SCHEDULE = Schedule(seed=1, has_control_role=False, agents=(PLAN, PLAN), events=EVENTS, eventful_seconds=300.0)


@pytest.fixture(autouse=True)
def silent() -> None:
    be_silent()


@pytest.fixture(scope="module")
def result() -> Result:
    be_silent()
    return play(SCHEDULE)


def test_a_notice_and_a_switch_are_carried_out_and_judged(result: Result) -> None:
    assert result.violations == ()
    assert result.moves == {"manual completed": 1, "notice completed": 1}
    (answer,) = result.figures.answers
    assert answer.detection is not None
    assert answer.detection < 5
    assert (answer.is_ready, answer.traffic is not None) == (False, True)
    assert set(result.figures.downtimes) == {"notice stateless", "manual stateless"}
    assert result.met == {("manual", "image", "cut_from_server"): 1, ("notice", "boot", "kill_jobs"): 1}
    assert result.agent_hours == pytest.approx(2 * result.simulated_seconds / 3600)


def test_a_schedule_gives_the_same_run_again(result: Result) -> None:
    assert play(SCHEDULE) == result


def lone(lead_seconds: float, action: str = "terminate") -> Result:
    """One agent without a standby, whose new instance is ready 112 s after the notice."""
    event = Event(610.0, Kind.NOTICE, 0, {"lead_seconds": lead_seconds, "action": action})
    return play(replace(SCHEDULE, agents=(PLAN,), events=(event,)))


def test_nobody_waits_for_the_end_of_an_instance_that_said_in_its_last_seconds_that_it_had_stopped() -> None:
    """Its replica is ready two seconds after that end, while EC2 still says `shutting-down`."""
    result = lone(110.0)

    settled = {happening.what.removeprefix("agent-0 notice "): happening.at_seconds for happening in result.history}
    (answer,) = result.figures.answers
    assert result.violations == ()
    assert settled["quiesce 0 done 1"] == pytest.approx(610 + 110 - 3, abs=1.5)
    assert settled["fence 0 skipped 0"] == pytest.approx(settled["boot 0 done 0"], abs=0.5)
    assert answer.beyond is not None
    assert answer.beyond < 10


def test_a_hibernation_leaves_its_daemon_no_time_to_tell_and_is_counted_by_itself() -> None:
    result = lone(120.0, "hibernate")

    (answer,) = result.figures.answers
    assert answer.is_hibernation
    assert answer.detection is None or answer.detection > 2
    assert result.violations == ()


REBALANCED = (
    Event(605.0, Kind.STANDBY_AND_PROMOTE, 0, {"promote_after_seconds": 200.0}),
    Event(640.0, Kind.REBALANCE_THEN_NOTICE, 1, {"lead_seconds": 120.0, "notice_after_seconds": 100.0}),
    Event(700.0, Kind.KILL_DAEMON, 0, {"is_new_side": True}),
)


@pytest.mark.parametrize("events", [EVENTS, REBALANCED])
def test_leaving_out_looks_that_come_to_nothing_changes_no_history(events: tuple[Event, ...]) -> None:
    """Times may differ by a request's latency, for one that was left out drew none, and by a second where a sweep's turn lies between."""
    schedule = replace(SCHEDULE, events=events)

    short, whole = play(schedule), play(schedule, leaves_out=Leaves.TURNS)

    assert [happening.what for happening in short.history] == [happening.what for happening in whole.history]
    assert [happening.at_seconds for happening in short.history] == pytest.approx(
        [happening.at_seconds for happening in whole.history], abs=1.5
    )
    assert (short.moves, short.violations, short.simulated_seconds) == (whole.moves, (), whole.simulated_seconds)
    assert whole.callbacks > 2 * short.callbacks


def test_leaving_quiet_turns_of_daemons_out_changes_no_history() -> None:
    turns, whole = play(SCHEDULE, leaves_out=Leaves.TURNS), play(SCHEDULE, leaves_out=Leaves.NOTHING)

    assert (whole.moves, whole.violations) == (turns.moves, turns.violations)
    (answer,), (answer_of_whole,) = turns.figures.answers, whole.figures.answers
    assert answer.detection == pytest.approx(answer_of_whole.detection, abs=2.0)
    assert answer.traffic == pytest.approx(answer_of_whole.traffic, rel=0.1, abs=5.0)
    assert set(turns.figures.downtimes) == set(whole.figures.downtimes)
    for name, seconds in turns.figures.downtimes.items():
        assert sum(seconds) == pytest.approx(sum(whole.figures.downtimes[name]), rel=0.25, abs=5.0)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with seeded_entropy(3):
        put_up = Fleet(3, (AgentPlan("stateless", True, False, False),), has_control_role=False)
        put_up.scheduler.run_until(300.0)
        yield put_up
        put_up.close()


@pytest.fixture
def primary(fleet: Fleet) -> Machine:
    return fleet.region.machines.by_id[fleet.members[0].first_instance_id]


def broken(invariants: Invariants) -> set[str]:
    return {violation.invariant for violation in invariants.finally_()}


def test_a_fleet_at_rest_breaks_nothing(fleet: Fleet) -> None:
    assert broken(Invariants(fleet)) == set()
    assert Invariants(fleet).unserved() == []


def test_two_that_accept_writes_are_seen(fleet: Fleet, primary: Machine) -> None:
    acceptor = fleet.region.traffic.acceptor(primary.private_ip)
    other = launched(fleet, primary)
    assert acceptor is not None
    fleet.region.traffic.begin_accepting(other.private_ip, Beside(other.instance_id))

    assert "one-serves" in broken(Invariants(fleet))


def test_an_instance_in_no_book_is_seen(fleet: Fleet, primary: Machine) -> None:
    launched(fleet, primary)

    assert broken(Invariants(fleet)) == {"nothing-without-an-owner"}


def test_the_end_of_one_that_holds_the_address_and_was_to_be_kept_is_seen(fleet: Fleet, primary: Machine) -> None:
    invariants = Invariants(fleet)
    invariants.always()
    fleet.region.ec2_client("person").terminate_instances(InstanceIds=[primary.instance_id])

    found = {violation.invariant for violation in invariants.always()}

    assert found == {"nothing-terminated-that-holds-a-handle", "auto-terminate-off-is-obeyed"}


_ASKED_FOR_ITS_END = """
    INSERT INTO commands (command_id, client_id, agent_id, instance_id, request_id, kind, actor, priority, epoch, payload, payload_sha256,
                          status, issued_at, delivery_count)
    SELECT 'one', client_id, agent_id, ?1, ?2, 'terminate_instance', 'daemon', 0, 1, json_object('instance_id', ?1), '', 'succeeded', '', 1
    FROM agents
"""


@pytest.mark.parametrize(("request_id", "is_wrong"), [("switch/one/start/undo/2", False), ("terminate_instance/one/1", True)])
def test_the_fence_may_fall_on_a_new_side_that_holds_the_address_and_does_not_serve(
    fleet: Fleet, primary: Machine, request_id: str, is_wrong: bool
) -> None:
    client, other = fleet.region.ec2_client("person"), launched(fleet, primary)
    fleet.scheduler.run_until(340.0)  # it runs, and has not booted
    allocation_id = client.describe_addresses()["Addresses"][0]["AllocationId"]
    client.associate_address(AllocationId=allocation_id, InstanceId=other.instance_id, AllowReassociation=True)
    invariants = Invariants(fleet)
    invariants.always()
    fleet.database.raw.execute(_ASKED_FOR_ITS_END, (other.instance_id, request_id))

    client.terminate_instances(InstanceIds=[other.instance_id])

    found = {violation.invariant for violation in invariants.always()}
    assert ("nothing-terminated-that-holds-a-handle" in found) is is_wrong


def test_a_loss_is_no_wrong_end_but_whom_nobody_can_help_a_person_must_be_told_of(fleet: Fleet, primary: Machine) -> None:
    invariants = Invariants(fleet)
    invariants.always()
    fleet.region.control.lose(primary.instance_id)

    assert invariants.always() == []
    assert invariants.beyond_help() == ["agent-0"]
    assert broken(invariants) == {"told-when-nobody-can-help"}


def test_who_could_still_be_helped_must_be_served(fleet: Fleet, primary: Machine) -> None:
    invariants = Invariants(fleet)
    launched(fleet, primary)
    fleet.region.control.lose(primary.instance_id)

    assert (invariants.beyond_help(), invariants.unserved()) == ([], ["agent-0"])
    assert {"served-in-the-end", "reached-in-the-end"} <= broken(invariants)


@pytest.mark.parametrize(
    ("statement", "invariant"),
    [
        ("UPDATE agents SET epoch = -1", "epochs-rise"),
        ("UPDATE instances SET primary_of = NULL", "book-knows-who-serves"),
        ("UPDATE instances SET role = 'TERMINATED'", "what-is-billed-is-known"),
    ],
)
def test_a_book_that_goes_wrong_is_seen(fleet: Fleet, statement: str, invariant: str) -> None:
    invariants = Invariants(fleet)
    invariants.always()
    fleet.database.raw.execute(statement)

    assert broken(invariants) == {invariant}


def test_a_promise_that_was_forgotten_is_seen(fleet: Fleet) -> None:
    fleet.operator.acknowledge("switch", "none-such")

    assert broken(Invariants(fleet)) == {"acknowledged-is-there"}


class Beside:
    """A workload that should not be there."""

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id

    def hold(self, public_ip: str, first: int, last: int) -> None:
        del public_ip, first, last


def launched(fleet: Fleet, like: Machine) -> Machine:
    """Let a person launch one more instance of the agent, behind the product's back, and look at it at once."""
    client = fleet.region.ec2_client("person")
    image = fleet.region.control.base_image("bare", env_file="")
    tags = [{"Key": key, "Value": value} for key, value in fleet.region.books.tags(like.instance_id).items()]
    answer = client.run_instances(
        ImageId=image.image_id,
        InstanceType=like.instance_type,
        MinCount=1,
        MaxCount=1,
        SubnetId=client.describe_subnets()["Subnets"][0]["SubnetId"],
        MetadataOptions={"HttpTokens": "required"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return fleet.region.machines.by_id[answer["Instances"][0]["InstanceId"]]


AIMED = Event(610.0, Kind.KILL_WEB, 0, {AT_STEP: "traffic"})
NEVER_MET = Event(610.0, Kind.KILL_WEB, 0, {AT_STEP: "receiver"})


def test_a_fault_that_is_aimed_strikes_when_its_step_begins_and_not_at_all_when_it_never_does() -> None:
    played = play(replace(SCHEDULE, agents=(PLAN,), events=(EVENTS[0], AIMED, NEVER_MET)))

    assert played.faults == 1
    assert played.met["notice", "traffic", "kill_web"] == 1


def test_a_ready_standby_that_is_given_up_for_none_is_seen(fleet: Fleet) -> None:
    fleet.operator.begin(lambda: keep_a_standby(fleet))
    fleet.scheduler.run_until(700.0)
    invariants = Invariants(fleet)
    assert invariants.always() == []
    fleet.database.raw.execute("UPDATE replica_instances SET status = 'terminated', status_reason = ? WHERE status = 'ready'", (SURPLUS,))

    assert {violation.invariant for violation in invariants.always()} == {"ready-standby-is-kept"}


def keep_a_standby(fleet: Fleet) -> None:
    body = {"request_id": "keep", "manual_replica_enabled": True, "replica_count": 1}
    fleet.operator.post(f"/agents/{fleet.agent_id(fleet.members[0])}/config", body)


def test_what_needs_a_daemon_that_is_heard_is_not_left_out_of_a_quiet_hour() -> None:
    with seeded_entropy(4):
        fleet = Fleet(4, (AgentPlan("image_after_quiesce", True, True, False),), has_control_role=False)
        fleet.scheduler.run_until(900.0)
        asked = [facts for _, kind, facts in fleet.region.log.entries if kind == "api" and facts["action"] == "CreateImage"]
        fleet.close()

    assert len(asked) == 1


BACK_AND_FORTH = (Event(610.0, Kind.SWITCH_AND_ROLL_BACK, 0, {"on_demand": False}),)
MET_ON_THE_WAY_BACK = (
    Event(605.0, Kind.SWITCH, 0, {"on_demand": False}),
    Event(605.0, Kind.START_FAILS, 0, {"count": 6}),
    Event(605.0, Kind.KILL_WEB, 0, {AT_STEP: "promote", IS_UNDO: True}),
    Event(605.0, Kind.KILL_DAEMON, 0, {AT_STEP: "boot", AFTER_SECONDS: 10.0, "is_new_side": False}),
)


def test_a_move_that_is_rolled_back_leaves_nothing_under_way() -> None:
    played = play(replace(SCHEDULE, agents=(PLAN,), events=BACK_AND_FORTH, eventful_seconds=1200.0))

    assert played.moves == {"manual completed": 1, "rollback completed": 1}
    assert played.violations == ()
    assert played.simulated_seconds < 5000.0


def test_faults_meet_steps_that_are_taken_back_and_those_that_only_wait() -> None:
    played = play(replace(SCHEDULE, agents=(PLAN,), events=MET_ON_THE_WAY_BACK, eventful_seconds=1200.0))

    assert played.moves == {"manual rolled_back": 1}
    assert (played.aimed, played.missed, played.violations) == (2, (), ())
    assert played.met["manual", "undo promote", "kill_web"] == 1
    assert played.met["manual", "boot", "kill_daemon"] == 1


def test_a_new_side_that_does_not_answer_while_it_is_taken_back_is_ended_before_the_old_one_serves_again() -> None:
    """Drawn with seed 73. The address leads to it until then: that is the fence, and no wrong end."""
    fails = Event(605.0, Kind.START_FAILS, 0, {"count": 6})
    cut = Event(605.0, Kind.CUT_FROM_SERVER, 0, {"for_seconds": 54.9, "is_new_side": True, AT_STEP: "start", IS_UNDO: True})
    events = (Event(605.0, Kind.SWITCH, 0, {"on_demand": False}), fails, cut)

    played = play(replace(SCHEDULE, has_control_role=True, agents=(PLAN,), events=events, eventful_seconds=1200.0))

    assert played.violations == ()
    assert played.moves == {"manual rolled_back": 1}
    assert "agent-0 terminate_instance control_role succeeded" in [happening.what for happening in played.history]


@pytest.mark.parametrize("blow", ["fail_before", "fail_after", "die_before"])
def test_a_blow_that_is_aimed_falls_on_the_transaction_that_begins_the_step(blow: str) -> None:
    aimed = Event(605.0, Kind.TRANSACTION_BLOW, 0, {"blow": blow, "process": "", "skip": 0, AT_STEP: "promote"})
    seen: list[str] = []

    def watch(fleet: Fleet) -> None:
        fleet.database.watch.heed("switch_steps", lambda: seen.extend(_promoted_in(fleet)))

    played = play(replace(SCHEDULE, agents=(PLAN,), events=(EVENTS[0], aimed)), prepare=watch)

    assert played.met["notice", "promote", "transaction_blow"] == 1
    assert (played.violations, played.missed, played.moves) == ((), (), {"notice completed": 1})
    # What was rolled back is done once more: the same transaction saw the step taken, and so did the one after it.
    assert len(set(seen)) == (1 if blow == "fail_after" else 2)


def _promoted_in(fleet: Fleet) -> list[str]:
    """Return when the promotion was, as the transaction that makes it sees it."""
    rows = fleet.database.raw.execute("SELECT finished_at FROM switch_steps WHERE name = 'promote' AND status = 'done'")
    return [str(row[0]) for row in rows]


def test_a_fault_that_finds_nobody_is_none() -> None:
    aimed = Event(605.0, Kind.KILL_DAEMON, 0, {"is_new_side": False, AT_STEP: "launch"})
    lost = Event(610.0, Kind.LOSS, 0)
    played = play(replace(SCHEDULE, has_control_role=True, agents=(replace(PLAN, is_on_spot=False),), events=(lost, aimed)))

    assert (played.faults, played.missed) == (0, ("launch: kill_daemon",))
    assert played.met == {}


def test_a_cut_meets_no_step_after_its_instance_has_gone() -> None:
    cut = Event(605.0, Kind.CUT_FROM_EC2, 0, {"for_seconds": 600.0, "is_new_side": False})
    lost = Event(610.0, Kind.LOSS, 0)
    played = play(replace(SCHEDULE, has_control_role=True, agents=(replace(PLAN, is_on_spot=False),), events=(cut, lost)))

    assert (played.faults, played.moves) == (1, {"failover completed": 1})
    assert played.met == {}
