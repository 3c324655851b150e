"""An instance that comes when its replica has ended: recorded as ours, told so, never let in, never given work."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, update

from server_support.clock import FakeClock
from server_support.fleet import Fleet, Launched
from server_support.http import Http
from server_support.site import REGISTRATION
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, events, instances, replica_instances, tokens
from spot_server.errors import InstanceNotWanted, TokenInvalid
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign, load_daemons
from spot_server.features.registration.service import Turned
from spot_server.features.replicas.launching import last_primary
from spot_server.words import CommandKind, ReplicaStatus, Role


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


@pytest.fixture
def agent(fleet: Fleet) -> Agent:
    return fleet.agent()


def ended_replica(fleet: Fleet, agent: Agent, *, instance_id: str | None = None) -> Launched:
    """A launch whose answer was lost (unless `instance_id` came of it), for a replica that was given up meanwhile."""
    launched = fleet.launched_replica(agent, instance_id=instance_id)
    values = {"status": ReplicaStatus.TERMINATED, "ended_at": fleet.database.read(lambda tx: tx.now)}
    fleet.execute(update(replica_instances).where(replica_instances.c.replica_id == launched.replica_id).values(**values))
    return launched


def error_of(outcome: Any) -> Exception:
    assert isinstance(outcome, Turned)
    return outcome.error


def test_it_is_recorded_as_a_zombie_and_told_that_nobody_wants_it(fleet: Fleet, agent: Agent) -> None:
    launched = ended_replica(fleet, agent)

    error = error_of(fleet.try_register(launched.nonce, instance_id="i-2"))

    stray = fleet.instance(agent, "i-2")
    assert isinstance(error, InstanceNotWanted)
    assert (stray.role, stray.replica_id, stray.launched_by_server) == (Role.ZOMBIE, launched.replica_id, True)
    assert launched.replica_id in (stray.stray_reason or "")
    assert fleet.scalars(select(events.c.instance_id).where(events.c.kind == "stray_registered")) == ["i-2"]
    assert fleet.scalars(select(audit_logs.c.instance_id).where(audit_logs.c.action == "instance.turned_away")) == ["i-2"]


def test_it_gets_no_token_and_no_work_and_takes_nobodys_place(fleet: Fleet, agent: Agent) -> None:
    fleet.try_register(ended_replica(fleet, agent).nonce, instance_id="i-2")
    daemons = fleet.database.read(lambda tx: load_daemons(tx, agent))
    fleet.set_role(agent, "i-1", Role.TERMINATED)

    known = fleet.database.read(lambda tx: last_primary(tx, agent))
    chosen = fleet.database.read(lambda tx: assign(tx, agent, Act.DESCRIBE, "i-1"))

    assert fleet.scalars(select(tokens.c.token_id).where(tokens.c.instance_id == "i-2")) == []
    assert known is not None
    assert known.instance_id == "i-1"
    assert [daemon.instance_id for daemon in daemons] == ["i-1"]
    assert chosen is None


def test_the_same_again_is_the_same_answer_and_one_record(fleet: Fleet, agent: Agent) -> None:
    launched = ended_replica(fleet, agent)

    errors = [error_of(fleet.try_register(secret, instance_id="i-2")) for secret in (launched.nonce, launched.nonce, fleet.enrolment)]

    assert [type(error) for error in errors] == [InstanceNotWanted] * 3
    assert fleet.scalars(select(func.count()).select_from(audit_logs).where(audit_logs.c.action == "instance.turned_away")) == [1]


def test_one_nonce_records_one_stray(fleet: Fleet, agent: Agent) -> None:
    launched = ended_replica(fleet, agent)
    fleet.try_register(launched.nonce, instance_id="i-2")

    error = error_of(fleet.try_register(launched.nonce, instance_id="i-3"))

    assert isinstance(error, TokenInvalid)
    assert set(fleet.roles(agent)) == {"i-1", "i-2"}


def test_an_instance_in_another_place_than_the_launch_is_refused_and_not_recorded(fleet: Fleet, agent: Agent) -> None:
    launched = ended_replica(fleet, agent)

    error = error_of(fleet.try_register(launched.nonce, instance_id="i-2", instance_type="c5.large"))

    assert isinstance(error, TokenInvalid)
    assert set(fleet.roles(agent)) == {"i-1"}


def test_an_instance_of_a_deleted_agent_is_known_for_what_it_is_even_when_the_name_lives_again(fleet: Fleet, agent: Agent) -> None:
    launched = ended_replica(fleet, agent)
    fleet.delete(agent)
    reborn = fleet.agent(instance_id="i-9")

    error = error_of(fleet.try_register(launched.nonce, instance_id="i-2"))

    assert isinstance(error, InstanceNotWanted)
    assert set(fleet.roles(agent)) == {"i-1", "i-2"}
    assert set(fleet.roles(reborn)) == {"i-9"}


def test_an_instance_that_was_let_in_before_is_still_greeted_as_the_zombie_that_it_is(fleet: Fleet, agent: Agent) -> None:
    launched = fleet.replica_in_place(agent)
    values = {"status": ReplicaStatus.TERMINATED}
    fleet.execute(update(replica_instances).where(replica_instances.c.replica_id == launched.replica_id).values(**values))
    fleet.set_role(agent, "i-2", Role.ZOMBIE)

    again = fleet.register(launched.nonce, instance_id="i-2")

    assert not again.is_new
    assert not fleet.instance(agent, "i-2").is_stray


def test_where_the_launch_was_answered_only_that_instance_is_recorded(fleet: Fleet, agent: Agent) -> None:
    launched = ended_replica(fleet, agent, instance_id="i-2")

    outcomes = [fleet.try_register(launched.nonce, instance_id=instance_id) for instance_id in ("i-3", "i-2", "i-2")]

    assert [type(error_of(outcome)) for outcome in outcomes] == [TokenInvalid, InstanceNotWanted, InstanceNotWanted]
    assert set(fleet.roles(agent)) == {"i-1", "i-2"}


def test_the_page_says_so_in_a_problem_of_its_own(fleet: Fleet, agent: Agent, http: Http) -> None:
    launched = ended_replica(fleet, agent)

    answer = http.as_(launched.nonce).post("/api/agents/register", {**REGISTRATION, "instance_id": "i-2"})

    assert (answer.status, answer.slug, answer.json["instance_id"]) == (409, "instance-not-wanted", "i-2")


def test_one_whose_launch_was_answered_is_terminated_by_the_primary_s_daemon_though_it_came_too_late(
    database: Database, clock: FakeClock
) -> None:
    story = Story.on(database, clock, has_image=True, create_snapshot_on_switch=False)
    story.region.fail(CommandKind.TERMINATE_INSTANCE, "throttled", times=3)
    switch = story.switch()
    story.passes(20, until=lambda: "i-2" in story.region.machines)
    story.cancel(switch)

    story.settles(300)

    assert story.fleet.instance(story.agent, "i-2").is_stray
    assert story.region.machines["i-2"].state == "terminated"
    assert story.roles["i-2"] == Role.TERMINATED
    assert set(story.fleet.scalars(select(instances.c.instance_id).where(instances.c.stray_reason.is_not(None)))) == {"i-2"}
    assert set(story.issued("terminate_instance")) == {"i-1"}
