"""Target groups: who is registered, what checks say of them, and where requests at the load balancer go.

A group is as good as one behind a load balancer with a single listener: it has an address of its own, its front.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from spot_simulator.balancing.health import (
    DRAINS,
    FIRST_CHECKS,
    NOT_REGISTERED,
    REGISTERING,
    STOPPED,
    CheckSettings,
    Health,
    chosen,
    judged,
)
from spot_simulator.machine import Machine, State
from spot_simulator.model.delays import Delay
from spot_simulator.network.front_addresses import FrontAddresses
from spot_simulator.ports import Checked, Forwarder, ForwardingFailed, Ground, HealthChecker, Lead

DRAIN_SECONDS = 300
"""Default of deregistration_delay.timeout_seconds."""

TargetKey = tuple[str, int]
"""Instance and port."""


@dataclass(slots=True)
class Target:
    """A registered instance at a port. ``turn`` rises with all that outdates a check or an end that is under way."""

    machine: Machine
    port: int
    health: Health = REGISTERING
    turn: int = 0


@dataclass(slots=True)
class TargetGroup:
    """A group with its targets, in the order of their registration."""

    arn: str
    name: str
    port: int
    vpc_id: str
    front: str
    settings: CheckSettings
    drain_seconds: int = DRAIN_SECONDS
    targets: dict[TargetKey, Target] = field(default_factory=dict)
    leads: list[Lead] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BalancingParts:
    """What load balancing works with."""

    forwarder: Forwarder
    checker: HealthChecker
    fronts: FrontAddresses


class TargetGroups:
    """Every method is called with the region's lock held."""

    def __init__(self, parts: BalancingParts, ground: Ground) -> None:
        """Start with none."""
        self._parts, self._ground = parts, ground
        self._registrations = 0
        self.by_arn: dict[str, TargetGroup] = {}

    def add(self, arn: str, name: str, port: int, vpc_id: str, settings: CheckSettings) -> TargetGroup:
        """Make a group. Raise ``ForwardingFailed`` if its front cannot be answered at."""
        group = TargetGroup(arn, name, port, vpc_id, self._parts.fronts.new(), settings)
        self._parts.forwarder.listen(group.front)
        self.by_arn[arn] = group
        self._log("target-group-made", group, front=group.front)
        return group

    def remove(self, group: TargetGroup) -> None:
        """Delete a group, with its front."""
        for target in group.targets.values():
            target.turn += 1
        del self.by_arn[group.arn]
        self._parts.forwarder.close(group.front)

    def register(self, group: TargetGroup, machine: Machine, port: int) -> None:
        """Register a target; one that is registered stays as it is, one that drains begins anew."""
        target = group.targets.get((machine.instance_id, port))
        if target is not None and target.health != DRAINS:
            return
        self._registrations += 1
        if target is None:
            target = group.targets[machine.instance_id, port] = Target(machine, port)
        self._log("target-registered", group, instance_id=machine.instance_id, port=port)
        self._begin(group, target)

    def deregister(self, group: TargetGroup, machine: Machine, port: int) -> None:
        """Begin to drain a target: it gets no new requests, and is gone when the delay is over. One that is not registered stays so."""
        target = group.targets.get((machine.instance_id, port))
        if target is None or target.health == DRAINS:
            return
        self._log("target-deregistered", group, instance_id=machine.instance_id, port=port)
        self._set(group, target, DRAINS)
        self._later(target, self._ground.delays.scaled(group.drain_seconds), lambda: self._forget(group, target))

    def health(self, group: TargetGroup, instance_id: str, port: int) -> Health:
        """Return what is thought of an instance, registered or not."""
        target = group.targets.get((instance_id, port))
        return target.health if target is not None else NOT_REGISTERED

    def drop(self, machine: Machine, final: State) -> None:
        """An instance is off: a terminated one is deregistered, a stopped one gets no requests."""
        for group, target in self._targets_on(machine):
            if final is State.TERMINATED or target.health == DRAINS:
                self._forget(group, target)
            else:
                target.turn += 1
                self._set(group, target, STOPPED)

    def bring_back(self, machine: Machine) -> None:
        """An instance runs again: its targets are checked from the beginning."""
        for group, target in self._targets_on(machine):
            if target.health == STOPPED:
                self._begin(group, target)

    def _targets_on(self, machine: Machine) -> Iterable[tuple[TargetGroup, Target]]:
        return [(group, target) for group in self.by_arn.values() for target in group.targets.values() if target.machine is machine]

    def _begin(self, group: TargetGroup, target: Target) -> None:
        self._set(group, target, REGISTERING)
        seconds = self._ground.delays.seconds(Delay.TARGET_REGISTRATION, self._registrations)
        self._later(target, seconds, lambda: self._check_first(group, target))

    def _check_first(self, group: TargetGroup, target: Target) -> None:
        self._set(group, target, FIRST_CHECKS)
        self._check(group, target)

    def _check(self, group: TargetGroup, target: Target) -> None:
        turn, settings = target.turn, group.settings

        def told(checked: Checked) -> None:
            with self._ground.lock:
                if target.turn == turn:
                    self._judge(group, target, checked)

        lead = Lead(target.machine.private_ip, target.port)
        self._parts.checker.check(lead, settings.path, self._ground.delays.scaled(settings.timeout_seconds), told)

    def _judge(self, group: TargetGroup, target: Target, checked: Checked) -> None:
        self._set(group, target, judged(target.health, checked, group.settings))
        self._later(target, self._ground.delays.scaled(group.settings.interval_seconds), lambda: self._check(group, target))

    def _forget(self, group: TargetGroup, target: Target) -> None:
        target.turn += 1
        del group.targets[target.machine.instance_id, target.port]
        self._log("target-gone", group, instance_id=target.machine.instance_id, port=target.port)
        self._lead(group)

    def _set(self, group: TargetGroup, target: Target, health: Health) -> None:
        before, target.health = target.health, health
        if (before.state, before.reason) != (health.state, health.reason):
            reason = health.reason.value if health.reason else None
            self._log("target-health", group, instance_id=target.machine.instance_id, state=health.state.value, reason=reason)
        self._lead(group)

    def _lead(self, group: TargetGroup) -> None:
        """Send requests to those who are to get them. What is open goes on, as through a load balancer."""
        targets = list(group.targets.values())
        leads = [Lead(targets[place].machine.private_ip, targets[place].port) for place in chosen([one.health for one in targets])]
        if leads == group.leads:
            return
        try:
            self._parts.forwarder.route(group.front, leads, is_cut=False)
        except ForwardingFailed as error:
            self._ground.log.append("internal-error", where="forwarder", error=str(error))
            return
        group.leads = leads

    def _later(self, target: Target, seconds: float, step: Callable[[], None]) -> None:
        """Take the next step after ``seconds``, unless something else happens to the target before."""
        target.turn += 1
        turn = target.turn

        def run() -> None:
            with self._ground.lock:
                if target.turn == turn:
                    step()

        self._ground.timeline.after(seconds, run)

    def _log(self, kind: str, group: TargetGroup, **facts: object) -> None:
        self._ground.log.append(kind, target_group=group.name, **facts)
