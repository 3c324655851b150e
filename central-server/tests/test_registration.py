"""Who may register, as what, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from server_support.builders import create_enrolment_token
from server_support.clock import START, FakeClock
from server_support.fleet import Fleet
from spot_server.db.runner import Database
from spot_server.db.tables import agents, commands, notifications, replica_instances, tokens
from spot_server.errors import InstanceNotMatchedYet, InstanceOwned, ProductError, TokenInvalid, UnexpectedInstance
from spot_server.features.registration.service import Registered, Turned
from spot_server.features.tokens.service import digest_of
from spot_server.policy import MovePolicy
from spot_server.words import Mode, Role, TokenKind


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


def error_of(outcome: Registered | Turned) -> ProductError:
    assert isinstance(outcome, Turned)
    return outcome.error


def kinds_told(database: Database) -> list[str]:
    return database.read(lambda tx: list(tx.execute(select(notifications.c.kind)).scalars()))


def test_the_first_instance_of_an_agent_becomes_its_primary_with_the_settings_of_its_environment(fleet: Fleet) -> None:
    registered = fleet.register()

    assert registered.is_new
    assert registered.config.is_primary
    assert registered.config.agent.epoch == 1
    assert registered.config.agent.allowed_instance_types == ["m5.large"]
    assert registered.config.agent.traffic_handles == [{"kind": "elastic_ip", "allocation_id": "eipalloc-1"}]
    assert kinds_told(fleet.database) == ["no_image_yet"]


def test_a_new_agent_holds_replicas_after_recommendations_as_long_as_the_server_is_set_to(database: Database) -> None:
    database.policy = MovePolicy(rebalance_hold_seconds=77)

    registered = Fleet.on(database).register()

    assert registered.config.agent.rebalance_hold_seconds == 77


def test_the_same_instance_again_is_the_same_agent_uses_up_nothing_and_gets_a_fresh_token(database: Database) -> None:
    fleet = Fleet.on(database)
    once = create_enrolment_token(database, fleet.client_id, uses_left=1)

    first = fleet.register(once)
    again = fleet.register(once)

    assert not again.is_new
    assert again.config.agent.agent_id == first.config.agent.agent_id
    assert again.token != first.token
    assert fleet.scalars(select(tokens.c.uses_left).where(tokens.c.token_sha256 == digest_of(once))) == [0]


def test_registering_again_revokes_only_a_token_that_was_never_used(fleet: Fleet) -> None:
    unused = fleet.register().token
    used = fleet.register().token
    fleet.execute(update(tokens).where(tokens.c.token_sha256 == digest_of(used)).values(first_used_at=START))

    fresh = fleet.register().token

    statement = select(tokens.c.token_sha256).where(tokens.c.revoked_at.is_(None), tokens.c.kind == TokenKind.AGENT)
    living = fleet.database.read(lambda tx: set(tx.execute(statement).scalars()))
    assert living == {digest_of(used), digest_of(fresh)}
    assert digest_of(unused) not in living


@pytest.mark.parametrize(
    ("members", "pattern"),
    [({"uses_left": 0}, "*"), ({}, "db-*"), ({"expires_at": FakeClock().now() - timedelta(seconds=1)}, "*")],
    ids=["used up", "for others", "expired"],
)
def test_an_enrolment_token_that_is_used_up_for_others_or_expired_registers_nothing(
    database: Database, members: dict[str, Any], pattern: str
) -> None:
    fleet = Fleet.on(database)
    secret = create_enrolment_token(database, fleet.client_id, pattern, **members)

    outcome = fleet.try_register(secret)

    assert isinstance(error_of(outcome), TokenInvalid)
    assert database.read(lambda tx: tx.execute(select(func.count()).select_from(agents)).scalar_one()) == 0


def test_another_instance_under_a_live_logical_id_is_refused_and_the_client_is_told_once(fleet: Fleet) -> None:
    agent = fleet.agent()

    first = fleet.try_register(instance_id="i-9")
    second = fleet.try_register(instance_id="i-9")

    assert isinstance(error_of(first), UnexpectedInstance)
    assert isinstance(error_of(second), UnexpectedInstance)
    assert fleet.roles(agent) == {"i-1": Role.PRIMARY}
    assert kinds_told(fleet.database).count("unexpected_instance") == 1


def test_an_instance_stands_in_when_ec2_says_that_all_others_are_gone(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.set_role(agent, "i-1", Role.TERMINATED)

    registered = fleet.register(instance_id="i-9")

    assert registered.config.agent.agent_id == agent.agent_id
    assert registered.config.agent.epoch == agent.epoch + 1
    assert fleet.roles(agent) == {"i-1": Role.TERMINATED, "i-9": Role.PRIMARY}


@pytest.mark.parametrize("role", [Role.PRIMARY, Role.REPLICA, Role.ZOMBIE])
def test_nothing_stands_in_while_any_other_instance_may_still_run(fleet: Fleet, role: Role) -> None:
    agent = fleet.agent()
    fleet.set_role(agent, "i-1", role)

    outcome = fleet.try_register(instance_id="i-9")

    assert isinstance(error_of(outcome), UnexpectedInstance)


def test_an_instance_that_another_controller_owns_is_refused(fleet: Fleet) -> None:
    outcome = fleet.try_register(owner="asg/web")

    assert isinstance(error_of(outcome), InstanceOwned)


def test_a_launched_instance_becomes_a_replica_of_the_same_agent_and_its_nonce_is_spent(fleet: Fleet) -> None:
    agent = fleet.agent()
    launched = fleet.launched_replica(agent, instance_id="i-2")

    registered = fleet.register(launched.nonce, instance_id="i-2")

    assert registered.config.agent.agent_id == agent.agent_id
    assert fleet.roles(agent) == {"i-1": Role.PRIMARY, "i-2": Role.REPLICA}
    assert isinstance(error_of(fleet.try_register(launched.nonce, instance_id="i-3")), TokenInvalid)


def test_a_replica_whose_answer_was_lost_may_register_once_more_with_its_nonce(fleet: Fleet) -> None:
    agent = fleet.agent()
    launched = fleet.replica_in_place(agent)

    again = fleet.register(launched.nonce, instance_id="i-2")

    assert not again.is_new
    assert fleet.roles(agent)["i-2"] is Role.REPLICA


def test_a_nonce_whose_launch_is_not_recorded_yet_has_to_wait(fleet: Fleet) -> None:
    launched = fleet.launched_replica(fleet.agent(), instance_id=None)

    outcome = fleet.try_register(launched.nonce, instance_id="i-2")

    error = error_of(outcome)
    assert isinstance(error, InstanceNotMatchedYet)
    assert error.extensions["retry_after_seconds"] > 0


def test_when_the_launching_instance_is_gone_type_and_zone_vouch_for_the_claimant(fleet: Fleet) -> None:
    agent = fleet.agent()
    launched = fleet.launched_replica(agent, instance_id=None)
    fleet.set_role(agent, "i-1", Role.TERMINATED)
    launched_at = START - timedelta(seconds=40)

    fleet.register(launched.nonce, instance_id="i-2", launched_at=launched_at)

    columns = replica_instances.c
    statement = select(columns.instance_id, columns.launched_at).where(columns.replica_id == launched.replica_id)
    assert fleet.database.read(lambda tx: tx.execute(statement).one()) == ("i-2", launched_at)


def test_after_the_commands_deadline_a_claimant_of_another_type_is_refused(fleet: Fleet, clock: FakeClock) -> None:
    launched = fleet.launched_replica(fleet.agent(), instance_id=None)
    clock.advance(200)

    outcome = fleet.try_register(launched.nonce, instance_id="i-2", instance_type="c5.large")

    assert isinstance(error_of(outcome), TokenInvalid)


def test_settings_of_the_environment_count_at_the_first_registration_only(fleet: Fleet) -> None:
    agent = fleet.agent()

    fleet.register(settings={"carry": "image_after_quiesce", "auto_terminate_enabled": False})

    after = fleet.reload(agent)
    assert after.carry == agent.carry
    assert after.auto_terminate_enabled
    assert fleet.instance(agent, "i-1").effective_settings["auto_terminate_enabled"] is False


def test_an_unknown_mode_is_taken_in_and_told(fleet: Fleet) -> None:
    fleet.register(mode=Mode.UNKNOWN, mode_evidence={"metadata": "spot", "api": "on_demand"})

    assert "mode_unknown" in kinds_told(fleet.database)


def test_two_first_registrations_at_once_make_one_agent_and_one_primary(fleet: Fleet) -> None:
    barrier = threading.Barrier(4)
    outcomes: list[Registered | Turned] = []

    def arrive(number: int) -> None:
        barrier.wait()
        outcomes.append(fleet.try_register(instance_id=f"i-{number}"))

    threads = [threading.Thread(target=arrive, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    taken_in = [outcome for outcome in outcomes if isinstance(outcome, Registered)]
    assert len(taken_in) == 1
    assert len(outcomes) == 4
    assert len(fleet.roles(taken_in[0].config.agent)) == 1


def test_one_use_registers_one_agent_however_many_try_at_once(fleet: Fleet) -> None:
    once = create_enrolment_token(fleet.database, fleet.client_id, uses_left=1)
    barrier = threading.Barrier(4)
    outcomes: list[object] = []

    def arrive(number: int) -> None:
        barrier.wait()
        try:
            outcomes.append(fleet.try_register(once, logical_agent_id=f"web-{number}", instance_id=f"i-{number}"))
        except TokenInvalid as error:
            outcomes.append(error)

    threads = [threading.Thread(target=arrive, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 4
    assert sum(isinstance(outcome, Registered) for outcome in outcomes) == 1
    assert fleet.database.read(lambda tx: tx.execute(select(func.count()).select_from(agents)).scalar_one()) == 1


def test_a_spent_command_no_longer_holds_a_claimant_back(fleet: Fleet) -> None:
    launched = fleet.launched_replica(fleet.agent(), instance_id=None)
    expire = update(commands).where(commands.c.command_id == launched.command_id).values(status="expired")
    fleet.execute(expire)

    assert fleet.register(launched.nonce, instance_id="i-2").is_new
