"""kill -9 of a daemon, web, jobs or MariaDB at every moment of a move, then a restart: one PRIMARY, nothing lost or left, nothing twice."""

import os
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from server_support.databases import MARIADB_VARIABLE
from spot_simulator.clock import SystemClock
from spot_simulator.demo.books import disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.world import Settings, Workload, World
from spot_simulator.probe_report import read_log
from spot_simulator.probe_rules import good_answers
from system import verdict
from system.crash_mover import CrashMover
from system.crashes import STATE_PLANS, STATELESS_PLANS, Crash, Moved, Plans, Victim, all_crashes
from system.executioner import Executioner, PrivateMariaDb
from system.seeds import SEED_VARIABLE, seed_of_this_run
from system.storm import SERVER_SETTINGS as STORM_SETTINGS
from system.workloads import TYPES, missing_sync_programs, with_rsync, with_volume

CRASHES_VARIABLE = "SPOT_TEST_CRASHES"
"""How many crashes of stateless workloads are played on each database, and some of the others beside them; `all` plays every one."""
CRASHES = os.environ.get(CRASHES_VARIABLE, "4")
IS_ALL = CRASHES == "all"
SHARES = {"stateless": 1.0, "volume": 1 / 6, "rsync": 1 / 6, "image_after_quiesce": 1 / 12}
"""By carry: how many are played, at least one, for each of a stateless workload."""
SERVER_SETTINGS = {**STORM_SETTINGS, "SPOT_SPENDING_LAUNCHES_PER_HOUR": "1000"}
"""Every crash has a launch of its own."""
TIME_SCALE = 0.02
ANSWER_BOUND_SECONDS = 60.0
ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"

pytestmark = [pytest.mark.server, pytest.mark.storm, pytest.mark.timeout(7200 if IS_ALL else 1800)]


def say(line: str) -> None:
    """Print at once: the seed is what a person needs to look again."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass(slots=True)
class Database:
    """Where the server keeps its books, and who may be killed there."""

    url: str
    victims: frozenset[Victim]
    mariadb: PrivateMariaDb | None = None


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of this run's own; a MariaDB server as well, as it is killed."""
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path}/spot.db", frozenset(Victim) - {Victim.MARIADB})
        return
    if MARIADB_VARIABLE not in os.environ:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{MARIADB_VARIABLE} is not set; CI runs every test")
        pytest.skip(f"{MARIADB_VARIABLE} is not set")
    mariadb = PrivateMariaDb(tmp_path / "mariadb")
    mariadb.start()
    try:
        yield Database(mariadb.url, frozenset(Victim), mariadb)
    finally:
        mariadb.stop()


@pytest.fixture
def seed(database: Database) -> str:
    return seed_of_this_run("sqlite" if database.mariadb is None else "mariadb")


@pytest.fixture(params=["control_role", "daemons"] if IS_ALL else ["drawn"])
def role_arn(request: pytest.FixtureRequest, seed: str) -> str | None:
    """Who launches, ends and moves things in EC2: the server, or without a role the daemons. Drawn: an even seed has a role."""
    has_role = int(seed) % 2 == 0 if request.param == "drawn" else request.param == "control_role"
    return ROLE_ARN if has_role else None


@pytest.fixture(params=["stateless", "with_state"] if IS_ALL else ["both"])
def plans(request: pytest.FixtureRequest, role_arn: str | None) -> Plans:
    """What is played. Without a role a launch needs the daemon that is going to die: a notice that nobody lives to answer is left out."""
    every = {**(STATELESS_PLANS if request.param != "with_state" else {}), **(STATE_PLANS if request.param != "stateless" else {})}
    if missing := missing_sync_programs():
        say(f"the rsync carry is not played: needs {', '.join(missing)}: scripts/test_programs.sh install")
        every.pop("rsync", None)
    return {
        carry: {moved: moments for moved, moments in moments_of.items() if role_arn is not None or moved is not Moved.NOTICE}
        for carry, moments_of in every.items()
    }


