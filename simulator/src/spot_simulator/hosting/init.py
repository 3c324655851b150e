"""The init of every instance: starts, restarts and stops services, and keeps book of when a workload served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from spot_simulator.clock import rfc3339
from spot_simulator.hosting.service_list import DEFAULT_STOP_SECONDS, Restart, ServiceSpec
from spot_simulator.machine import Machine, ServiceRun, Serving, State
from spot_simulator.model.delays import Delay
from spot_simulator.ports import Disks, Ground, Guardian, SpawnFailed

WORKLOAD = "workload"
TagsOf = Callable[[str], Mapping[str, str]]
"""The tags of a resource, by its id."""


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What a start, stop or status found: ``running`` or ``stopped``, why, and whether the request was refused."""

    state: str
    pid: int | None = None
    detail: str | None = None
    is_refused: bool = False


class Init:
    """Every method is called with the region's lock held. Nothing here waits."""

    def __init__(self, disks: Disks, guardian: Guardian, tags_of: TagsOf, ground: Ground) -> None:
        """Start nothing yet; the guardian reports to this object."""
        self._disks, self._guardian, self._tags_of, self._ground = disks, guardian, tags_of, ground
        self._machines: dict[str, Machine] = {}
        self._failing_starts: list[tuple[Mapping[str, str], int]] = []

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

    def ask_to_stop(self, machine: Machine, name: str) -> bool:
        """Send SIGTERM now, and SIGKILL after the service's bound; False if it does not run. It is down once ``status`` says so."""
        run = machine.services.get(name)
        if run is None or run.pid is None:
            return False
        run.is_wanted = False
        pid = run.pid
        self._ground.timeline.after(self.stop_bound_seconds(machine, name), lambda: self._end_of_patience(machine, run, pid))
        self._guardian.terminate(machine, [name])
        return True

    def stop_bound_seconds(self, machine: Machine, name: str) -> float:
        """Return how long a service has between SIGTERM and SIGKILL."""
        spec = self._spec(machine, name)
        return spec.stop_seconds if spec else DEFAULT_STOP_SECONDS

    def status(self, machine: Machine, name: str) -> ServiceAnswer:
        """Look at a service."""
        run = machine.services.get(name)
        if run is None or run.pid is None:
            return ServiceAnswer("stopped", detail=None if run else f"{name} was not started on this instance")
        return ServiceAnswer("running", run.pid)

    def kill_service(self, machine: Machine, name: str) -> bool:
        """Kill a service's main process with SIGKILL; False if none runs."""
        run = machine.services.get(name)
        return run is not None and run.pid is not None and self._guardian.kill(machine, [name])

    def halt(self, machine: Machine, *, is_at_once: bool) -> None:
        """End all services of an instance: SIGKILL if at once, else SIGTERM; none is restarted."""
        machine.is_booted = False
        for run in machine.services.values():
            run.is_wanted = False
        running = [run.name for run in machine.services.values() if run.pid is not None]
        if running:
            (self._guardian.kill if is_at_once else self._guardian.terminate)(machine, running)

    def fail_starts(self, tag: Mapping[str, str], count: int) -> None:
        """Let the next ``count`` starts of the workload fail on instances with these tags that never served; 0 takes the order back."""
        others = [order for order in self._failing_starts if order[0] != tag]
        self._failing_starts = [*others, (dict(tag), count)] if count else others

    def on_serving(self, instance_id: str, pid: int, since: datetime | None) -> None:
        """Open a serving interval."""
        since = since or self._ground.clock.now()
        self._machines[instance_id].serving.append(Serving(since=since, pid=pid))
        self._ground.log.append("serving", instance_id=instance_id, pid=pid, since=rfc3339(since))

    def on_stopped_serving(self, instance_id: str, pid: int, at: datetime | None) -> None:
        """Close the serving interval of a process, if one is open."""
        for serving in self._machines[instance_id].serving:
            if serving.pid == pid and serving.until is None:
                serving.until = max(serving.since, at or self._ground.clock.now())
                self._ground.log.append("serving-ended", instance_id=instance_id, pid=pid)

    def on_exited(self, instance_id: str, name: str, pid: int, exit_code: int) -> None:
        """Note the end of a program, and start it again if that is wanted."""
        machine = self._machines[instance_id]
        run = machine.services[name]
        if run.pid != pid:
            return
        run.pid, run.exit_code = None, exit_code
        self.on_stopped_serving(instance_id, pid, None)
        self._ground.log.append(
            "service-ended", instance_id=instance_id, service=name, pid=pid, exit_code=exit_code, asked=not run.is_wanted
        )
        spec = self._spec(machine, name)
        is_restarted = spec is not None and (spec.restart is Restart.ALWAYS or (spec.restart is Restart.ON_FAILURE and exit_code != 0))
        if run.is_wanted and is_restarted:
            seconds = self._ground.delays.seconds(Delay.SERVICE_RESTART, machine.ordinal)
            boot_number = machine.boot_number
            self._ground.timeline.after(seconds, lambda: self._restart(machine, name, boot_number))
        else:
            run.is_wanted = False

    def _start(self, machine: Machine, spec: ServiceSpec, why: str) -> ServiceAnswer:
        run = machine.services.setdefault(spec.name, ServiceRun(spec.name))
        if run.pid is not None:
            return ServiceAnswer("running", run.pid)
        instance_id = machine.instance_id
        if spec.condition_path_exists and not self._disks.is_in_run(instance_id, spec.condition_path_exists):
            detail = f"the start guard {spec.condition_path_exists} does not exist"
            self._ground.log.append("service-not-started", instance_id=instance_id, service=spec.name, why=why, detail=detail)
            return ServiceAnswer("stopped", detail=detail, is_refused=True)
        try:
            run.pid = self._guardian.spawn(machine, spec, must_fail=spec.name == WORKLOAD and self._must_fail(machine))
        except SpawnFailed as error:
            return ServiceAnswer("stopped", detail=str(error), is_refused=True)
        run.is_wanted, run.exit_code, run.started_at = True, None, self._ground.clock.now()
        run.starts += 1
        self._ground.log.append("service-started", instance_id=instance_id, service=spec.name, pid=run.pid, why=why)
        return ServiceAnswer("running", run.pid)

    def _must_fail(self, machine: Machine) -> bool:
        tags = self._tags_of(machine.instance_id)
        for index, (tag, count) in enumerate(self._failing_starts):
            if not machine.serving and tag.items() <= tags.items():
                self._failing_starts[index : index + 1] = [(tag, count - 1)] if count > 1 else []
                return True
        return False

    def _end_of_patience(self, machine: Machine, run: ServiceRun, pid: int) -> None:
        with self._ground.lock:
            if run.pid == pid:
                self._guardian.kill(machine, [run.name])

    def _restart(self, machine: Machine, name: str, boot_number: int) -> None:
        with self._ground.lock:
            run, spec = machine.services[name], self._spec(machine, name)
            if run.is_wanted and machine.is_booted and machine.boot_number == boot_number and spec is not None:
                self._start(machine, spec, "restart")

    def _spec(self, machine: Machine, name: str) -> ServiceSpec | None:
        return next((spec for spec in self._specs(machine) if spec.name == name), None)

    def _specs(self, machine: Machine) -> tuple[ServiceSpec, ...]:
        try:
            return self._disks.services(machine.instance_id)
        except ValueError as error:
            self._ground.log.append("services-unreadable", instance_id=machine.instance_id, error=str(error))
            return ()
