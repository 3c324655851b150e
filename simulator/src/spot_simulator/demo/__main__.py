"""The command line of the demo; `scripts/demo.sh` sets up what it needs and calls it."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from spot_simulator.clock import SystemClock
from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.closing import close_the_books
from spot_simulator.demo.compression import describe
from spot_simulator.demo.day import Day
from spot_simulator.demo.game_days import report_probes
from spot_simulator.demo.hints import hints
from spot_simulator.demo.live import LiveView
from spot_simulator.demo.preflight import problems
from spot_simulator.demo.processes import Interrupted, ProcessDied, Processes
from spot_simulator.demo.scenes import play
from spot_simulator.demo.service_manager import ServiceManager
from spot_simulator.demo.world import Settings, World

ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
"""The role that the demo's client gives to the server: where no daemon of an agent is left, somebody must be able to act."""

EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_BROKEN = 3
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    options = _parser().parse_args(argv)
    state_dir = Path(options.state_dir or tempfile.mkdtemp(prefix="spot-demo-")).resolve()
    settings = Settings(
        state_dir=state_dir,
        database_url=options.database_url or f"sqlite:///{state_dir}/spot.db",
        time_scale=options.time_scale,
        seed=options.seed,
        prices=None if options.prices is None else Path(options.prices).resolve(),
        port=options.port,
        aws_role_arn=ROLE_ARN,
    )
    clock = SystemClock()
    world = World(settings, clock, Processes(state_dir / "logs", clock))
    code = _refuse(world) or _guarded_run(world, once=options.once)
    if code in {0, EXIT_USAGE, EXIT_INTERRUPTED} and not options.state_dir:
        shutil.rmtree(state_dir, ignore_errors=True)
    return code


def _refuse(world: World) -> int:
    """Say what is wrong with the settings before anything is started; 0 when nothing is."""
    found = problems(world.settings)
    if not found:
        try:
            world.prepare_database()
        except (CallRefused, OSError) as error:
            found = [f"--database-url: {error}"]
    for problem in found:
        sys.stderr.write(f"demo: {problem}\n")
    return EXIT_USAGE if found else 0


def _guarded_run(world: World, *, once: bool) -> int:
    """Run, and stop everything that was started however it ends."""
    _interrupt_on_signals(world)
    try:
        return _run(world, once=once)
    except Interrupted:
        say("stopping")
        return EXIT_INTERRUPTED if once else 0
    except (ProcessDied, CallRefused, TimeoutError, AssertionError, OSError) as error:
        say(f"THE DEMO FAILED: {error}")
        say(f"logs are kept in {world.settings.state_dir}")
        return EXIT_BROKEN
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        world.stop.set()
        world.processes.stop_all()


def _run(world: World, *, once: bool) -> int:
    started_seconds = world.clock.monotonic_seconds()
    for line in describe(world.settings.time_scale):
        say(line)
    world.put_up(say)
    say(f"everything is up after {world.clock.monotonic_seconds() - started_seconds:.1f} s")
    say(f"tokens   client {world.client_id}: {world.tokens['client']}")
    say(f"         admin: {world.tokens['admin']}")
    say(f"role     {ROLE_ARN}: the server makes images and launches with it, daemons stand in")
    for name, address in world.public_ips.items():
        say(f"workload {name:<9} http://{address}:8080   probed every 50 ms from outside")
    day = Day(world, say)
    view = LiveView(server=world.server, region=world.region, names=lambda: _names(day), say=say)
    view.start()
    play(day)
    view.stop()
    say("")
    found = close_the_books(day, say)
    for line in found:
        say(f"CHECK FAILED: {line}")
    seconds = world.clock.monotonic_seconds() - started_seconds
    verdict = "the three books agree, every check held" if not found else f"{len(found)} checks failed"
    say(f"{verdict}; the day took {seconds:.0f} s (seed {world.settings.seed})")
    if found or once:
        return EXIT_CHECK_FAILED if found else 0
    _stay(world, day)
    return 0


def _stay(world: World, day: Day) -> None:
    say("everything goes on until Ctrl-C; for example, in another terminal (README.md says more of it):")
    for line in hints(
        world.server_url, world.region_url, world.client_id, world.tokens["client"], day.agents["web"], day.primary_id("web")
    ):
        say(line)
    token_file = world.settings.state_dir / "client-token"
    token_file.write_text(world.tokens["client"] + "\n", encoding="utf-8")
    credentials = world.settings.state_dir / "spotctl.json"
    say(f"  export SPOTCTL_CREDENTIALS={credentials}; .venv/bin/spotctl login --server {world.server_url} --token-file {token_file}")
    say("  .venv/bin/spotctl gameday --agent web --kind notice --wait")
    view = LiveView(server=world.server, region=world.region, names=lambda: _names(day), say=say, from_now=True)
    view.start()
    manager = ServiceManager(world.processes, {"web": world.start_web, "jobs": world.start_jobs}, say)
    while not world.stop.wait(1):
        manager.look()
        for line in report_probes(day):
            say(line)


def _names(day: Day) -> dict[str, str]:
    return {agent_id: name for name, agent_id in day.agents.items()}


def say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _interrupt_on_signals(world: World) -> None:
    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        world.stop.set()
        raise Interrupted

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo.sh", description="Workloads kept on spot in a simulated AWS region: real processes, a day in minutes."
    )
    parser.add_argument("--once", action="store_true", help="play the day, check the three books, exit 0 only if every check held")
    parser.add_argument("--database-url", help="for example mysql+pymysql://user:password@127.0.0.1/spot (default: SQLite)")
    parser.add_argument(
        "--time-scale", type=float, default=0.05, help="what every delay of the region is multiplied by (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the delays and prices (default %(default)s)")
    parser.add_argument("--prices", help="recorded spot prices instead of the generator, CSV or CSV.gz")
    parser.add_argument("--port", type=int, default=0, help="of the server (default: a free one)")
    parser.add_argument("--state-dir", help="where everything is kept (default: a temporary folder, removed after a good day)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
