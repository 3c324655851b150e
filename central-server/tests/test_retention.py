"""History is deleted when it is old enough, a little at a time, and it is said how much."""

from __future__ import annotations

from collections import Counter

import pytest
import structlog
from sqlalchemy import select, update

from server_support.clock import FakeClock
from server_support.counting import counted, deletions
from server_support.history import ROWS_PER_MOVE, store_history
from server_support.retention import AGES, NAMED, counts, job_context, metered, names, run, sweep
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import (
    agents,
    instances,
    interruption_sightings,
    notifications,
    spot_interruption_events,
    switch_steps,
    switches,
)
from spot_server.features.retention.rules import Record
from spot_server.jobs.registry import Job
from spot_server.jobs.running import JobRunner


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """An agent that runs well, and eight moves that it made in the last year or so."""
    story = Story.on(database, clock, has_image=True)
    store_history(story, AGES)
    return story


def test_by_default_half_a_year_of_history_is_kept_and_a_year_of_interruptions(story: Story, clock: FakeClock) -> None:
    before = counts(story)

    run(story, clock)

    gone = before - counts(story)
    assert gone == Counter({table.name: 4 * count for table, count in ROWS_PER_MOVE.items()} | {"spot_interruption_events": 1})
    assert names(story, switches.c.switch_id) == names(story, instances.c.instance_id) == NAMED[4:]
    assert names(story, spot_interruption_events.c.event_id) == NAMED[1:]


def test_a_second_run_finds_nothing_and_writes_nothing(story: Story, clock: FakeClock) -> None:
    run(story, clock)

    with counted(story.database.engine) as cost:
        said = run(story, clock)

    assert (said, cost.writes) == ("", 0)
    assert (cost.reads, cost.statements) == (len(Record), len(Record))


def test_what_was_deleted_is_said_in_one_line_and_counted_by_table(story: Story, clock: FakeClock) -> None:
    context = job_context(story.database, clock)
    before = counts(story)
    runner = JobRunner(context, on_lease_lost=lambda: None)

    with structlog.testing.capture_logs() as lines:
        runner.run(Job("sweep_history", 3600.0, lambda context: sweep(context, clock)))

    gone = before - counts(story)
    del gone[switch_steps.name]
    assert metered(context) == gone
    (line,) = [line for line in lines if line["event"] == "job_done"]
    assert "16 events" in line["what"]
    assert "4 switches" in line["what"]


def test_each_batch_is_one_transaction_that_deletes_a_few_rows_by_their_keys(story: Story, clock: FakeClock) -> None:
    with counted(story.database.engine) as cost, deletions(story.database.engine) as deleted:
        run(story, clock, retention_batch_rows=3)

    parts = [rows for table, rows in deleted if table == switch_steps.name]
    wholes = [rows for table, rows in deleted if table not in {switch_steps.name, interruption_sightings.name}]
    assert len(wholes) == cost.writes
    assert 1 <= min(wholes) <= max(wholes) <= 3
    assert max(parts) <= 3 * ROWS_PER_MOVE[switch_steps]
    assert cost.statements - len(deleted) <= cost.reads + cost.writes


def test_a_run_deletes_no_more_than_it_may_and_the_next_ones_go_on(story: Story, clock: FakeClock) -> None:
    before = counts(story)
    said: list[str] = []
    gone: list[int] = []
    while not gone or gone[-1]:
        context = job_context(story.database, clock, retention_batch_rows=4, retention_run_rows=10)
        said.append(sweep(context, clock))
        gone.append(metered(context).total())

    full, (last, none) = gone[:-2], gone[-2:]
    assert set(full) == {10}
    assert (last <= 10, none) == (True, 0)
    assert [sentence.endswith("; the next run goes on") for sentence in said[: len(full)]] == [True] * len(full)
    assert before - counts(story) == Counter({table.name: 4 * n for table, n in ROWS_PER_MOVE.items()} | {"spot_interruption_events": 1})


def of_client(story: Story) -> dict[str, int]:
    """How many rows of each table are of this story's client."""
    owned = [table for table in (*ROWS_PER_MOVE, agents) if "client_id" in table.c]
    return {table.name: len(story.fleet.scalars(select(table).where(table.c.client_id == story.fleet.client_id))) for table in owned}


def test_other_clients_and_what_is_young_are_left_alone(story: Story, clock: FakeClock) -> None:
    stranger = Story.on(story.database, clock, has_image=True)
    before = of_client(stranger)

    run(story, clock)

    assert before == of_client(stranger)


def test_a_notice_that_nobody_read_goes_like_the_others(story: Story, clock: FakeClock) -> None:
    story.fleet.execute(update(notifications).values(read_at=None))

    run(story, clock)

    assert names(story, notifications.c.notification_id) == NAMED[4:]
