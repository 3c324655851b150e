"""What the kinds of events do to a fleet."""

from __future__ import annotations

import random
from collections.abc import Callable

from spot_simulator.machine import Machine, MetadataFault, NoticeAction, State
from spot_simulator.model.capacity import Mode
from spot_simulator.model.faults import Fault, Mishap
from spot_simulator.virtual.daemon_program import DAEMON
from spot_simulator.virtual.database import Blow
from spot_simulator.virtual.fleet import INSTANCE_TYPES, TAG_AGENT, Fleet, Member
from spot_simulator.virtual.gateway import ROLE
from spot_simulator.virtual.image_losses import deregister_newest, images_of
from spot_simulator.virtual.network import Weather
from spot_simulator.virtual.people import People
from spot_simulator.virtual.schedule import OF_ONE_INSTANCE, OF_ZONE, Event, Kind
from spot_simulator.virtual.server_side import JOBS, WEB
from spot_simulator.virtual.slow_ec2 import EC2
from spot_simulator.virtual.table_watch import EC2 as EC2_SAYS
from spot_simulator.virtual.table_watch import WEATHER
from spot_simulator.virtual.web_host import SERVER

UP = frozenset({State.PENDING, State.RUNNING})
LOOK_AGAIN_SECONDS = 60.0
THROTTLED = "RequestLimitExceeded"


