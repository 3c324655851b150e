"""A replica that a decision wants stands by without a gap: its hold is lengthened in time, and nothing is launched instead."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, update

from server_support.clock import FakeClock
from server_support.deciding import PERIOD_SECONDS, Deciding, Says
from spot_server.db.runner import Database
from spot_server.db.tables import agents, events, instances, replica_instances
from spot_server.decision_models import Decision
from spot_server.features.decisions.making import DEFAULT_MODEL
from spot_server.features.replicas.queries import Replica
from spot_server.words import Action, InterruptionKind, Mode, ReplicaStatus

HOLD_SECONDS = 1800
WANTS_ONE = {"early_replica_on_warning": True, "rebalance_hold_seconds": HOLD_SECONDS, "value_per_minute_usd": Decimal(9999)}
"""At this value of a minute the built-in model has a replica ready even where a loss is unlikely."""


@pytest.fixture
def deciding(database: Database, clock: FakeClock) -> Deciding:
    """An agent on spot that stays where it is, and for which a replica is worth its price."""
    deciding = Deciding.on(database, clock, auto_switch_enabled=False, min_saving_percent=100, **WANTS_ONE)
    deciding.set_mode(Mode.SPOT)
    return deciding


def pass_ticks(deciding: Deciding, count: int) -> None:
    """Let daemons, jobs and decisions go on for that many ticks."""
    for _ in range(count):
        deciding.story.passes(PERIOD_SECONDS, step_seconds=30)
        deciding.story.see_prices()
        deciding.decide()


def hold_of(deciding: Deciding) -> datetime:
    """Until when the agent's one live replica is held."""
    (replica,) = live(deciding)
    assert replica.hold_until is not None
    return replica.hold_until


def live(deciding: Deciding) -> list[Replica]:
    return [replica for replica in deciding.story.replicas() if replica.is_live]


def lengthened(deciding: Deciding) -> int:
    return int(deciding.story.fleet.scalars(select(func.count()).where(events.c.kind == "replica_held_longer"))[0])


def says(deciding: Deciding, target: str) -> None:
    """Have a model that always asks for a replica there."""
    deciding.models.made[DEFAULT_MODEL.model_id] = Says(Decision(Action.CREATE_REPLICA, 0.7, "it shakes", target))


def test_a_replica_that_is_worth_its_price_stands_by_past_its_hold_and_is_launched_once(deciding: Deciding) -> None:
    deciding.decide()
    replica = deciding.story.gets_ready()
    seen = []
    for _ in range(12):
        pass_ticks(deciding, 1)
        seen.append([(one.replica_id, one.status) for one in live(deciding)])

    assert seen == [[(replica.replica_id, ReplicaStatus.READY)]] * 12
    assert len(deciding.story.replicas()) == 1
    assert hold_of(deciding) >= deciding.story.clock.now() + timedelta(seconds=2 * PERIOD_SECONDS)
    assert lengthened(deciding) >= 2


def test_a_decision_that_lengthened_a_hold_names_the_replica_and_says_so_once(deciding: Deciding) -> None:
    deciding.decide()
    (replica,) = live(deciding)
    deciding.story.clock.advance(HOLD_SECONDS - PERIOD_SECONDS)
    deciding.story.see_prices()

    sentence = deciding.decide()
    Deciding(deciding.story).decide()

    assert sentence == "decided about 1 agents; of 1 that asked for it, began 1"
    assert (deciding.last.action, deciding.last.replica_id) == (Action.CREATE_REPLICA, replica.replica_id)
    assert (deciding.last.held_back_because, deciding.last.acted_at) == (None, deciding.story.clock.now())
    assert hold_of(deciding) == deciding.story.clock.now() + timedelta(seconds=HOLD_SECONDS)
    assert lengthened(deciding) == 1


def test_a_replica_that_is_no_longer_worth_its_price_stands_down_when_its_hold_is_over(deciding: Deciding) -> None:
    deciding.decide()
    deciding.story.gets_ready()
    deciding.story.set_agent(value_per_minute_usd=Decimal(0))

    pass_ticks(deciding, 7)

    assert [one.status for one in deciding.story.replicas()] == [ReplicaStatus.TERMINATED]


