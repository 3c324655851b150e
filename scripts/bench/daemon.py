"""What one real daemon costs its instance: memory, processor time and threads over a minute at its real intervals.

The simulated region is fast (nothing is waited for at the start), the daemon and the server are not compressed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.proc import Cost, cost_of
from spot_simulator.clock import SystemClock
from spot_simulator.demo.compression import Compressed, compressed_settings
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.world import WORKLOADS, Settings, Workload, World

REGION_TIME_SCALE = 0.02
REAL_TIME_SCALE = 1.0
REGISTER_SECONDS = 90.0
DAEMON_SERVICE = "spot-agent"
TARGET_RSS_MIB = 40.0
TARGET_CPU_RATIO = 0.01


@dataclass(frozen=True, slots=True)
class DaemonCost:
    """The daemon after and over the measured time."""

    seconds: float
    cpu_seconds: float
    rss_at_start_mib: float
    at_end: Cost

    @property
    def cpu_ratio(self) -> float:
        """Share of one core."""
        return self.cpu_seconds / self.seconds


class RealTimeWorld(World):
    """The demo's world with the real intervals in the daemon's environment; the server's are given as settings."""

    def _env_file(self, workload: Workload, enrolment: str, allocation_id: str) -> str:
        lines = World._env_file(self, workload, enrolment, allocation_id)  # noqa: SLF001 - its own base class
        return lines + "".join(f"{setting.variable}={setting.real}\n" for setting in _real_settings("daemon"))


def _real_settings(owner: str) -> list[Compressed]:
    return [setting for setting in compressed_settings(REAL_TIME_SCALE) if setting.owner == owner]


def measure_daemon(directory: Path, *, settle_seconds: float, seconds: float, say: Callable[[str], None]) -> DaemonCost:
    """Start region, server and one instance, let the daemon settle, and watch it for `seconds`."""
    clock = SystemClock()
    settings = Settings(
        state_dir=directory,
        database_url=f"sqlite:///{directory}/spot.db",
        time_scale=REGION_TIME_SCALE,
        seed=1,
        workloads=WORKLOADS[:1],
        server_settings={setting.variable: setting.real for setting in _real_settings("server")},
    )
    world = RealTimeWorld(settings, clock, Processes(directory / "logs", clock))
    try:
        world.put_up(say)
        world.processes.kill(f"prober-{WORKLOADS[0].name}")
        pid = world.wait_for("the daemon's registration", lambda: _registered(world), bound_seconds=REGISTER_SECONDS)
        clock.sleep(settle_seconds)
        before = cost_of(pid)
        started_seconds = clock.monotonic_seconds()
        clock.sleep(seconds)
        after = cost_of(pid)
        passed_seconds = clock.monotonic_seconds() - started_seconds
        return DaemonCost(passed_seconds, after.cpu_seconds - before.cpu_seconds, before.rss_mib, after)
    finally:
        world.processes.stop_all()


def _registered(world: World) -> int | None:
    """Return the daemon's process id once the server knows its agent."""
    if not world.server.get("/agents")["items"]:
        return None
    services = world.instance(world.first_instances[WORKLOADS[0].name])["services"]
    pid: int | None = services[DAEMON_SERVICE]["pid"]
    return pid
