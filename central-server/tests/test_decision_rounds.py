"""Rounds of decisions: stored once a tick, folded while they say the same, acted on through the one mechanism, held back by every guard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, insert, select, update

from server_support.clock import FakeClock
from server_support.counting import counted
from server_support.deciding import Deciding, Says
from server_support.fleet import Fleet
from spot_server.db.runner import Database
from spot_server.db.tables import (
    agents,
    audit_logs,
    decision_documents,
    decisions,
    instances,
    notifications,
    restore_holds,
    spot_interruption_events,
    switches,
)
from spot_server.decision_models import Decision, DecisionInput
from spot_server.decision_models.expected_cost import ExpectedCost
from spot_server.features.decisions.fleet_queries import read_pasts
from spot_server.features.decisions.making import DEFAULT_MODEL
from spot_server.features.decisions.model_queries import moves_since
from spot_server.features.retention.jobs import RetentionSweep
from spot_server.words import Action, AnswerKind, InterruptionKind, Mode, SwitchStatus, SwitchTrigger

CLOSED_WINDOW = {"days": ["thursday"], "starts_at": "02:00", "ends_at": "05:00", "time_zone": "UTC"}
"""The story begins on Thursday, 2026-01-01, at midnight."""


@pytest.fixture
def deciding(database: Database, clock: FakeClock) -> Deciding:
    return Deciding.on(database, clock)


def test_an_agent_on_demand_is_moved_to_spot_by_a_decision_from_beginning_to_end(deciding: Deciding) -> None:
    sentence = deciding.decide()
    decided = deciding.last
    deciding.story.passes(600)

    assert sentence == "decided about 1 agents; of 1 that asked for it, began 1"
    assert (decided.action, decided.answer, decided.held_back_because) == (Action.SWITCH, AnswerKind.ANSWERED, None)
    (switch,) = deciding.story.switches()
    assert (switch.switch_id, switch.trigger, switch.status) == (decided.switch_id, SwitchTrigger.AUTOMATIC, SwitchStatus.COMPLETED)
    assert decided.target == f"{switch.to_mode}/{switch.to_instance_type}/{switch.to_az_id}"
    assert switch.to_mode is Mode.SPOT
    assert deciding.story.region.violations == []


def test_the_audit_log_says_which_model_moved_it_and_why(deciding: Deciding) -> None:
    deciding.decide()

    statement = select(audit_logs.c.user_id, audit_logs.c.reason).where(audit_logs.c.action == "switch.decided")
    (row,) = deciding.story.database.read(lambda tx: tx.execute(statement).all())
    assert row.user_id == "model expected_cost 1"
    assert "less than staying" in row.reason


def test_a_tick_is_decided_once_however_often_the_round_runs(deciding: Deciding) -> None:
    deciding.decide()
    deciding.decide()

    assert [(one.tick_count, one.action) for one in deciding.stored()] == [(1, Action.SWITCH)]
    assert len(deciding.story.switches()) == 1


def test_another_process_that_begins_in_the_same_tick_adds_nothing(deciding: Deciding) -> None:
    deciding.decide()
    Deciding(deciding.story).decide()

    assert len(deciding.stored()) == 1


def test_what_is_said_again_is_counted_and_not_stored_again(deciding: Deciding) -> None:
    deciding.story.set_agent(auto_switch_enabled=False)
    deciding.decide()
    first = deciding.last
    for _ in range(3):
        deciding.next_tick()

    (row,) = deciding.stored()
    assert (row.decision_id, row.tick_count, row.first_tick_at) == (first.decision_id, 4, first.first_tick_at)
    assert row.last_tick_at == first.first_tick_at + timedelta(seconds=900)


def test_while_it_is_moved_nothing_is_decided_and_afterwards_it_is_left_alone(deciding: Deciding) -> None:
    deciding.decide()
    deciding.next_tick()
    deciding.story.passes(600)
    deciding.next_tick()

    assert [one.action for one in deciding.stored()] == [Action.STAY, Action.NO_ACTION, Action.SWITCH]
    assert len(deciding.story.switches()) == 1


def test_where_a_person_moved_it_to_on_demand_it_is_left_alone_though_a_rescue_moved_it_earlier_in_the_day(deciding: Deciding) -> None:
    story = deciding.story
    story.switch()
    story.passes(600)
    story.fleet.execute(update(switches).values(trigger=SwitchTrigger.NOTICE))
    story.clock.advance(5 * 3600)
    story.step()  # its daemon is heard
    story.switch("request-2", mode="on_demand")
    story.passes(600)

    deciding.next_tick()

    assert [switch.status for switch in story.switches()] == [SwitchStatus.COMPLETED] * 2
    assert story.fleet.scalars(select(instances.c.mode).where(instances.c.role == "PRIMARY")) == [Mode.ON_DEMAND]
    assert deciding.last.action is Action.STAY
    assert "not yet: it was moved a short while ago and is left alone until 2026-01-01T07:" in deciding.last.reasoning


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"auto_switch_enabled": False}, "auto_switch_enabled is off"),
        ({"auto_switch_enabled": False, "manual_replica_enabled": True}, "manual_replica_enabled is on: a person decides where it runs"),
        ({"moves_per_day": 0}, "0 moves were made within 24 hours, and moves_per_day is 0"),
        ({"maintenance_window": CLOSED_WINDOW}, "it is outside the maintenance window"),
        ({"enabled": False}, "the agent is disabled"),
    ],
)
def test_every_guard_holds_whatever_a_model_says(deciding: Deciding, settings: dict[str, Any], why: str) -> None:
    eager = Says(Decision(Action.SWITCH, 1.0, "now", "spot/m5.large/use1-az2"))
    deciding.models.made[DEFAULT_MODEL.model_id] = eager
    deciding.story.set_agent(**settings)

    deciding.decide()

    assert deciding.story.switches() == []
    assert deciding.last.held_back_because == why


def test_nothing_is_moved_while_the_database_may_be_a_restored_one(deciding: Deciding, clock: FakeClock) -> None:
    hold = {"agent_id": deciding.story.agent_id, "client_id": deciding.story.fleet.client_id, "instance_id": "i-1", "noted_at": clock.now()}
    deciding.story.fleet.execute(insert(restore_holds).values(**hold, saved_epoch=1, seen_epoch=5))

    deciding.decide()

    assert deciding.story.switches() == []
    assert "restored from a backup" in (deciding.last.held_back_because or "")


def test_a_move_that_the_one_mechanism_refuses_is_a_reason_and_no_failure(deciding: Deciding) -> None:
    deciding.models.made[DEFAULT_MODEL.model_id] = Says(Decision(Action.SWITCH, 1.0, "now", "spot/m5a.large/use1-az1"))
    deciding.story.set_agent(data_volumes=[], carry="volume")

    deciding.decide()

    assert deciding.story.switches() == []
    assert (deciding.last.held_back_because or "").startswith("the data volumes cannot move")


def test_a_disabled_agent_is_recorded_and_not_moved(deciding: Deciding) -> None:
    deciding.story.set_agent(enabled=False)

    deciding.decide()

    assert (deciding.last.action, deciding.last.reasoning) == (Action.NO_ACTION, "the agent is disabled: it is observed, and not moved")


def test_a_window_that_opens_lets_the_waiting_move_begin(deciding: Deciding) -> None:
    deciding.story.set_agent(maintenance_window=CLOSED_WINDOW)
    deciding.decide()
    before = deciding.last
    deciding.story.clock.advance(2 * 3600)
    deciding.story.fleet.note_heartbeats(deciding.story.clock.now())
    deciding.decide()

    assert (before.action, deciding.last.action) == (Action.STAY, Action.SWITCH)
    assert "opens at 2026-01-01T02:00:00Z" in before.reasoning
    assert len(deciding.story.switches()) == 1


def test_a_wanted_replica_is_made_in_the_place_that_the_model_named(deciding: Deciding) -> None:
    deciding.set_mode(Mode.SPOT)
    deciding.models.made[DEFAULT_MODEL.model_id] = Says(Decision(Action.CREATE_REPLICA, 0.7, "it shakes", "spot/m5a.large/use1-az3"))
    deciding.story.set_agent(early_replica_on_warning=True)

    deciding.decide()
    replica = deciding.story.gets_ready()

    assert (replica.az_id, replica.instance_type) == ("use1-az3", "m5a.large")
    assert deciding.stored()[0].replica_id == replica.replica_id
    assert deciding.story.switches() == []


def test_a_wanted_replica_is_held_back_where_nobody_wants_early_ones(deciding: Deciding) -> None:
    deciding.models.made[DEFAULT_MODEL.model_id] = Says(Decision(Action.CREATE_REPLICA, 0.7, "it shakes", "spot/m5a.large/use1-az3"))

    deciding.decide()

    assert deciding.last.held_back_because == "early_replica_on_warning is off"
    assert deciding.story.replicas() == []


def test_a_model_that_fails_counts_as_stay_is_recorded_and_told_of_once_a_day(deciding: Deciding) -> None:
    deciding.models.made[DEFAULT_MODEL.model_id] = Says(RuntimeError("no more ideas"))

    for _ in range(3):
        deciding.next_tick()

    (row,) = deciding.stored()
    assert (row.action, row.answer, row.failure, row.tick_count) == (Action.STAY, AnswerKind.FAILED, "RuntimeError: no more ideas", 3)
    told = deciding.story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "decision_model_failed"))
    assert len(told) == 1
    assert "no more ideas" in told[0]
    assert deciding.metrics.decision_failures.labels("failed")._value.get() == 3


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (Decision(Action.STAY, 1.0, "half a character: \ud800"), AnswerKind.OFF_SCHEMA),
        (Decision(Action.STAY, 1.0, "why", None, {"spot/m5.large/use1-az2": "\ud800"}), AnswerKind.OFF_SCHEMA),
        (RuntimeError("half a character: \ud800"), AnswerKind.FAILED),
    ],
)
def test_text_that_no_database_takes_ends_no_round(deciding: Deciding, said: Decision | Exception, answer: AnswerKind) -> None:
    deciding.models.made[DEFAULT_MODEL.model_id] = Says(said)

    deciding.decide()

    assert (deciding.last.action, deciding.last.answer) == (Action.STAY, answer)


def test_markets_are_stored_once_and_not_once_per_agent_and_tick(deciding: Deciding) -> None:
    deciding.story.set_agent(auto_switch_enabled=False)
    for number in range(2, 6):
        deciding.story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0")
    deciding.decide()
    count = deciding.story.fleet.scalars(select(func.count()).select_from(decision_documents))[0]
    deciding.next_tick()

    assert count <= 14
    assert deciding.story.fleet.scalars(select(func.count()).select_from(decision_documents))[0] == count


def test_statements_grow_with_batches_and_not_with_agents(deciding: Deciding) -> None:
    deciding.story.set_agent(auto_switch_enabled=False)
    deciding.decide()
    with counted(deciding.story.database.engine) as one:
        deciding.next_tick()
    for number in range(2, 32):
        deciding.story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0")
    deciding.next_tick()
    with counted(deciding.story.database.engine) as many:
        deciding.next_tick()

    assert many.statements <= one.statements + 2
    assert (many.reads, many.writes) == (one.reads, one.writes)


def test_at_most_twenty_moves_begin_in_a_round_and_the_rest_in_the_next(deciding: Deciding) -> None:
    for number in range(2, 27):
        deciding.story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0", image_id="ami-own")
    everybody = update(agents).values(auto_switch_enabled=True, allowed_instance_types=["m5.large", "m5a.large"])
    deciding.story.fleet.execute(everybody.values(base_image_id="ami-base", create_snapshot_on_switch=False))
    deciding.story.fleet.execute(update(instances).values(mode=Mode.ON_DEMAND))
    running = select(func.count()).select_from(switches)

    deciding.decide()
    first = deciding.story.fleet.scalars(running)[0]
    deciding.story.clock.advance(300)
    deciding.decide()

    assert (first, deciding.story.fleet.scalars(running)[0]) == (20, 26)


def test_what_settings_hold_back_is_written_down_for_the_whole_batch(deciding: Deciding, engine: Engine) -> None:
    everybody = update(agents).values(auto_switch_enabled=False, allowed_instance_types=["m5.large", "m5a.large"])
    deciding.story.fleet.execute(everybody)
    transactions: list[Connection] = []
    event.listen(engine, "begin", transactions.append)
    deciding.decide()
    of_one = len(transactions)
    for number in range(2, 12):
        deciding.story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0", image_id="ami-own")
    deciding.story.fleet.execute(everybody)
    deciding.story.fleet.execute(update(instances).values(mode=Mode.ON_DEMAND))
    deciding.story.clock.advance(300)
    transactions.clear()

    deciding.decide()

    assert set(deciding.story.fleet.scalars(select(decisions.c.held_back_because))) == {"auto_switch_enabled is off"}
    assert len(transactions) <= of_one


@dataclass
class SurestAbout:
    """The built-in model, but surer about these agents than about all others."""

    agent_ids: set[str]

    def decide(self, given: DecisionInput) -> Decision:
        return replace(ExpectedCost().decide(given), confidence=1.0 if given.agent_id in self.agent_ids else 0.5)


def test_moves_that_are_refused_again_and_again_keep_no_other_from_its_turn(deciding: Deciding, clock: FakeClock) -> None:
    story = deciding.story
    held = [story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0", image_id="ami-own") for number in range(2, 22)]
    hold = {"agent_id": story.agent_id, "client_id": story.fleet.client_id, "instance_id": "i-1", "noted_at": clock.now()}
    story.fleet.execute(insert(restore_holds).values(**hold, saved_epoch=1, seen_epoch=5))
    other = Fleet.on(story.database).agent("shop", instance_id="i-77", image_id="ami-own")
    everybody = update(agents).values(auto_switch_enabled=True, allowed_instance_types=["m5.large", "m5a.large"])
    story.fleet.execute(everybody.values(base_image_id="ami-base", create_snapshot_on_switch=False))
    story.fleet.execute(update(instances).values(mode=Mode.ON_DEMAND))
    deciding.models.made[DEFAULT_MODEL.model_id] = SurestAbout({story.agent_id, *(agent.agent_id for agent in held)})

    sentence = deciding.decide()

    assert sentence == "decided about 22 agents; of 22 that asked for it, began 1"
    assert story.fleet.scalars(select(switches.c.agent_id)) == [other.agent_id]


def take(deciding: Deciding, instance_id: str, *kinds: InterruptionKind, game_day_id: str | None = None) -> None:
    """EC2 takes an instance, and says so in as many ways."""
    for kind in kinds:
        values = {
            "event_id": f"{instance_id}-{kind}-{game_day_id}",
            "notice_id": f"{instance_id}-{kind}-{game_day_id}",
            "client_id": deciding.story.fleet.client_id,
            "agent_id": deciding.story.agent_id,
            "instance_id": instance_id,
            "kind": kind,
            "instance_role": "PRIMARY",
            "region": "us-east-1",
            "az_id": "use1-az1",
            "instance_type": "m5.large",
            "detected_at": deciding.story.clock.now(),
            "received_at": deciding.story.clock.now(),
            "response": "handover",
            "game_day_id": game_day_id,
        }
        deciding.story.fleet.execute(insert(spot_interruption_events).values(values))


def test_a_loss_is_counted_once_and_one_that_was_played_never(deciding: Deciding) -> None:
    take(deciding, "i-1", InterruptionKind.TERMINATE, game_day_id="g-1")
    played = deciding.story.database.read(lambda tx: read_pasts(tx, [deciding.story.agent_id], lasting_until=deciding.story.clock.now()))[
        deciding.story.agent_id
    ]
    take(deciding, "i-1", InterruptionKind.TERMINATE, InterruptionKind.LOSS)
    taken = deciding.story.database.read(lambda tx: read_pasts(tx, [deciding.story.agent_id], lasting_until=deciding.story.clock.now()))[
        deciding.story.agent_id
    ]

    assert (played.losses_in_day, taken.losses_in_day) == (0, 1)


def test_a_models_move_that_was_lost_is_counted_once_and_one_that_was_played_never(deciding: Deciding) -> None:
    deciding.decide()
    deciding.story.passes(600)
    (switch,) = deciding.story.switches()
    since = switch.initiated_at - timedelta(hours=1)

    def lost() -> int:
        return deciding.story.database.read(lambda tx: moves_since(tx, since))[DEFAULT_MODEL.model_id].lost_within_day

    take(deciding, switch.to_instance_id or "", InterruptionKind.TERMINATE, game_day_id="g-1")
    played = lost()
    take(deciding, switch.to_instance_id or "", InterruptionKind.TERMINATE, InterruptionKind.LOSS)

    assert (played, lost()) == (0, 1)


def test_an_agent_that_is_deleted_is_decided_about_no_more(deciding: Deciding) -> None:
    other = Fleet.on(deciding.story.database).agent("shop", instance_id="i-77")
    Fleet(deciding.story.database, other.client_id, "").delete(other)

    deciding.decide()

    assert deciding.stored(agent_id=other.agent_id) == []


def test_decisions_and_their_markets_go_when_they_are_old(deciding: Deciding, clock: FakeClock) -> None:
    deciding.decide()
    clock.advance(31 * 86_400)
    RetentionSweep(clock)(deciding.context)
    assert deciding.stored() == []

    # They are kept a day longer: a decision that stands is stored with them once an hour alone.
    clock.advance(86_400)
    RetentionSweep(clock)(deciding.context)

    assert deciding.story.fleet.scalars(select(func.count()).select_from(decision_documents)) == [0]
