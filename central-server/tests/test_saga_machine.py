"""Any sequence of requests, notices, failures and deaths around moves, on a real database: one serves at a time, and one in the end."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine, func, select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.machines import play_machine
from server_support.region import Machine
from server_support.story import ADDRESS, TYPES, ZONES, Story
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.tables import events
from spot_server.errors import ProductError, SwitchInProgress
from spot_server.features.switches.promotions import Accepted
from spot_server.words import Carry, CommandKind, InterruptionKind, ReplicaStatus, Role, SwitchStatus

pytestmark = pytest.mark.long

FAILING = (
    CommandKind.CREATE_IMAGE,
    CommandKind.LAUNCH_INSTANCE,
    CommandKind.STANDBY_CHECK,
    CommandKind.QUIESCE,
    CommandKind.DEMOTE,
    CommandKind.START_SERVING,
    CommandKind.MOVE_ADDRESS,
    CommandKind.DESCRIBE_INSTANCE,
    CommandKind.TERMINATE_INSTANCE,
    CommandKind.WAIT_TERMINATED,
)
CLASSES = ("throttled", "unreachable", "unexpected", "check_failed", "hook_failed", "not_authorized")
UNDONE_BY = (CommandKind.STANDBY_CHECK, CommandKind.QUIESCE, CommandKind.MOVE_ADDRESS, CommandKind.START_SERVING)
FINAL = ("check_failed", "hook_failed", "refused")
PLACES = tuple(f"{mode}/{kind}/{zone}" for mode in ("spot", "on_demand") for kind in TYPES for zone in ZONES)
CALM_SECONDS = 3 * 3600.0
"""After the last fault: more than the longest pause of a rescue that gave up, and all bounds of a move."""


class SagaMachine(RuleBasedStateMachine):
    """One agent in a region, and what people, EC2, daemons and processes do to it."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        super().__init__()
        self.story = Story.on(database, clock, has_image=True, terminate_wait_seconds=60)
        self.requests = 0

    @initialize(carry=st.sampled_from([Carry.STATELESS, Carry.RSYNC, Carry.IMAGE_AFTER_QUIESCE]))
    def the_state_comes_along(self, carry: Carry) -> None:
        self.story.set_agent(carry=carry)

    # What people ask for.

    @rule(mode=st.sampled_from(["spot", "on_demand"]))
    def a_person_asks_for_a_switch(self, mode: str) -> None:
        with suppress(ProductError):
            self.story.switch(self._request(), mode=mode)

    @rule()
    def two_people_ask_for_a_switch_at_the_same_moment(self) -> None:
        before = len(self.story.switches())
        results = at_once([partial(self.story.switch, self._request()) for _ in range(2)])

        begun = [result for result in results if not isinstance(result, ProductError)]
        assert len(begun) <= 1, results
        assert len(self.story.switches()) == before + len(begun)
        if begun:
            (other,) = (result for result in results if result is not begun[0])
            assert isinstance(other, SwitchInProgress)

    @rule(insists=st.integers(0, 4))
    def a_person_cancels(self, insists: int) -> None:
        active = self.story.active()
        if active is not None and insists == 0:  # now and then, or few moves would come to their end
            with suppress(ProductError):
                self.story.cancel(active)

    @rule(accepts_loss=st.booleans())
    def a_person_promotes(self, accepts_loss: bool) -> None:
        ready = [replica for replica in self.story.replicas() if replica.status is ReplicaStatus.READY]
        if ready:
            with suppress(ProductError):
                self.story.promote(ready[0].replica_id, self._request(), accepts=Accepted(loss=accepts_loss))

    @rule(wanted=st.booleans())
    def a_person_wants_a_standby(self, wanted: bool) -> None:
        self.story.set_agent(manual_replica_enabled=wanted)

    # What EC2 does.

    @rule(kind=st.sampled_from([InterruptionKind.TERMINATE, InterruptionKind.REBALANCE]), lead_seconds=st.sampled_from([20.0, 120.0]))
    def a_notice_comes(self, kind: InterruptionKind, lead_seconds: float) -> None:
        primary = self._primary()
        if primary is not None and primary.is_heard and primary.taken_away_at is None:
            with suppress(ProductError):
                self.story.notice(primary.instance_id, kind, lead_seconds=lead_seconds)

    @rule(place=st.sampled_from(PLACES), is_empty=st.booleans())
    def a_pool_runs_dry_or_fills_up(self, place: str, is_empty: bool) -> None:
        self.story.region.refused_places.pop(place, None)
        if is_empty:
            self.story.region.refuse(place)

    @rule(is_slow=st.booleans())
    def terminations_take_their_time(self, is_slow: bool) -> None:
        self.story.region.slow_termination = is_slow

    @precondition(lambda self: len(self._replicas_alive()) > 0)
    @rule()
    def a_replica_is_lost(self) -> None:
        self.story.region.lose(self._replicas_alive()[0].instance_id)

    # What daemons do.

    @rule(kind=st.sampled_from(FAILING), error_class=st.sampled_from(CLASSES), times=st.integers(1, 3))
    def an_act_fails(self, kind: CommandKind, error_class: str, times: int) -> None:
        self.story.region.fail(kind, error_class, times=times)

    @rule(kind=st.sampled_from(UNDONE_BY), error_class=st.sampled_from(FINAL), is_switch=st.booleans())
    def a_move_must_be_taken_back(self, kind: CommandKind, error_class: str, is_switch: bool) -> None:
        """Something of the handover fails for good while a move is under way, or is about to be."""
        self.story.region.fail(kind, error_class)
        if is_switch:
            with suppress(ProductError):
                self.story.switch(self._request(), mode="spot")
        self.story.passes(20, until=lambda: not self._is_ordered(kind))

    @rule(kind=st.sampled_from(FAILING), takes_effect=st.booleans())
    def an_answer_is_lost(self, kind: CommandKind, takes_effect: bool) -> None:
        self.story.region.fail(kind, None, takes_effect=takes_effect)

    @rule(is_there=st.booleans(), number=st.integers(0, 3))
    def a_daemon_dies_or_comes_back(self, is_there: bool, number: int) -> None:
        machines = [machine for machine in self.story.region.machines.values() if machine.state == "running"]
        if machines:
            machines[number % len(machines)].has_daemon = is_there

    # Time, and processes beside one another.

    @rule(seconds=st.sampled_from([2.0, 4.0, 10.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.story.passes(seconds)

    @rule()
    def two_sweeps_run_at_the_same_moment(self) -> None:
        self.story.clock.advance(1)
        at_once([self.story.sweep, self.story.sweep])

    @invariant()
    def the_world_keeps_its_rules(self) -> None:
        assert self.story.region.violations == []
        assert list(self.story.roles.values()).count(Role.PRIMARY) <= 1
        assert self.story.agent.epoch == 1 + self._count("promoted")

    @invariant()
    def nothing_acknowledged_is_lost_without_a_word(self) -> None:
        """By a move that was taken back although its new side served under its epoch."""
        for switch in self.story.switches():
            new = self.story.region.machines.get(switch.to_instance_id or "")
            has_served = new is not None and switch.epoch_after is not None and new.served_epoch == switch.epoch_after
            if switch.status is SwitchStatus.ROLLED_BACK and switch.carry is not Carry.STATELESS and has_served:
                assert switch.loses_writes_since is not None

    def teardown(self) -> None:
        """Nothing fails any more: the workload serves on one instance, and nothing else is left but a standby."""
        region = self.story.region
        region.failures.clear()
        region.refused_places.clear()
        region.slow_termination = False
        for machine in region.machines.values():
            machine.has_daemon = True
        was_somebody_there = any(machine.is_heard for machine in region.machines.values())
        self.story.passes(60)
        self.story.settles(CALM_SECONDS, step_seconds=10.0)
        self.story.passes(120, step_seconds=10.0)

        self.the_world_keeps_its_rules()
        if was_somebody_there and self._somebody_could_act():
            self._is_whole()

    def _is_whole(self) -> None:
        region = self.story.region
        primary = self._primary()
        assert primary is not None
        assert region.serving == [primary.instance_id], self.story.roles
        assert region.address_of[ADDRESS] == primary.instance_id
        ready = {replica.instance_id for replica in self.story.replicas() if replica.status is ReplicaStatus.READY}
        running = {machine.instance_id for machine in region.machines.values() if machine.state == "running"}
        assert running - ready == {primary.instance_id}

    def _somebody_could_act(self) -> bool:
        """Without a control role, an agent whose instances are all gone has nobody left to launch one: a person is told."""
        return any(machine.is_heard for machine in self.story.region.machines.values())

    def _is_ordered(self, kind: CommandKind) -> bool:
        return any(failure.kind is kind and failure.times > 0 for failure in self.story.region.failures)

    def _request(self) -> str:
        self.requests += 1
        return f"request-{self.requests}"

    def _primary(self) -> Machine | None:
        primaries = [instance_id for instance_id, role in self.story.roles.items() if role == Role.PRIMARY]
        return self.story.region.machines[primaries[0]] if primaries else None

    def _replicas_alive(self) -> list[Machine]:
        replicas = [instance_id for instance_id, role in self.story.roles.items() if role == Role.REPLICA]
        machines = [self.story.region.machines[instance_id] for instance_id in replicas]
        return [machine for machine in machines if machine.state == "running"]

    def _count(self, kind: str) -> int:
        mine = select(func.count()).select_from(events).where(events.c.agent_id == self.story.agent_id, events.c.kind == kind)
        count: int = self.story.fleet.scalars(mine)[0]
        return count


def test_whatever_happens_around_moves_one_serves_at_a_time_and_in_the_end_one_does(engine: Engine, clock: FakeClock) -> None:
    """Waiting for a lock takes real time here; everything else happens on the fake clock."""
    database = Database(engine, clock=clock, sleeper=SystemClock())
    play_machine(engine, lambda: SagaMachine(database, clock), histories=6, steps=30)
