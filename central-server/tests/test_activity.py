"""When agents are quiet: counted once an hour of what heartbeats say, and waited for by decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.counting import counted
from server_support.deciding import Deciding
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import agent_activity, instances
from spot_server.features.activity.jobs import fold_activity
from spot_server.features.activity.queries import list_due
from spot_server.features.activity.rules import HOURS_OF_WEEK, UNSEEN, Profile, hour_of_week
from spot_server.features.clients.queries import update_client
from spot_server.features.decisions.service import replay
from spot_server.features.heartbeats.service import record_heartbeat
from spot_server.words import Action, Mode, SwitchStatus
from test_heartbeats import BEAT

BEATS_AN_HOUR = 10
QUIET_HOUR = 3
VALUE_PER_MINUTE_USD = Decimal(6)
"""A move by day, with ten seconds of downtime, is worth it, and one at night is worth waiting for."""


@pytest.fixture
def deciding(database: Database, clock: FakeClock) -> Deciding:
    return Deciding.on(database, clock, value_per_minute_usd=VALUE_PER_MINUTE_USD, min_saving_percent=0, terminate_wait_seconds=0)


def profile(deciding: Deciding) -> Profile | None:
    tomorrow = deciding.story.clock.now() + timedelta(days=1)
    return next((one.profile for one in deciding.story.database.read(lambda tx: list_due(tx, tomorrow, after="", most=1))), None)


def hours_counted(deciding: Deciding) -> int:
    found = profile(deciding)
    return 0 if found is None else sum(one.seen_count for one in found.hours)


def beats(deciding: Deciding, busy_ratio: float | None, count: int = BEATS_AN_HOUR, instance_id: str = "i-1") -> None:
    """So many heartbeats, in one transaction: only what they add up to matters here."""

    def act(tx: Transaction) -> None:
        for _ in range(count):
            record_heartbeat(tx, deciding.story.agent_id, instance_id, replace(BEAT, mode=Mode.ON_DEMAND, cpu_busy_ratio=busy_ratio))

    deciding.story.database.write(act)


def an_hour_passes(deciding: Deciding, busy_ratio: float) -> None:
    """One hour of heartbeats, and the job a minute after its end."""
    beats(deciding, busy_ratio)
    deciding.story.clock.advance(3600)
    fold_activity(deciding.context)


def begin(deciding: Deciding) -> None:
    """A minute after the hour: the job reads the counters for the first time."""
    deciding.story.clock.advance(60)
    beats(deciding, 0.5)
    fold_activity(deciding.context)


def days_pass(deciding: Deciding, days: int) -> None:
    """Days that are busy but for the hour from QUIET_HOUR UTC on."""
    for _ in range(24 * days):
        is_quiet = deciding.story.clock.now().hour == QUIET_HOUR
        an_hour_passes(deciding, 0.05 if is_quiet else 0.6)


def decide_at_its_prices(deciding: Deciding) -> datetime:
    """A round of decisions with fresh prices; when it was."""
    deciding.story.see_prices()
    deciding.decide()
    return deciding.story.clock.now()


def test_an_hour_of_heartbeats_is_counted_once_however_often_the_job_runs(deciding: Deciding) -> None:
    begin(deciding)
    beats(deciding, 0.2)
    beats(deciding, 0.4)
    beats(deciding, None)
    deciding.story.clock.advance(3600)

    sentences = [fold_activity(deciding.context) for _ in range(3)]

    found = profile(deciding)
    assert found is not None
    assert sentences == ["counted an hour of 1 agents", "", ""]
    assert [one for one in found.hours if one != UNSEEN] == [(0.3, 1)]
    assert found.hours[hour_of_week(deciding.story.clock.now() - timedelta(hours=1), "UTC")].seen_count == 1


def test_two_that_count_at_the_same_moment_count_the_hour_once(deciding: Deciding) -> None:
    begin(deciding)
    beats(deciding, 0.3)
    deciding.story.clock.advance(3600)

    at_once([lambda: fold_activity(deciding.context)] * 4)

    found = profile(deciding)
    assert found is not None
    assert [one for one in found.hours if one != UNSEEN] == [(0.3, 1)]


def test_an_agent_whose_daemon_does_not_say_has_no_profile(deciding: Deciding) -> None:
    beats(deciding, None)
    deciding.story.clock.advance(3600)

    assert fold_activity(deciding.context) == ""
    assert profile(deciding) is None


def test_a_new_primary_is_counted_from_its_own_first_whole_hour_and_keeps_the_week(deciding: Deciding) -> None:
    begin(deciding)
    an_hour_passes(deciding, 0.2)
    story = deciding.story
    story.fleet.execute(instances.update().where(instances.c.instance_id == "i-1").values(primary_of=None))
    story.fleet.add_instance(story.agent, "i-2")
    story.fleet.execute(instances.update().where(instances.c.instance_id == "i-2").values(primary_of=story.agent_id))
    beats(deciding, 0.9, instance_id="i-2")
    counts = [hours_counted(deciding)]

    for _ in range(2):
        story.clock.advance(3600)
        fold_activity(deciding.context)
        counts.append(hours_counted(deciding))
        beats(deciding, 0.9, instance_id="i-2")

    assert counts == [1, 1, 2]


def test_agents_are_read_and_written_in_batches_and_at_rest_nothing_is_written(deciding: Deciding) -> None:
    for number in range(2, 8):
        deciding.story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0")
    deciding.story.fleet.execute(instances.update().values(cpu_busy_count=5))

    with counted(deciding.story.database.engine) as first:
        sentence = fold_activity(deciding.context)
    with counted(deciding.story.database.engine) as at_rest:
        fold_activity(deciding.context)

    assert sentence == "counted an hour of 7 agents"
    assert (first.statements, at_rest.statements) == (3, 1)


def test_a_deleted_agent_leaves_no_profile(deciding: Deciding) -> None:
    begin(deciding)
    other = deciding.story.fleet.agent("web-2", instance_id="i-20")
    deciding.story.fleet.execute(instances.update().values(cpu_busy_count=50))
    deciding.story.clock.advance(3600)
    fold_activity(deciding.context)

    deciding.story.fleet.delete(other)
    deciding.story.clock.advance(3600)
    fold_activity(deciding.context)

    assert deciding.story.fleet.scalars(select(agent_activity.c.agent_id)) == [deciding.story.agent_id]


def test_a_client_that_moves_to_another_time_zone_is_learned_anew(deciding: Deciding) -> None:
    begin(deciding)
    an_hour_passes(deciding, 0.2)
    client_id = deciding.story.fleet.client_id
    deciding.story.database.write(lambda tx: update_client(tx, client_id, time_zone="Asia/Tokyo", on_demand_discount_ppm=0))

    an_hour_passes(deciding, 0.2)

    found = profile(deciding)
    assert found is not None
    assert (found.time_zone, found.hours) == ("Asia/Tokyo", (UNSEEN,) * HOURS_OF_WEEK)


def test_before_three_days_decisions_know_of_no_quiet_hour(deciding: Deciding) -> None:
    begin(deciding)
    days_pass(deciding, 2)

    decide_at_its_prices(deciding)

    assert deciding.last.action is Action.SWITCH
    assert "quiet" not in deciding.last.reasoning


def test_after_a_week_of_heartbeats_a_move_waits_for_the_night_and_is_made_then(deciding: Deciding) -> None:
    begin(deciding)
    days_pass(deciding, 7)
    while deciding.story.clock.now().hour != 22:
        an_hour_passes(deciding, 0.6)
    decided_at = [decide_at_its_prices(deciding)]
    evening = deciding.last
    while not deciding.story.switches() and len(decided_at) < 10:
        an_hour_passes(deciding, 0.6)
        decided_at.append(decide_at_its_prices(deciding))

    assert evening.action is Action.STAY
    assert f"its quiet hour begins at {decided_at[-1]:%Y-%m-%dT%H}:00:00Z" in evening.reasoning
    assert [moment.hour for moment in decided_at] == [22, 23, 0, 1, 2, QUIET_HOUR]
    assert deciding.last.action is Action.SWITCH
    assert [one.status for one in deciding.story.switches()] != [SwitchStatus.FAILED]


def test_a_decision_that_waits_for_the_night_replays_though_the_agents_hours_changed(deciding: Deciding) -> None:
    begin(deciding)
    days_pass(deciding, 4)
    while deciding.story.clock.now().hour != 22:
        an_hour_passes(deciding, 0.6)
    decide_at_its_prices(deciding)
    decided = deciding.last
    for _ in range(24):
        an_hour_passes(deciding, 0.1)

    again = deciding.story.database.read(lambda tx: replay(tx, decided.decision_id, deciding.story.clock))

    assert "its quiet hour" in decided.reasoning
    assert again.differences == ()