def workloads_of(plans: Plans) -> list[Workload]:
    """Return those that are moved: all at once, each move after the other."""
    every = [Workload(name, "stateless", "m5.large", TYPES, starts_on_spot=True) for name in ("web", "carts", "search")]
    every += [with_volume(name, starts_on_spot=True) for name in (("shop", "stock", "mail") if IS_ALL else ("shop", "stock"))]
    every += [with_rsync("files", starts_on_spot=True), Workload("orders", "image_after_quiesce", "m5.large", TYPES, starts_on_spot=True)]
    return [one for one in every if one.carry in plans]


def chosen(plans: Plans, victims: frozenset[Victim], seed: str) -> list[Crash]:
    """Return the crashes of this run, in an order of its own."""
    draw, found = random.Random(seed), []
    for carry, moments_of in plans.items():
        every = all_crashes({carry: moments_of}, victims)
        count = len(every) if IS_ALL else min(len(every), max(1, round(int(CRASHES) * SHARES[carry])))
        found += draw.sample(every, count)
    return found


def test_whatever_dies_at_whatever_step_one_primary_serves_and_nothing_is_lost_or_left_over(
    database: Database, tmp_path: Path, seed: str, role_arn: str | None, plans: Plans
) -> None:
    workloads, crashes = workloads_of(plans), chosen(plans, database.victims, seed)
    actor = "daemons act" if role_arn is None else "the control role acts"
    say(f"seed {seed} (again: {SEED_VARIABLE}={seed}), {len(crashes)} crashes; {actor}; everything is kept in {tmp_path}")
    clock = SystemClock()
    settings = Settings(
        tmp_path, database.url, TIME_SCALE, 1, workloads=tuple(workloads), server_settings=SERVER_SETTINGS, aws_role_arn=role_arn
    )
    world = World(settings, clock, Processes(tmp_path / "logs", clock))
    day = Day(world, lambda _line: None)
    executioner = Executioner(world, database.mariadb)
    try:
        world.put_up(lambda _line: None)
        day.await_registrations()
        day.await_prices()
        began_seconds = clock.monotonic_seconds()
        movers = [CrashMover(world, one, day.agents[one.name], executioner, share_of(one, workloads, crashes)) for one in workloads]
        threads = [threading.Thread(target=mover.run, name=mover.name, daemon=True) for mover in movers]
        for thread in threads:
            thread.start()
        executioner.run(lambda: not any(thread.is_alive() for thread in threads))
        took_seconds = clock.monotonic_seconds() - began_seconds
        wrongs = [line for mover in movers for line in mover.wrongs] or wrongs_at_the_end(world, day)
    finally:
        world.processes.stop_all()

    happened = [line for mover in movers for line in mover.happened]
    missed = [line for mover in movers for line in mover.missed]
    say(f"{len(happened)} of {len(crashes)} crashes happened, in {took_seconds:.0f} s; not met: {missed}; wrong: {wrongs}")
    assert wrongs == [], f"seed {seed}"
    assert len(happened) + len(missed) == len(crashes), "every one is played"
    assert len(missed) * 5 <= len(crashes), "moments that hardly ever come are no test"


def share_of(workload: Workload, workloads: Sequence[Workload], crashes: Sequence[Crash]) -> list[Crash]:
    """Return the crashes that a workload plays: those of its carry go round among the workloads that have it."""
    alike = [one.name for one in workloads if one.carry == workload.carry]
    return [crash for crash in crashes if crash.carry == workload.carry][alike.index(workload.name) :: len(alike)]


def wrongs_at_the_end(world: World, day: Day) -> list[str]:
    """Return every way in which the books contradict each other when all moves are over."""
    day.await_retirements()
    for workload in world.settings.workloads:
        await_answer_of_primary(world, day, workload.name)
    state = world.region.get("/state")
    found = strangers(world, state) + verdict.region_faults(state)
    for workload in world.settings.workloads:
        found += disagreements(read_books(world, day.agents[workload.name], workload, state))
    return found


def await_answer_of_primary(world: World, day: Day, name: str) -> None:
    """Wait until the prober was answered by the PRIMARY, on a busy machine seconds after the last move. If it never is, that is told."""

    def is_answered() -> bool | None:
        probes, _torn = read_log(world.prober_log(name))
        return True if good_answers(probes)[-1].instance_id == day.primary_id(name) else None

    with suppress(TimeoutError):
        world.wait_for(f"{name}: an answer of its primary", is_answered, bound_seconds=ANSWER_BOUND_SECONDS)
