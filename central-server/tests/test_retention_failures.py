"""Sweeps that die, that meet, and that writers meet: every row goes once, nothing goes that should stay, and nobody waits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server_support.clock import FakeClock
from server_support.dying_database import DyingDatabase
from server_support.history import ROWS_PER_MOVE, store_history
from server_support.plans import gather_statistics, plans_of
from server_support.retention import counts, job_context, metered, sweep
from server_support.story import PowerCut, Story
from spot_server.clock import SystemClock
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import switch_steps
from spot_server.features.retention.jobs import SWEEPS, policy_of
from spot_server.features.retention.rules import cutoffs
from spot_server.jobs.lease import Lease, LeaseLost
from spot_server.jobs.leased_database import LeasedDatabase
from spot_server.settings import Settings
from spot_server.words import SwitchStatus

PATIENCE_SECONDS = 60.0
DAY = timedelta(days=1)
AGES = [300 * DAY, 200 * DAY, 190 * DAY, 1 * DAY]
OLD_MOVES = 3
GONE = Counter({table.name: OLD_MOVES * count for table, count in ROWS_PER_MOVE.items() if table.name != "spot_interruption_events"})
BATCH_ROWS = 6


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    story = Story.on(database, clock, has_image=True)
    store_history(story, AGES)
    return story


@pytest.mark.parametrize("dies_after_commit", [False, True], ids=["before the commit", "after the commit"])
def test_a_sweep_that_dies_in_any_batch_is_finished_by_the_next(
    engine: Engine, story: Story, clock: FakeClock, dies_after_commit: bool
) -> None:
    before, swept = counts(story), Counter[str]()
    dies_in = 0
    is_dead = True
    while is_dead:
        dies_in += 1
        database = DyingDatabase(engine, clock=clock, sleeper=clock)
        # Each time it gets a little further: the first batch is lost once, the second twice, and so on.
        database.dies_in, database.dies_after_commit = dies_in, dies_after_commit
        context = job_context(database, clock, retention_batch_rows=BATCH_ROWS)
        try:
            sweep(context, clock)
            is_dead = False
        except PowerCut:
            pass
        swept += metered(context)

    gone = before - counts(story)
    assert dies_in > 3
    assert gone == GONE
    # What was committed and never heard of is not in the metrics; nothing is in them twice.
    del gone[switch_steps.name]
    assert swept <= gone if dies_after_commit else swept == gone


def test_a_sweep_whose_process_leads_no_more_deletes_nothing_more(database: Database, story: Story, clock: FakeClock) -> None:
    old, new = (Lease(database, holder=name, duration_seconds=10.0, read_now=lambda tx: tx.now) for name in ("old", "new"))
    old.acquire()
    leased = LeasedDatabase(database, old)
    clock.advance(11)
    new.acquire()
    before = counts(story)

    with pytest.raises(LeaseLost):
        sweep(job_context(leased, clock), clock)

    assert counts(story) == before


@pytest.mark.server
def test_two_processes_that_sweep_at_once_delete_every_row_once(engine: Engine, clock: FakeClock) -> None:
    story = Story.on(Database(engine, clock=clock, sleeper=SystemClock()), clock, has_image=True)
    store_history(story, [age + hours * timedelta(hours=1) for age in AGES[:3] for hours in range(4)])
    before = counts(story)
    url = engine.url.render_as_string(hide_password=False)
    sweeping = [begin_process(url) for _ in range(2)]

    ready = [process.stdout.readline() for process in sweeping if process.stdout is not None]
    told = [process.communicate(timeout=PATIENCE_SECONDS)[0] for process in let_go(sweeping)]

    gone = before - counts(story)
    del gone[switch_steps.name]
    deleted = [Counter(json.loads(text)) for text in told]
    assert ready == ["ready\n"] * 2
    assert [process.returncode for process in sweeping] == [0, 0]
    assert deleted[0] + deleted[1] == gone
    assert gone == Counter({table.name: 12 * count for table, count in ROWS_PER_MOVE.items() if table.name in gone})
    assert len(gone) == len(ROWS_PER_MOVE) - 2


def begin_process(url: str) -> subprocess.Popen[str]:
    """A process that sweeps this database when it is let go."""
    command = [sys.executable, "-m", "server_support.sweeping_process", url]
    return subprocess.Popen(command, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def let_go(processes: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """Let both begin before either is waited for."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


@pytest.mark.mariadb
@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_who_writes_while_a_batch_is_under_way_waits_for_nothing(engine: Engine, story: Story, clock: FakeClock) -> None:
    moments = cutoffs(policy_of(Settings()), clock.now())
    met = []
    for swept in SWEEPS:
        keys = story.database.read(lambda tx, swept=swept: swept.find(tx, moments[swept.record], 500))  # type: ignore[misc]
        if not keys:
            continue
        with engine.begin() as connection:
            deleted = swept.delete(Transaction(connection, clock.now(), story.database.policy), keys)
            # A move of the same agent, begun and taken back, writes almost everywhere. Whoever waits for a lock is refused in the end.
            switch = story.cancel(story.switch(f"during-{swept.record.value}"))
        met.append((swept.record, deleted > 0, switch.status))

    assert met == [(record, True, SwitchStatus.CANCELLED) for record, _, _ in met]
    assert len(met) == len(GONE) - 1


def test_nothing_that_is_looked_for_is_looked_for_from_end_to_end(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True)
    store_history(story, [timedelta(hours=6 * number) for number in range(1, 601)])
    gather_statistics(database.engine)

    plans = plans_of(database.engine, lambda: sweep(job_context(database, clock), clock))

    scanned = [line for plan in plans for line in plan.splitlines() if line.startswith("SCAN")]
    assert len(plans) == len(SWEEPS)
    assert {line.split()[1] for line in scanned} <= {"event_cursors"}, scanned
