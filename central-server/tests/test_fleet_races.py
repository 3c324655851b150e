"""What happens at the same time to one agent, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server_support.at_once import at_once
from server_support.clock import START
from server_support.fleet import Fleet
from spot_server.db.runner import Database, Transaction
from spot_server.features.agent_config.service import change_settings
from spot_server.features.agents.queries import load_agent
from spot_server.features.heartbeats.service import Heartbeat, record_heartbeat
from spot_server.features.instances.service import promote
from spot_server.features.registration.service import Registered, Turned
from spot_server.words import Mode, Role


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


def test_a_nonce_used_twice_at_once_makes_one_replica(fleet: Fleet) -> None:
    agent = fleet.agent()
    launched = fleet.launched_replica(agent)

    results = at_once([lambda: fleet.try_register(launched.nonce, instance_id="i-2")] * 3)

    assert sorted(result.is_new for result in results if isinstance(result, Registered)) == [False, False, True]
    assert fleet.roles(agent) == {"i-1": Role.PRIMARY, "i-2": Role.REPLICA}


def test_heartbeats_and_a_promotion_do_not_stand_in_each_others_way(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")
    heartbeat = Heartbeat(1, True, False, Mode.SPOT, "0.1.0", START, {}, 0, 0, {})

    def beat(instance_id: str) -> Callable[[], Any]:
        def act() -> list[int]:
            write = fleet.database.write
            return [write(lambda tx: record_heartbeat(tx, agent.agent_id, instance_id, heartbeat)).epoch for _ in range(10)]

        return act

    def hand_over() -> int | None:
        def act(tx: Transaction) -> int | None:
            held = load_agent(tx, agent.agent_id, for_update=True)
            return promote(tx, agent=held, new_instance_id="i-2", expected_epoch=1, by="test", reason="a race")

        return fleet.database.write(act)

    first, second, epoch = at_once([beat("i-1"), beat("i-2"), hand_over])

    assert epoch == 2
    assert first == sorted(first)
    assert second == sorted(second)
    assert fleet.roles(agent) == {"i-1": Role.ZOMBIE, "i-2": Role.PRIMARY}


def test_deleting_and_installing_again_at_once_leaves_one_living_agent_or_none(fleet: Fleet) -> None:
    agent = fleet.agent()

    deleted, registered = at_once([lambda: fleet.delete(agent), fleet.try_register])

    assert deleted.deleted_at is not None
    assert isinstance(registered, Registered | Turned)
    assert fleet.reload(agent).is_deleted
    if isinstance(registered, Registered) and registered.is_new:
        assert registered.config.agent.agent_id != agent.agent_id


def test_settings_that_exclude_each_other_do_not_get_in_by_two_doors_at_once(fleet: Fleet) -> None:
    agent = fleet.agent()

    def save(name: str) -> Callable[[], Any]:
        return lambda: fleet.database.write(lambda tx: change_settings(tx, fleet.client_id, agent.agent_id, {name: True}, by="test"))

    at_once([save("auto_switch_enabled"), save("manual_replica_enabled")])

    after = fleet.reload(agent)
    assert after.auto_switch_enabled is not after.manual_replica_enabled
    assert after.config_version == 2