class Acts:
    """Carries events out. What finds nothing to act on (no instance of that agent is up, say) does nothing."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        """`seed` decides what an event leaves open, such as which pools are empty."""
        self._fleet = fleet
        self._random = random.Random(f"acts-{seed}")
        self.done: list[str] = []
        self._by_kind: dict[Kind, Callable[[Event, Member], None]] = {
            **People(fleet, self._primary).by_kind,
            Kind.NOTICE: self._notice,
            Kind.REBALANCE: self._rebalance,
            Kind.REBALANCE_THEN_NOTICE: self._rebalance_then_notice,
            Kind.LOSS: self._loss,
            Kind.POOL_LOSS: self._pool_loss,
            Kind.REBOOT: self._reboot,
            Kind.START_AGAIN: lambda _event, member: self._start_again(member),
            Kind.NO_CAPACITY: self._no_capacity,
            Kind.THROTTLE: self._throttle,
            Kind.LOST_ANSWER: self._lost_answer,
            Kind.SLOW_TO_SEE: self._slow_to_see,
            Kind.IMAGE_GONE: lambda event, member: deregister_newest(fleet, member, int(event.facts["count"])),
            Kind.KILL_DAEMON: self._kill_daemon,
            Kind.KILL_WEB: lambda _event, _member: fleet.server.kill(self._random.choice(WEB)),
            Kind.KILL_JOBS: lambda _event, _member: fleet.server.kill(self._random.choice(JOBS)),
            Kind.JOURNAL_BLOW: self._journal_blow,
            Kind.SERVER_AWAY: self._server_away,
            Kind.DATABASE_AWAY: self._database_away,
            Kind.TRANSACTION_BLOW: self._transaction_blow,
            Kind.CUT_FROM_SERVER: lambda event, member: self._cut(event, self._side(event, member), SERVER),
            Kind.CUT_FROM_EC2: lambda event, member: self._cut(event, self._side(event, member), EC2),
            Kind.ROLE_CUT_FROM_EC2: lambda event, _member: self._cut(event, ROLE, EC2),
            Kind.BAD_NETWORK: self._bad_network,
            Kind.CLOCK_SKEW: self._clock_skew,
            Kind.METADATA_FAULT: self._metadata_fault,
            Kind.START_FAILS: self._start_fails,
        }

    def begin(self, event: Event) -> None:
        """Let it happen now."""
        member = self._fleet.members[(event.agent or 0) % len(self._fleet.members)]
        self._by_kind[event.kind](event, member)
        self._fleet.database.watch.touch(EC2_SAYS | WEATHER)

    def finds_somebody(self, event: Event) -> bool:
        """Tell whether a fault would strike anybody now: an agent without an instance has no daemon to kill, and nothing to cut off."""
        member = self._fleet.members[(event.agent or 0) % len(self._fleet.members)]
        if event.kind is Kind.ROLE_CUT_FROM_EC2:
            return self._fleet.has_control_role
        if event.kind is Kind.IMAGE_GONE:
            return bool(images_of(self._fleet, member))
        machine = self.victim(event)
        if event.kind is Kind.KILL_DAEMON:
            return machine is not None and self._fleet.region.init.status(machine, DAEMON).pid is not None
        return event.kind not in OF_ONE_INSTANCE or machine is not None

    def victim(self, event: Event) -> Machine | None:
        """Return the instance that a fault of one instance would strike now; None: there is none, or the fault is of another kind."""
        member = self._fleet.members[(event.agent or 0) % len(self._fleet.members)]
        return self._machine(event, member) if event.kind in OF_ONE_INSTANCE else None

    def mend(self) -> None:
        """Take back every disturbance that still lasts."""
        fleet = self._fleet
        fleet.network.weather = Weather()
        fleet.network.mend_all()
        fleet.server.come_up()
        fleet.server.database.is_away = False
        fleet.server.database.blow = None
        fleet.server.set_skew(0.0)
        fleet.journal_blow = lambda _name: None
        fleet.skews.clear()
        fleet.region.control.clear_faults()
        fleet.region.control.set_launch_visibility(0.0)
        fleet.region.capacity.fill_all()
        for machine in fleet.region.machines.by_id.values():
            machine.metadata_fault = MetadataFault.NONE
        fleet.database.watch.touch(EC2_SAYS | WEATHER)

    # --- EC2's doings

    def _notice(self, event: Event, member: Member) -> None:
        machine = self._primary(member)
        if machine is not None and machine.mode is Mode.SPOT and machine.notice is None:
            action = NoticeAction(str(event.facts.get("action", "terminate")))
            self._fleet.region.control.notice(machine.instance_id, action, float(event.facts["lead_seconds"]))

    def _rebalance(self, event: Event, member: Member) -> None:
        machine = self._primary(member)
        if machine is not None and machine.mode is Mode.SPOT:
            self._fleet.region.control.rebalance(machine.instance_id)

    def _rebalance_then_notice(self, event: Event, member: Member) -> None:
        machine = self._primary(member)
        if machine is None or machine.mode is not Mode.SPOT:
            return
        self._fleet.region.control.rebalance(machine.instance_id)

        def notice() -> None:
            if machine.state is State.RUNNING and machine.notice is None:
                self._fleet.region.control.notice(machine.instance_id, NoticeAction.TERMINATE, float(event.facts["lead_seconds"]))

        self._fleet.scheduler.after(float(event.facts["notice_after_seconds"]), notice)

    def _loss(self, event: Event, member: Member) -> None:
        machine = self._primary(member)
        if machine is not None:
            self._fleet.region.control.lose(machine.instance_id)

    def _pool_loss(self, event: Event, member: Member) -> None:
        """All spot instances of one pool at once, and the pool is empty for a while."""
        first = self._primary(member)
        if first is None or first.mode is not Mode.SPOT:
            return
        pool = (first.instance_type, first.az_id)
        for machine in list(self._fleet.region.machines.by_id.values()):
            if machine.state in UP and machine.mode is Mode.SPOT and (machine.instance_type, machine.az_id) == pool:
                self._fleet.region.control.lose(machine.instance_id)
        self._empty([pool], Mode.SPOT, 1200.0)

    def _reboot(self, event: Event, member: Member) -> None:
        machine = self._primary(member)
        if machine is not None and machine.state is State.RUNNING:
            self._fleet.region.control.reboot(machine.instance_id)

    def _start_again(self, member: Member) -> None:
        """EC2 has capacity again for what it stopped; by then the server is there, for without it nothing is promised (known gap 9)."""
        fleet = self._fleet
        stopped = [machine for machine in self._machines_of(member) if machine.state is State.STOPPED]
        if any(fleet.network.is_cut(machine.instance_id, SERVER) for machine in stopped) or not fleet.server.is_whole:
            fleet.scheduler.after(LOOK_AGAIN_SECONDS, lambda: self._start_again(member))
            return
        for machine in stopped:
            fleet.region.machines.start(machine)

    # --- EC2's API

    def _no_capacity(self, event: Event, member: Member) -> None:
        zones = list(self._fleet.region.books.az_ids().values())
        pools = [(name, zone) for name in INSTANCE_TYPES for zone in zones]
        primary = self._primary(member) if event.facts.get(OF_ZONE) else None
        if primary is not None:
            chosen = [(name, zone) for name, zone in pools if zone == primary.az_id]
        else:
            chosen = self._random.sample(pools, min(len(pools), int(event.facts["pools"])))
        self._empty(chosen, Mode.SPOT, float(event.facts["for_seconds"]))
        if event.facts["on_demand"]:
            self._empty(chosen, Mode.ON_DEMAND, float(event.facts["for_seconds"]))

    def _empty(self, pools: list[tuple[str, str]], mode: Mode, for_seconds: float) -> None:
        control = self._fleet.region.control
        for name, zone in pools:
            control.set_capacity(name, zone, mode, is_available=False)
            self._fleet.scheduler.after(for_seconds, lambda name=name, zone=zone: control.set_capacity(name, zone, mode, is_available=True))  # type: ignore[misc]

    def _throttle(self, event: Event, member: Member) -> None:
        self._fleet.region.control.add_fault(Fault(str(event.facts["action"]), Mishap.REFUSED, THROTTLED, int(event.facts["count"])))

    def _lost_answer(self, event: Event, member: Member) -> None:
        self._fleet.region.control.add_fault(Fault(str(event.facts["action"]), Mishap.ANSWER_CUT, remaining=int(event.facts["count"])))

    def _slow_to_see(self, event: Event, member: Member) -> None:
        control = self._fleet.region.control
        control.set_launch_visibility(float(event.facts["visible_after_seconds"]))
        self._fleet.scheduler.after(float(event.facts["for_seconds"]), lambda: control.set_launch_visibility(0.0))

    # --- processes, database, network, clocks

    def _kill_daemon(self, event: Event, member: Member) -> None:
        machine = self._machine(event, member)
        if machine is not None and self._fleet.region.init.status(machine, DAEMON).pid is not None:
            self._fleet.region.control.kill_service(machine.instance_id, DAEMON)

    def _journal_blow(self, event: Event, member: Member) -> None:
        self._fleet.journal_blow = _once(self._prefixes(member), int(event.facts["skip"]), str(event.facts["blow"]))

    def _prefixes(self, member: Member) -> tuple[str, ...]:
        return tuple(f"{DAEMON}/{machine.instance_id}" for machine in self._machines(member))

    def _server_away(self, event: Event, member: Member) -> None:
        """Dead, or out of everybody's reach: then its jobs go on, and whoever has a control role acts in EC2."""
        server, network = self._fleet.server, self._fleet.network
        back: Callable[[], None] = server.come_up if event.facts["is_dead"] else lambda: network.rejoin(SERVER)
        if event.facts["is_dead"]:
            server.go_down()
        else:
            network.isolate(SERVER)
        self._fleet.scheduler.after(float(event.facts["for_seconds"]), back)

    def _database_away(self, event: Event, member: Member) -> None:
        database = self._fleet.server.database
        database.is_away = True

        def back() -> None:
            database.is_away = False

        self._fleet.scheduler.after(float(event.facts["for_seconds"]), back)

    def _transaction_blow(self, event: Event, member: Member) -> None:
        strike, database = _once((str(event.facts["process"]),), int(event.facts["skip"]), str(event.facts["blow"])), self._fleet.database

        def blow(name: str) -> Blow | None:
            struck = strike(name)
            if struck is None:
                return None
            database.blow = None
            return Blow(struck)

        database.blow = blow

    def _cut(self, event: Event, one: str | None, other: str) -> None:
        if one is None:
            return
        network = self._fleet.network
        network.cut(one, other)
        self._fleet.scheduler.after(float(event.facts["for_seconds"]), lambda: network.mend(one, other))

    def _bad_network(self, event: Event, member: Member) -> None:
        facts, network = event.facts, self._fleet.network
        network.weather = Weather(0.001, float(facts["most_seconds"]), float(facts["loss"]), float(facts["double"]))

        def clear() -> None:
            network.weather = Weather()

        self._fleet.scheduler.after(float(facts["for_seconds"]), clear)

    def _clock_skew(self, event: Event, member: Member) -> None:
        """A clock that is set wrong, and right again. Daemons have the time that it was when they started."""
        fleet, skew_seconds = self._fleet, float(event.facts["skew_seconds"])
        instance_ids = [machine.instance_id for machine in self._machines(member)]
        if event.facts["is_server"]:
            fleet.server.set_skew(skew_seconds)
        else:
            fleet.skews.update(dict.fromkeys(instance_ids, skew_seconds))

        def set_right() -> None:
            if event.facts["is_server"]:
                fleet.server.set_skew(0.0)
            for instance_id in instance_ids:
                fleet.skews.pop(instance_id, None)

        fleet.scheduler.after(float(event.facts["for_seconds"]), set_right)

    def _metadata_fault(self, event: Event, member: Member) -> None:
        machine = self._primary(member)
        if machine is None:
            return
        control = self._fleet.region.control
        control.set_metadata_fault(machine.instance_id, MetadataFault(str(event.facts["mode"])))
        for_seconds = float(event.facts["for_seconds"])
        self._fleet.scheduler.after(for_seconds, lambda: control.set_metadata_fault(machine.instance_id, MetadataFault.NONE))

    def _start_fails(self, event: Event, member: Member) -> None:
        self._fleet.region.control.fail_workload_starts({TAG_AGENT: member.name}, int(event.facts["count"]))

    # --- whom it concerns

    def _machines(self, member: Member) -> list[Machine]:
        """The instances of an agent that are up, oldest first."""
        return [machine for machine in self._machines_of(member) if machine.state in UP]

    def _machines_of(self, member: Member) -> list[Machine]:
        books, machines = self._fleet.region.books, self._fleet.region.machines.by_id.values()
        return [machine for machine in machines if books.tags(machine.instance_id).get(TAG_AGENT) == member.name]

    def _primary(self, member: Member) -> Machine | None:
        """The one that accepts writes; else the oldest."""
        machines = self._machines(member)
        accepting = set(self._fleet.region.traffic.accepting().values())
        return next((machine for machine in machines if machine.instance_id in accepting), machines[0] if machines else None)

    def _machine(self, event: Event, member: Member) -> Machine | None:
        machines = self._machines(member)
        if event.facts.get("is_new_side") and machines:
            return machines[-1]
        return self._primary(member)

    def _side(self, event: Event, member: Member) -> str | None:
        machine = self._machine(event, member)
        return None if machine is None else machine.instance_id


def _once(prefixes: tuple[str, ...], skip: int, blow: str) -> Callable[[str], str | None]:
    """Return what lets one blow fall, on the process of these names that asks after `skip` others did."""
    left = [skip]

    def strike(name: str) -> str | None:
        if not name.startswith(prefixes) or left[0] < 0:
            return None
        left[0] -= 1
        return blow if left[0] < 0 else None

    return strike