@pytest.mark.parametrize("held_seconds", [2 * PERIOD_SECONDS, HOLD_SECONDS, 4 * HOLD_SECONDS])
def test_a_hold_that_lasts_until_the_tick_after_next_is_left_alone(deciding: Deciding, held_seconds: int) -> None:
    says(deciding, "spot/m5a.large/use1-az3")
    deciding.decide()
    until = deciding.story.clock.now() + timedelta(seconds=PERIOD_SECONDS + held_seconds)
    deciding.story.fleet.execute(update(replica_instances).values(hold_until=until))

    deciding.next_tick()

    assert hold_of(deciding) == until
    assert deciding.last.held_back_because == "it has a replica"
    assert lengthened(deciding) == 0


def test_a_hold_is_never_shortened(deciding: Deciding) -> None:
    says(deciding, "spot/m5a.large/use1-az3")
    deciding.decide()
    until = deciding.story.clock.now() + timedelta(seconds=2.5 * PERIOD_SECONDS)
    deciding.story.fleet.execute(update(replica_instances).values(hold_until=until))
    deciding.story.set_agent(rebalance_hold_seconds=60)

    deciding.next_tick()

    assert hold_of(deciding) == until
    assert deciding.last.held_back_because == "its replica is held for longer already than rebalance_hold_seconds from now"


def test_the_hold_that_a_recommendation_gave_is_lengthened_and_nothing_else_of_it_is_changed(deciding: Deciding) -> None:
    deciding.story.notice(kind=InterruptionKind.REBALANCE)
    before = deciding.story.gets_ready()
    deciding.story.clock.advance(HOLD_SECONDS - PERIOD_SECONDS)
    deciding.story.see_prices()

    deciding.decide()

    (after,) = deciding.story.replicas()
    assert after == replace(before, hold_until=deciding.story.clock.now() + timedelta(seconds=HOLD_SECONDS), version=before.version + 1)


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({}, "on_demand/m5.large/use1-az2"),
        ({"instance_type": "m5.large", "az_id": "use1-az1"}, "spot/m5a.large/use1-az3"),
    ],
)
def test_one_that_is_not_what_is_wanted_is_not_kept_for_it(deciding: Deciding, change: dict[str, str], target: str) -> None:
    """Paid for in another mode, or beside the PRIMARY by now: another one is launched while it is still there."""
    says(deciding, "spot/m5a.large/use1-az3")
    deciding.decide()
    (first,) = live(deciding)
    until = deciding.story.clock.now() + timedelta(seconds=2 * PERIOD_SECONDS)
    deciding.story.fleet.execute(update(replica_instances).values(hold_until=until, **change))
    says(deciding, target)

    deciding.next_tick()

    kept, second = sorted(live(deciding), key=lambda one: one.replica_id != first.replica_id)
    assert (kept.hold_until, second.replica_id) == (until, deciding.last.replica_id)
    assert "/".join(second.wish[name] for name in ("mode", "instance_type", "az_id")) == target


def test_holds_are_lengthened_however_many_replicas_begin_in_a_round(deciding: Deciding) -> None:
    for number in range(2, 27):
        deciding.story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0", image_id="ami-own")
    everybody = update(agents).values(allowed_instance_types=["m5.large", "m5a.large"], base_image_id="ami-base", **WANTS_ONE)
    where = deciding.story.agent.launch_specification
    deciding.story.fleet.execute(everybody.values(create_snapshot_on_switch=False, launch_specification=where))
    deciding.story.fleet.execute(update(instances).values(mode=Mode.SPOT))
    says(deciding, "spot/m5a.large/use1-az3")
    deciding.decide()
    deciding.next_tick()
    held = select(func.count()).select_from(replica_instances)
    count = deciding.story.fleet.scalars(held)[0]
    deciding.story.clock.advance(HOLD_SECONDS - PERIOD_SECONDS)
    deciding.story.see_prices()

    deciding.decide()

    lasting = held.where(replica_instances.c.hold_until == deciding.story.clock.now() + timedelta(seconds=HOLD_SECONDS))
    assert count == 26
    assert (deciding.story.fleet.scalars(held)[0], deciding.story.fleet.scalars(lasting)[0]) == (26, 26)
