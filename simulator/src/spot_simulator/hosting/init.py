"""The init of every instance: starts, restarts and stops services, and keeps book of when a workload served."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from spot_simulator.clock import Clock, parse_time
from spot_simulator.event_log import EventLog
from spot_simulator.helper_process import HelperFailed, HelperProcess, Message
from spot_simulator.hosting.disks import Disks
from spot_simulator.hosting.environment import service_environment
from spot_simulator.hosting.service_list import Restart, ServiceSpec, read_services
from spot_simulator.machine import Machine, ServiceRun, Serving, State
from spot_simulator.model.delays import Delay, Delays
from spot_simulator.timeline import Timeline

WORKLOAD = "workload"
_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What a start, stop or status found: ``running`` or ``stopped``, why, and whether the request was refused."""

    state: str
    pid: int | None = None
    detail: str | None = None
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What init needs to know of the region; ``lock`` is the region's."""

    disks: Disks
    timeline: Timeline
    delays: Delays
    log: EventLog
    clock: Clock
    api_url: str
    region_token: str
    lock: threading.RLock
    tags_of: Callable[[str], Mapping[str, str]]


class Init:
    """Every method is called with the region's lock held; only ``stop`` and ``close`` wait, and release it while they do."""

    def __init__(self, around: Surroundings) -> None:
        """Start the guardian process."""
        self._around = around
        self._changed = threading.Condition(around.lock)
        self._machines: dict[str, Machine] = {}
        self._failing_starts: list[tuple[Mapping[str, str], int]] = []
        self._guardian = HelperProcess("spot_simulator.hosting.guardian", self._on_event)

    def boot(self, machine: Machine) -> None:
        """Start the enabled services in their order."""
        self._machines[machine.instance_id] = machine
        machine.is_booted = True
        for spec in self._specs(machine):
            self._start(machine, spec, "boot")

    def start(self, machine: Machine, name: str) -> ServiceAnswer:
        """Start a service unless it runs; refused without the start guard, or if the instance is not up."""
        spec = self._spec(machine, name)
        if spec is None:
            return ServiceAnswer("stopped", detail=f"{name} is not enabled on this disk", is_refused=True)
        if machine.state is not State.RUNNING or not machine.is_booted:
            return ServiceAnswer("stopped", detail=f"the instance is {machine.state}, or has not booted yet", is_refused=True)
        return self._start(machine, spec, "asked")

    def stop(self, machine: Machine, name: str) -> ServiceAnswer:
        """Send SIGTERM, after the service's bound SIGKILL, and return when it is down."""
        run = machine.services.get(name)
        if run is None or run.pid is None:
            return ServiceAnswer("stopped")
        run.is_wanted = False
        pid, spec = run.pid, self._spec(machine, name)
        self._signal("term", machine, [name])
        if not self._changed.wait_for(lambda: run.pid != pid, spec.stop_seconds if spec else _KILL_SECONDS):
            self._signal("kill", machine, [name])
            self._changed.wait_for(lambda: run.pid != pid, _KILL_SECONDS)
        return self.status(machine, name)

    def status(self, machine: Machine, name: str) -> ServiceAnswer:
        """Look at a service."""
        run = machine.services.get(name)
        if run is None or run.pid is None:
            return ServiceAnswer("stopped", detail=None if run else f"{name} was not started on this instance")
        return ServiceAnswer("running", run.pid)

    def kill_service(self, machine: Machine, name: str) -> bool:
        """Kill a service's main process with SIGKILL; False if none runs."""
        run = machine.services.get(name)
        return run is not None and run.pid is not None and self._signal("kill", machine, [name])

    def halt(self, machine: Machine, *, is_at_once: bool) -> None:
        """End all services of an instance: SIGKILL if at once, else SIGTERM; none is restarted."""
        machine.is_booted = False
        for run in machine.services.values():
            run.is_wanted = False
        running = [run.name for run in machine.services.values() if run.pid is not None]
        if running:
            self._signal("kill" if is_at_once else "term", machine, running)

    def fail_starts(self, tag: Mapping[str, str], count: int) -> None:
        """Let the next ``count`` starts of the workload fail on instances with these tags that never served."""
        self._failing_starts.append((dict(tag), count))

    def close(self) -> None:
        """Kill every service; returns when the guardian has done so."""
        self._guardian.stop()

    def _start(self, machine: Machine, spec: ServiceSpec, why: str) -> ServiceAnswer:
        run = machine.services.setdefault(spec.name, ServiceRun(spec.name))
        if run.pid is not None:
            return ServiceAnswer("running", run.pid)
        disks, instance_id = self._around.disks, machine.instance_id
        if spec.condition_path_exists and not (disks.run(instance_id) / spec.condition_path_exists).exists():
            detail = f"the start guard {spec.condition_path_exists} does not exist"
            self._around.log.append("service-not-started", instance_id=instance_id, service=spec.name, why=why, detail=detail)
            return ServiceAnswer("stopped", detail=detail, is_refused=True)
        environment = service_environment(machine, spec, disks, self._around.delays, self._around.api_url)
        if spec.name == WORKLOAD and self._must_fail(machine):
            environment["WORKLOAD_FAIL_START"] = "1"
        try:
            run.pid = self._spawn(machine, spec, environment)
        except HelperFailed as error:
            return ServiceAnswer("stopped", detail=str(error), is_refused=True)
        run.is_wanted, run.exit_code, run.started_at = True, None, self._around.clock.now()
        run.starts += 1
        self._around.log.append("service-started", instance_id=instance_id, service=spec.name, pid=run.pid, why=why)
        return ServiceAnswer("running", run.pid)

    def _spawn(self, machine: Machine, spec: ServiceSpec, environment: Mapping[str, str]) -> int:
        answer = self._guardian.call(
            do="spawn",
            unit=self._unit(machine, spec.name),
            argv=list(spec.argv),
            env=environment,
            cwd=str(self._around.disks.root(machine.instance_id)),
            log_path=str(self._around.disks.log(machine.instance_id, spec.name)),
        )
        return int(answer["pid"])

    def _must_fail(self, machine: Machine) -> bool:
        tags = self._around.tags_of(machine.instance_id)
        for index, (tag, count) in enumerate(self._failing_starts):
            if not machine.serving and tag.items() <= tags.items():
                self._failing_starts[index : index + 1] = [(tag, count - 1)] if count > 1 else []
                return True
        return False

    def _on_event(self, event: Message) -> None:
        _, instance_id, name = event["unit"].split("/", 2)
        with self._changed:
            machine = self._machines[instance_id]
            if event["kind"] == "told":
                self._on_told(machine, int(event["pid"]), event["told"])
            else:
                self._on_exited(machine, machine.services[name], int(event["pid"]), int(event["exit_code"]))

    def _on_told(self, machine: Machine, pid: int, told: Message) -> None:
        if told["event"] == "serving":
            machine.serving.append(Serving(since=self._told_at(told), pid=pid))
            self._around.log.append("serving", instance_id=machine.instance_id, pid=pid, since=str(told.get("at")))
        elif told["event"] == "stopped":
            self._end_serving(machine, pid, told)

    def _end_serving(self, machine: Machine, pid: int, told: Message) -> None:
        for serving in machine.serving:
            if serving.pid == pid and serving.until is None:
                serving.until = max(serving.since, self._told_at(told))
                self._around.log.append("serving-ended", instance_id=machine.instance_id, pid=pid)

    def _told_at(self, told: Message) -> datetime:
        try:
            return parse_time(str(told["at"]))
        except (KeyError, ValueError):
            return self._around.clock.now()

    def _on_exited(self, machine: Machine, run: ServiceRun, pid: int, exit_code: int) -> None:
        if run.pid != pid:
            return
        run.pid, run.exit_code = None, exit_code
        self._end_serving(machine, pid, {})
        self._around.log.append(
            "service-ended", instance_id=machine.instance_id, service=run.name, pid=pid, exit_code=exit_code, asked=not run.is_wanted
        )
        self._changed.notify_all()
        spec = self._spec(machine, run.name)
        is_restarted = spec is not None and (spec.restart is Restart.ALWAYS or (spec.restart is Restart.ON_FAILURE and exit_code != 0))
        if run.is_wanted and is_restarted:
            seconds = self._around.delays.seconds(Delay.SERVICE_RESTART, machine.ordinal)
            boot_number = machine.boot_number
            self._around.timeline.after(seconds, lambda: self._restart(machine, run.name, boot_number))
        else:
            run.is_wanted = False

    def _restart(self, machine: Machine, name: str, boot_number: int) -> None:
        with self._changed:
            run, spec = machine.services[name], self._spec(machine, name)
            if run.is_wanted and machine.is_booted and machine.boot_number == boot_number and spec is not None:
                self._start(machine, spec, "restart")

    def _signal(self, what: str, machine: Machine, names: list[str]) -> bool:
        try:
            return bool(self._guardian.call(do=what, units=[self._unit(machine, name) for name in names])["pids"])
        except HelperFailed as error:
            self._around.log.append("internal-error", where="guardian", error=str(error))
            return False

    def _unit(self, machine: Machine, name: str) -> str:
        return f"{self._around.region_token}/{machine.instance_id}/{name}"

    def _spec(self, machine: Machine, name: str) -> ServiceSpec | None:
        return next((spec for spec in self._specs(machine) if spec.name == name), None)

    def _specs(self, machine: Machine) -> tuple[ServiceSpec, ...]:
        try:
            return read_services(self._around.disks.root(machine.instance_id))
        except ValueError as error:
            self._around.log.append("services-unreadable", instance_id=machine.instance_id, error=str(error))
            return ()
