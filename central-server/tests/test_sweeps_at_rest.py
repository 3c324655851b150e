"""What happens every second, or every few, reads what is under way and not what ever was: its cost does not grow with the years."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import structlog

from server_support.clock import FakeClock
from server_support.history import store_history
from server_support.plans import gather_statistics, plans_of
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.agents.jobs import release_deleted_agents
from spot_server.features.commands.jobs import close_orphaned_commands
from spot_server.features.control_role.service import list_open
from spot_server.features.heartbeats.jobs import OfflineSweep
from spot_server.features.interruptions.jobs import answer_recommendations
from spot_server.features.kept.jobs import end_kept_instances
from spot_server.features.recoveries.jobs import end_standstills, resume_rescues
from spot_server.features.replicas.jobs import compare_standbys, coordinate_replicas, sweep_replicas
from spot_server.features.switches.jobs import sweep_switches
from spot_server.http.poller import look
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings

PAST_MOVES = 600
MOST_ROWS = PAST_MOVES // 5
"""More than what is under way and the one move in ten that failed, and far less than all."""

GROWING = {"commands", "switches", "switch_steps", "replica_instances", "instances", "events", "tokens", "audit_logs", "notifications"}


def read_open_commands_of_the_control_role(context: JobContext) -> object:
    return context.database.read(list_open)


def look_for_waiters(context: JobContext) -> object:
    return context.database.read(lambda tx: look(tx, with_events=True))


@pytest.mark.parametrize(
    "act",
    [
        sweep_switches,
        sweep_replicas,
        coordinate_replicas,
        end_kept_instances,
        compare_standbys,
        end_standstills,
        resume_rescues,
        answer_recommendations,
        release_deleted_agents,
        close_orphaned_commands,
        OfflineSweep(),
        read_open_commands_of_the_control_role,
        look_for_waiters,
    ],
    ids=lambda act: getattr(act, "__name__", type(act).__name__),
)
def test_nothing_that_is_done_all_the_time_reads_a_growing_table_from_end_to_end(
    database: Database, clock: FakeClock, act: Callable[[JobContext], object]
) -> None:
    story = Story.on(database, clock, has_image=True)
    store_history(story, [timedelta(hours=12 * number) for number in range(1, PAST_MOVES + 1)])
    gather_statistics(database.engine)
    context = JobContext(database, clock, Settings(), Metrics(), structlog.get_logger())

    plans = plans_of(database.engine, lambda: act(context))

    lines = [line for plan in plans for line in plan.splitlines() if len(line.split()) > 1 and line.split()[1] in GROWING]
    assert lines
    assert not [line for line in lines if line.startswith("SCAN") or _rows_of(line) > MOST_ROWS], "\n\n".join(plans)


def _rows_of(line: str) -> int:
    """How many rows the database expects to read; SQLite does not say."""
    found = re.search(r"\((\d+) rows\)", line)
    return int(found.group(1)) if found else 0
