"""Looks of the server that would come to nothing are found by rehearsing them: exactly when one would act, and with nothing left behind."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import instances, leases
from spot_server.policy import MovePolicy
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.database import DatabaseServer
from spot_simulator.virtual.entropy import rehearsed_entropy, seeded_entropy
from spot_simulator.virtual.foresight import Foresight, Sight, WouldAct
from spot_simulator.virtual.limits import Limits
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.quiet_looks import QuietLooks, Ticks
from spot_simulator.virtual.scheduler import Scheduler
from spot_simulator.virtual.table_watch import CLOCKS

START = datetime(2026, 1, 5, tzinfo=UTC)
TABLES = frozenset({"leases"})
HEARD = "SELECT holder, expires_at AS last_heartbeat_at, CAST(epoch AS REAL) AS clock_skew_seconds FROM leases"


class World:
    """A lease that runs out stands for any row with a limit; the loop gives it a new holder then."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(START)
        self.server = DatabaseServer()
        self.process = Process(self.scheduler, "jobs")
        self.clock = ProcessClock(self.process)
        self.database = self.server.database_of(self.process, self.clock, MovePolicy())
        self.foresight = Foresight(self.server, self.clock, MovePolicy())
        self.quiet = QuietLooks(self.process, self.clock, self.server.watch, self.foresight)
        self.looks: list[float] = []
        self.rehearsals = 0
        self.use_case = hand_over

    def add(self, ends_after_seconds: float) -> None:
        ends_at = START + timedelta(seconds=ends_after_seconds)
        self.database.write(lambda tx: tx.execute(insert(leases).values(name="one", holder="first", epoch=1, expires_at=ends_at)))

    def change(self, **values: object) -> None:
        self.database.write(lambda tx: tx.execute(update(leases).values(**values)))

    def holder(self) -> str:
        return str(self.server.raw.execute("SELECT holder FROM leases").fetchone()[0])

    def look(self) -> bool:
        """Look as a job does; tell whether it came to anything."""
        self.looks.append(self.scheduler.monotonic_seconds())
        self.server.watch.begin()
        return bool(self.database.write(self.use_case))

    def rehearse(self) -> None:
        self.rehearsals += 1
        self.foresight.database.write(self.use_case)

    def watched_loop(self, period_seconds: float) -> None:
        """Look with watched moments, as a jobs process lets its jobs look."""
        ticks = Ticks(period_seconds, self.clock.monotonic_seconds())
        while True:
            self.clock.limits = limits = Limits(self.foresight.heard_moments())
            has_acted = self.look()
            self.clock.limits = None
            if has_acted:
                self.process.sleep(period_seconds)
            else:
                self.quiet.wait(ticks, TABLES, self.rehearse, limits)

    def loop(self, period_seconds: float) -> None:
        ticks = Ticks(period_seconds, self.clock.monotonic_seconds())
        while True:
            if self.look():
                self.process.sleep(period_seconds)
            else:
                self.quiet.wait(ticks, TABLES, self.rehearse)


def hand_over(tx: Transaction) -> bool:
    """Give what has run out to the second holder, as a sweep does: read, decide, write."""
    row = tx.execute(select(leases.c.holder, leases.c.expires_at)).one_or_none()
    if row is None or row.holder != "first" or row.expires_at > tx.now:
        return False
    tx.execute(update(leases).values(holder="second"))
    return True


def hand_over_by_statement(tx: Transaction) -> bool:
    """Let the database compare."""
    due = tx.execute(select(leases.c.holder).where(leases.c.holder == "first", leases.c.expires_at <= tx.now)).one_or_none()
    if due is not None:
        tx.execute(update(leases).values(holder="second"))
    return due is not None


def hand_over_by_text(tx: Transaction) -> bool:
    """Compare in a way that no moment sees."""
    row = tx.execute(select(leases.c.holder, leases.c.expires_at)).one()
    is_due = bool(row.holder == "first" and row.expires_at.isoformat() <= tx.now.isoformat())
    if is_due:
        tx.execute(update(leases).values(holder="second"))
    return is_due


@pytest.fixture
def world() -> Iterator[World]:
    put_up = World()
    yield put_up
    put_up.server.close()


def test_a_look_is_made_at_the_tick_at_which_it_acts_and_hardly_before(world: World) -> None:
    world.add(ends_after_seconds=500.5)
    world.process.spawn(lambda: world.loop(1.0))

    world.scheduler.run_until(500.9)
    before = world.holder()
    world.scheduler.run_until(501.0)

    assert (before, world.holder()) == ("first", "second")
    assert len(world.looks) < 12


@pytest.mark.parametrize(("ends_after_seconds", "rehearsals"), [(500.5, 0), (20.5, 0)])
def test_a_look_that_tells_of_its_limits_is_made_again_at_the_first_of_them(
    world: World, ends_after_seconds: float, rehearsals: int
) -> None:
    world.add(ends_after_seconds)
    world.process.spawn(lambda: world.watched_loop(1.0))

    world.scheduler.run_until(ends_after_seconds + 0.4)
    before = world.holder()
    world.scheduler.run_until(ends_after_seconds + 0.5)

    assert (before, world.holder()) == ("first", "second")
    assert world.looks == [0.0, ends_after_seconds + 0.5]
    assert world.rehearsals == rehearsals


def test_a_limit_that_only_a_statement_knows_is_found_without_a_rehearsal(world: World) -> None:
    world.add(ends_after_seconds=500.5)
    world.use_case = hand_over_by_statement
    world.process.spawn(lambda: world.watched_loop(1.0))

    world.scheduler.run_until(500.9)
    before = world.holder()
    world.scheduler.run_until(501.0)

    assert (before, world.holder(), world.looks, world.rehearsals) == ("first", "second", [0.0, 501.0], 0)


