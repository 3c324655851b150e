"""The role table, walked whole, and the promotion transaction on both databases."""

from __future__ import annotations

import threading
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from server_support.fleet import Fleet
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import audit_logs, events, instances, tokens
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.instances.rules import EVENT_MEANINGS, ROLE_MEANINGS, TRANSITIONS, IllegalTransition, RoleEvent, next_role
from spot_server.features.instances.service import change_role, promote
from spot_server.words import Role

ROLES: list[Role | None] = [None, *Role]


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


@pytest.mark.parametrize(("role", "event"), list(product(ROLES, RoleEvent)))
def test_every_role_and_event_either_has_a_next_role_or_is_refused(role: Role | None, event: RoleEvent) -> None:
    if (role, event) in TRANSITIONS:
        assert next_role(role, event) is TRANSITIONS[(role, event)]
    else:
        with pytest.raises(IllegalTransition):
            next_role(role, event)


def test_every_role_and_every_event_has_its_sentence() -> None:
    assert set(ROLE_MEANINGS) == set(ROLES)
    assert set(EVENT_MEANINGS) == set(RoleEvent)


def test_nothing_leaves_terminated_and_only_promotion_a_way_back_or_a_first_registration_make_a_primary() -> None:
    to_primary = {event for (_, event), role in TRANSITIONS.items() if role is Role.PRIMARY}

    assert not [event for role, event in TRANSITIONS if role is Role.TERMINATED]
    assert to_primary == {RoleEvent.FIRST_REGISTERED, RoleEvent.PROMOTED, RoleEvent.RESTORED, RoleEvent.CALLED_BACK}


def swap(fleet: Fleet, agent: Agent, new_instance_id: str, *, undo: bool = False) -> int | None:
    def act(tx: Transaction) -> int | None:
        return promote(
            tx,
            agent=agent,
            new_instance_id=new_instance_id,
            expected_epoch=agent.epoch,
            by="test",
            reason="a test",
            event=RoleEvent.RESTORED if undo else RoleEvent.PROMOTED,
        )

    return fleet.database.write(act)


def last_audit(fleet: Fleet) -> Any:
    return fleet.database.read(lambda tx: tx.execute(select(audit_logs).order_by(audit_logs.c.audit_id.desc()).limit(1)).one())


def test_a_promotion_swaps_the_roles_raises_the_epoch_and_leaves_audit_and_event(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")
    agent = fleet.reload(agent)

    epoch = swap(fleet, agent, "i-2")

    after = fleet.reload(agent)
    assert (epoch, after.epoch, after.config_version) == (2, 2, agent.config_version + 1)
    assert fleet.roles(agent) == {"i-1": Role.ZOMBIE, "i-2": Role.PRIMARY}
    row = last_audit(fleet)
    assert row.pre_state == {"epoch": 1, "roles": {"i-1": "PRIMARY", "i-2": "REPLICA"}}
    assert row.post_state == {"epoch": 2, "roles": {"i-1": "ZOMBIE", "i-2": "PRIMARY"}}
    kinds = fleet.database.read(lambda tx: list(tx.execute(select(events.c.kind).order_by(events.c.sequence)).scalars()))
    assert kinds[-1] == "promoted"


def test_a_handover_is_undone_under_a_new_epoch(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")
    swap(fleet, fleet.reload(agent), "i-2")

    epoch = swap(fleet, fleet.reload(agent), "i-1", undo=True)

    assert epoch == 3
    assert fleet.roles(agent) == {"i-1": Role.PRIMARY, "i-2": Role.ZOMBIE}


def test_a_zombie_is_not_promoted_other_than_by_an_undo(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")
    swap(fleet, fleet.reload(agent), "i-2")
    agent = fleet.reload(agent)

    with pytest.raises(IllegalTransition):
        swap(fleet, agent, "i-1")

    assert fleet.reload(agent).epoch == agent.epoch


def test_a_replica_takes_over_where_no_primary_is_left(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")
    fleet.set_role(agent, "i-1", Role.TERMINATED)

    epoch = swap(fleet, fleet.reload(agent), "i-2")

    assert epoch == 2
    assert fleet.roles(agent) == {"i-1": Role.TERMINATED, "i-2": Role.PRIMARY}


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")
    fleet.replica_in_place(agent, "i-3")
    seen = fleet.reload(agent)
    barrier = threading.Barrier(2)
    epochs: list[int | None] = []

    def race(instance_id: str) -> None:
        barrier.wait()
        epochs.append(swap(fleet, seen, instance_id))

    threads = [threading.Thread(target=race, args=(name,)) for name in ("i-2", "i-3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(epochs, key=str) == [2, None]
    assert sorted(fleet.roles(agent).values()).count(Role.PRIMARY) == 1


def test_a_promotion_of_a_deleted_agent_is_lost(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")
    agent = fleet.reload(agent)
    fleet.delete(agent)

    assert swap(fleet, fleet.reload(agent), "i-2") is None


def test_the_database_itself_refuses_a_second_primary(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")
    force = update(instances).where(instances.c.instance_id == "i-2").values(primary_of=agent.agent_id)

    with pytest.raises(IntegrityError):
        fleet.execute(force)


def test_a_terminated_instances_token_dies_and_a_zombies_does_not(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.replica_in_place(agent, "i-2")

    def act(tx: Transaction) -> None:
        load_agent(tx, agent.agent_id, for_update=True)
        change_role(tx, agent_id=agent.agent_id, instance_id="i-2", event=RoleEvent.RETIRED, reason="", by="test")

    fleet.database.write(act)
    living = select(tokens.c.instance_id).where(tokens.c.agent_id == agent.agent_id, tokens.c.revoked_at.is_(None))
    while_zombie = fleet.database.read(lambda tx: sorted(tx.execute(living).scalars()))
    fleet.database.write(
        lambda tx: change_role(tx, agent_id=agent.agent_id, instance_id="i-2", event=RoleEvent.TERMINATED, reason="EC2 says so", by="test")
    )

    assert while_zombie == ["i-1", "i-2"]
    assert fleet.database.read(lambda tx: list(tx.execute(living).scalars())) == ["i-1"]
    assert fleet.instance(agent, "i-2").terminated_at is not None
