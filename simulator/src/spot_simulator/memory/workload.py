"""The pretend workload as a program: it starts, accepts numbered writes, keeps them on its disk, and stops when asked."""

from __future__ import annotations

from dataclasses import dataclass

from spot_simulator.base_image import DATA_FOLDER
from spot_simulator.memory.host import Host
from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.programs import Ended
from spot_simulator.memory.traffic import Traffic
from spot_simulator.ports import Timeline

WRITES_FILE = f"{DATA_FOLDER}/writes"
_FAILED = 1


@dataclass(frozen=True, slots=True)
class HeldWrites:
    """The content of the workload's file: the numbers that it holds, by the front through which they came."""

    by_front: tuple[tuple[str, NumberRanges], ...] = ()

    def numbers(self, front: str) -> NumberRanges:
        """Return the numbers that came through a front."""
        return dict(self.by_front).get(front, NumberRanges())

    def with_range(self, front: str, first: int, last: int) -> HeldWrites:
        """Add the numbers from ``first`` to ``last``."""
        held = dict(self.by_front)
        held[front] = held.get(front, NumberRanges()).with_range(first, last)
        return HeldWrites(tuple(held.items()))


@dataclass(frozen=True, slots=True)
class WorkloadProgram:
    """Starts workloads."""

    traffic: Traffic
    timeline: Timeline

    def start(self, host: Host, ended: Ended, *, must_fail: bool) -> RunningWorkload:
        """Begin; it accepts writes when the start delay is over."""
        return RunningWorkload(self, host, ended, must_fail=must_fail)


class RunningWorkload:
    """One run. Its file follows what it accepts, and is looked up when somebody reads or copies the disk."""

    def __init__(self, parts: WorkloadProgram, host: Host, ended: Ended, *, must_fail: bool) -> None:
        """Begin to start."""
        self._parts, self._host, self._ended = parts, host, ended
        self._is_over = self._is_accepting = False
        held = host.disk.get(WRITES_FILE)
        self._held = held if isinstance(held, HeldWrites) else HeldWrites()
        parts.timeline.after(host.workload_start_seconds, self._give_up if must_fail else self._accept)

    @property
    def instance_id(self) -> str:
        """On which instance it runs."""
        return self._host.instance_id

    def hold(self, front: str, first: int, last: int) -> None:
        """Keep writes."""
        self._held = self._held.with_range(front, first, last)

    def terminate(self) -> None:
        """Stop in order, at once."""
        if not self._is_over:
            self.kill()
            self._ended(0)

    def kill(self) -> None:
        """Stop; what was acknowledged is on the disk."""
        self._is_over = True
        if self._is_accepting:
            self._is_accepting = False
            self._parts.traffic.end_accepting(self._host.private_ip)
            self._host.disk.close(WRITES_FILE)
            self._host.tell_stopped_serving()

    def _accept(self) -> None:
        if self._is_over:
            return
        self._is_accepting = True
        self._parts.traffic.begin_accepting(self._host.private_ip, self)
        self._host.disk.open(WRITES_FILE, self._present)
        self._host.tell_serving()

    def _give_up(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._ended(_FAILED)

    def _present(self) -> HeldWrites:
        self._parts.traffic.settle_at(self._host.private_ip)
        return self._held
