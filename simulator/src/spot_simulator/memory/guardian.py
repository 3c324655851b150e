"""Who starts and ends the programs of services, and tells init of their end, within the call or as soon as a start is over."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from spot_simulator.hosting.service_list import ServiceSpec
from spot_simulator.machine import Machine
from spot_simulator.memory.host import Host
from spot_simulator.memory.ids import Ids
from spot_simulator.memory.programs import Programs, Running
from spot_simulator.ports import ServiceListener, SpawnFailed, Timeline

KILLED = -9


@dataclass(slots=True)
class _Unit:
    """A service that runs on an instance."""

    instance_id: str
    name: str
    pid: int
    running: Running | None = None


class MemoryGuardian:
    """Keeps the programs of all instances."""

    def __init__(self, programs: Programs, ids: Ids, timeline: Timeline, host_of: Callable[[Machine, int], Host]) -> None:
        """``host_of`` gives a program the instance that it runs on."""
        self._programs, self._ids, self._timeline, self._host_of = programs, ids, timeline, host_of
        self._listener: ServiceListener | None = None
        self._units: dict[int, _Unit] = {}

    def report_to(self, listener: ServiceListener) -> None:
        """Say who hears of services; before the first one starts."""
        self._listener = listener

    def spawn(self, machine: Machine, spec: ServiceSpec, *, must_fail: bool) -> int:
        """Start a service's program and return its number. Raise ``SpawnFailed`` if there is no such program."""
        program = self._programs.find(spec)
        if program is None:
            raise SpawnFailed(f"there is no program for the service {spec.name}")
        unit = _Unit(machine.instance_id, spec.name, self._ids.pid())
        self._units[unit.pid] = unit
        host = self._host_of(machine, unit.pid)
        unit.running = program.start(host, lambda exit_code: self._on_ended(unit, exit_code), must_fail=must_fail)
        return unit.pid

    def terminate(self, machine: Machine, names: Sequence[str]) -> bool:
        """Send SIGTERM."""
        units = self._units_of(machine, names)
        for unit in units:
            if unit.running is not None:
                unit.running.terminate()
        return bool(units)

    def kill(self, machine: Machine, names: Sequence[str]) -> bool:
        """Send SIGKILL: all are noted as ended before the first one is, because one of them may be the caller."""
        units = self._units_of(machine, names)
        with ExitStack() as kills:
            for unit in reversed(units):
                if unit.running is not None:
                    kills.callback(unit.running.kill)
            for unit in units:
                self._bury(unit, KILLED)
        return bool(units)

    def is_there(self, pid: int) -> bool:
        """Whether a program still runs."""
        return pid in self._units

    def _units_of(self, machine: Machine, names: Sequence[str]) -> list[_Unit]:
        return [unit for unit in self._units.values() if unit.instance_id == machine.instance_id and unit.name in names]

    def _on_ended(self, unit: _Unit, exit_code: int) -> None:
        if unit.running is None:  # within its own start: init does not know its number yet
            self._timeline.after(0.0, lambda: self._bury(unit, exit_code))
        else:
            self._bury(unit, exit_code)

    def _bury(self, unit: _Unit, exit_code: int) -> None:
        if self._units.pop(unit.pid, None) is not None and self._listener is not None:
            self._listener.on_exited(unit.instance_id, unit.name, unit.pid, exit_code)