def test_what_is_done_with_the_time_unseen_is_rehearsed(world: World) -> None:
    """The loop compares texts: its look tells of no limit."""
    world.add(ends_after_seconds=500.5)
    world.use_case = hand_over_by_text
    world.process.spawn(lambda: world.watched_loop(1.0))

    world.scheduler.run_until(500.9)
    before = world.holder()
    world.scheduler.run_until(501.0)

    assert (before, world.holder()) == ("first", "second")
    assert world.rehearsals > 0


def test_a_row_that_changes_is_looked_at_on_the_next_tick(world: World) -> None:
    world.add(ends_after_seconds=5000.0)
    world.process.spawn(lambda: world.loop(10.0))
    world.scheduler.run_until(703.0)
    world.change(expires_at=START)

    world.scheduler.run_until(709.9)
    before = world.holder()
    world.scheduler.run_until(710.0)

    assert (before, world.holder()) == ("first", "second")


def test_a_change_that_answers_no_question_is_no_reason_to_look(world: World) -> None:
    world.add(ends_after_seconds=5000.0)
    world.process.spawn(lambda: world.loop(10.0))
    world.scheduler.run_until(45.0)
    looks = len(world.looks)

    world.change(epoch=7)
    world.scheduler.run_until(100.0)

    assert len(world.looks) == looks


def test_a_clock_that_is_set_is_a_reason_to_look(world: World) -> None:
    world.add(ends_after_seconds=5000.0)
    world.process.spawn(lambda: world.loop(1.0))
    world.scheduler.run_until(10.5)
    world.clock.skew_seconds = 6000.0
    world.server.watch.touch(CLOCKS)

    world.scheduler.run_until(11.0)

    assert world.holder() == "second"


def test_a_rehearsal_leaves_nothing_behind(world: World) -> None:
    world.add(ends_after_seconds=50.0)
    changes = world.server.watch.changes

    world.look()
    outlook = world.foresight.look_ahead(world.rehearse, 128.0, 1.0, CLOCKS)

    assert (outlook.until_seconds, outlook.is_near_its_end) == (32.0, True)
    assert (world.holder(), world.server.watch.changes) == ("first", changes)


def test_what_waits_or_fails_in_a_rehearsal_is_made_in_earnest(world: World) -> None:
    def fail() -> None:
        raise LookupError

    for rehearse in (fail, lambda: world.foresight.later.sleep(1.0)):
        assert world.foresight.look_ahead(rehearse, 32.0, 1.0, CLOCKS).until_seconds == 1.0


def test_no_handler_of_the_product_stops_a_rehearsal_from_ending() -> None:
    assert not issubclass(WouldAct, Exception)


def test_a_newer_heartbeat_passes_and_nothing_else_does(world: World) -> None:
    world.add(ends_after_seconds=50.0)
    sight = Sight(world.server.raw, world.server.watch, [(HEARD, ())])

    world.change(expires_at=START)

    assert sight.is_as_it_was()
    world.change(holder="second")
    assert not sight.is_as_it_was()


def test_a_clock_that_was_set_is_more_than_a_newer_heartbeat(world: World) -> None:
    world.add(ends_after_seconds=50.0)
    sight = Sight(world.server.raw, world.server.watch, [(HEARD, ())])

    world.change(epoch=3)

    assert not sight.is_as_it_was()


@pytest.mark.parametrize(
    ("reported", "passes"),
    [('{"instances": ["i-1"], "age_seconds": 61.5}', True), ('{"instances": ["i-1", "i-2"], "age_seconds": 1.5}', False)],
)
def test_a_look_at_ec2_passes_where_only_its_age_is_new(world: World, reported: str, passes: bool) -> None:
    world.add(ends_after_seconds=50.0)
    world.change(holder='{"instances": ["i-1"], "age_seconds": 1.5}')
    sight = Sight(world.server.raw, world.server.watch, [("SELECT holder AS reported_resources FROM leases", ())])

    world.change(holder=reported)

    assert sight.is_as_it_was() is passes


def test_an_outlook_ends_when_somebody_falls_silent_who_was_expected_to_be_heard(world: World) -> None:
    """The loop acts on nobody, and asks when instances were heard."""
    heard = {"i-1": START, "i-2": START}
    world.server.heard_since = lambda moment: [item for item in heard.items() if item[1] > moment]  # type: ignore[method-assign]
    looks: list[float] = []

    def ask(tx: Transaction) -> None:
        tx.execute(select(instances.c.last_heartbeat_at))

    def loop() -> None:
        ticks = Ticks(10.0, world.clock.monotonic_seconds())
        while True:
            looks.append(world.scheduler.monotonic_seconds())
            world.server.watch.begin()
            world.database.read(ask)
            world.quiet.wait(ticks, frozenset({"instances"}), lambda: world.foresight.database.read(ask))

    world.process.spawn(loop)
    while world.scheduler.monotonic_seconds() < 600.0:
        now = world.clock.now()
        heard["i-1"] = now
        heard["i-2"] = now if world.scheduler.monotonic_seconds() < 300.0 else heard["i-2"]
        world.scheduler.run_until(world.scheduler.monotonic_seconds() + 15.0)

    assert looks == [0.0, 30.0, 330.0, 360.0]


def test_what_a_rehearsal_draws_is_missing_nowhere() -> None:
    def draw(*, rehearses: bool) -> list[object]:
        with seeded_entropy(5):
            drawn: list[object] = [uuid.uuid4()]
            if rehearses:
                with rehearsed_entropy():
                    uuid.uuid4()
            return [*drawn, uuid.uuid4(), random.random()]

    assert draw(rehearses=True) == draw(rehearses=False)
