"""The life of every instance: pending, running, booted, noticed, shut down. What EC2 shows follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from spot_simulator.clock import rfc3339
from spot_simulator.machine import Interval, Machine, Notice, NoticeAction, ReasonCode, State
from spot_simulator.model.capacity import Mode
from spot_simulator.model.delays import Delay
from spot_simulator.ports import Disks, Ground, InstanceBook, Services

LIVE = frozenset({State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED})


@dataclass(frozen=True, slots=True)
class MachineParts:
    """What the life of an instance touches."""

    book: InstanceBook
    disks: Disks
    init: Services
    on_boot: Callable[[Machine], None]
    on_up: Callable[[Machine], None]
    on_off: Callable[[Machine, State], None]


class Machines:
    """Every method is called with the region's lock held."""

    def __init__(self, parts: MachineParts, ground: Ground) -> None:
        """Start with none."""
        self._parts, self._ground = parts, ground
        self.by_id: dict[str, Machine] = {}

    def launch(self, machine: Machine) -> None:
        """Take a new instance in: it is pending, and runs after the RunInstances delay."""
        self.by_id[machine.instance_id] = machine
        self._power_on(machine)

    def start(self, machine: Machine) -> None:
        """Start a stopped instance."""
        self._power_on(machine)

    def terminate(self, machine: Machine, reason: ReasonCode, *, is_at_once: bool = False) -> None:
        """Begin to shut down: SIGTERM now and SIGKILL when the delay is over; with ``is_at_once`` SIGKILL now."""
        if machine.state in LIVE:
            self._power_off(machine, State.SHUTTING_DOWN, State.TERMINATED, reason, is_at_once=is_at_once)

    def stop(self, machine: Machine, reason: ReasonCode, *, is_at_once: bool = False) -> None:
        """Begin to stop; the disk stays."""
        if machine.state in {State.PENDING, State.RUNNING}:
            self._power_off(machine, State.STOPPING, State.STOPPED, reason, is_at_once=is_at_once)

    def reboot(self, machine: Machine) -> None:
        """End all processes at once and boot again; EC2 shows ``running`` throughout."""
        if machine.state is State.RUNNING:
            machine.boot_number += 1
            self._ground.log.append("rebooting", instance_id=machine.instance_id)
            self._boot_later(machine)
            self._parts.init.halt(machine, is_at_once=True)

    def notice(self, machine: Machine, action: NoticeAction, lead_seconds: float) -> Notice:
        """Announce an interruption, and carry it out after ``lead_seconds`` of the region; hibernation starts at once."""
        scaled_seconds = self._ground.delays.scaled(0.0 if action is NoticeAction.HIBERNATE else lead_seconds)
        now = self._ground.clock.now()
        machine.notice = Notice(action, now + timedelta(seconds=scaled_seconds), now)
        self._log(machine, "notice", action=action.value, action_at=rfc3339(machine.notice.at))
        notice = machine.notice
        self._ground.timeline.after(scaled_seconds, lambda: self._carry_out(machine, notice))
        return notice

    def recommend_rebalance(self, machine: Machine) -> None:
        """Set the rebalance recommendation; once set it stays."""
        if machine.rebalance_at is None:
            machine.rebalance_at = self._ground.clock.now()
            self._log(machine, "rebalance-recommended")

    def lose(self, machine: Machine) -> None:
        """Take an instance away without a notice."""
        self._log(machine, "lost")
        reason = ReasonCode.SPOT_TERMINATION if machine.mode is Mode.SPOT else ReasonCode.INTERNAL_ERROR
        self.terminate(machine, reason, is_at_once=True)

    def _carry_out(self, machine: Machine, notice: Notice) -> None:
        with self._ground.lock:
            if machine.notice is not notice:
                return
            if notice.action is NoticeAction.TERMINATE:
                self.terminate(machine, ReasonCode.SPOT_TERMINATION)
            else:
                self.stop(machine, ReasonCode.SPOT_STOP, is_at_once=notice.action is NoticeAction.HIBERNATE)

    def _power_on(self, machine: Machine) -> None:
        machine.boot_number += 1
        machine.notice = None
        self._set_state(machine, State.PENDING, None)
        ordinal = f"{machine.ordinal}.{machine.boot_number}"
        self._later(machine, self._ground.delays.seconds(Delay.RUN, ordinal), self._on_running)

    def _on_running(self, machine: Machine) -> None:
        self._begin_anew(machine)
        now = self._ground.clock.now()
        machine.first_running_at = machine.first_running_at or now
        machine.running.append(Interval(now))
        self._set_state(machine, State.RUNNING, None)
        self._parts.on_up(machine)
        self._boot_later(machine)

    def _boot_later(self, machine: Machine) -> None:
        machine.boot_began_at = self._ground.clock.now()
        ordinal = f"{machine.ordinal}.{machine.boot_number}"
        self._later(machine, self._ground.delays.seconds(Delay.BOOT, ordinal), self._on_booted)

    def _begin_anew(self, machine: Machine) -> None:
        self._parts.on_boot(machine)
        self._parts.disks.empty_run(machine.instance_id)

    def _on_booted(self, machine: Machine) -> None:
        self._begin_anew(machine)
        self._log(machine, "booted", boot_number=machine.boot_number)
        self._parts.init.boot(machine)

    def _power_off(self, machine: Machine, on_the_way: State, final: State, reason: ReasonCode, *, is_at_once: bool) -> None:
        was_off = machine.state is State.STOPPED
        machine.boot_number += 1
        now = self._ground.clock.now()
        for interval in machine.running:
            interval.until = interval.until or now
        self._set_state(machine, on_the_way, reason)
        ordinal = f"{machine.ordinal}.{machine.boot_number}"
        seconds = 0.0 if was_off else self._ground.delays.seconds(Delay.SHUTDOWN, ordinal)
        self._later(machine, seconds, lambda gone: self._on_off(gone, final, reason))
        self._parts.init.halt(machine, is_at_once=is_at_once)

    def _on_off(self, machine: Machine, final: State, reason: ReasonCode) -> None:
        self._parts.init.halt(machine, is_at_once=True)
        if final is State.TERMINATED:
            machine.terminated_at = self._ground.clock.now()
        self._parts.on_off(machine, final)
        self._set_state(machine, final, reason)

    def _later(self, machine: Machine, seconds: float, step: Callable[[Machine], None]) -> None:
        """Run the step after ``seconds``, unless the instance was powered on or off meanwhile."""
        boot_number = machine.boot_number

        def run() -> None:
            with self._ground.lock:
                if machine.boot_number == boot_number:
                    step(machine)

        self._ground.timeline.after(seconds, run)

    def _set_state(self, machine: Machine, state: State, reason: ReasonCode | None) -> None:
        machine.state, machine.reason = state, reason
        self._parts.book.set_state(machine.instance_id, state, reason)
        self._log(machine, "state", state=state.value, reason=reason.value if reason else None)

    def _log(self, machine: Machine, kind: str, **facts: object) -> None:
        self._ground.log.append(kind, instance_id=machine.instance_id, **facts)
