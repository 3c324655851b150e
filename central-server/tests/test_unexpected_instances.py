"""An instance that claims to be an agent which lives elsewhere: told of, approved as a standby, or refused."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.region import Machine
from server_support.story import Story
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs
from spot_server.errors import MoveRefused, NotFound, RequestIdReused, StateConflict, UnexpectedInstance
from spot_server.features.registration.service import Registered, Turned
from spot_server.features.replicas import service as replica_service
from spot_server.features.unexpected import service
from spot_server.features.unexpected.queries import UnexpectedInstance as Claim
from spot_server.words import CommandKind, Mode, ReplicaStatus, SwitchStatus, Verdict

STRANGER = "i-77"


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock)


def comes(story: Story) -> Registered | Turned:
    """The stranger registers with an enrolment token for the agent's name, as its daemon does again and again."""
    return story.fleet.try_register(instance_id=STRANGER, instance_type="m5.large", az_id="use1-az2", image_id="ami-theirs", mode=Mode.SPOT)


def decide(story: Story, verdict: Verdict, request_id: str = "decision-1", instance_id: str = STRANGER) -> Claim:
    act = partial(service.decide, verdict=verdict, request_id=request_id, user_id="tester")
    return story.database.write(lambda tx: act(tx, story.fleet.client_id, story.agent_id, instance_id))


def claims(story: Story) -> list[Claim]:
    page = story.database.read(lambda tx: service.list_claims(tx, story.fleet.client_id, limit=50, cursor=None))
    return list(page.items)


def joins(story: Story) -> None:
    """The stranger is approved, and runs from then on like every instance of the region."""
    comes(story)
    decide(story, Verdict.APPROVED)
    story.region.machines[STRANGER] = Machine(STRANGER, "m5.large", "use1-az2", "spot", nonce=story.fleet.enrolment)
    story.passes(20, until=lambda: any(one.status is ReplicaStatus.READY for one in story.replicas()))


def test_a_claim_is_kept_once_with_when_it_was_made_first_and_last(story: Story, clock: FakeClock) -> None:
    first_at = clock.now()
    comes(story)
    clock.advance(300)
    comes(story)

    (claim,) = claims(story)

    assert (claim.instance_id, claim.az_id, claim.image_id, claim.verdict) == (STRANGER, "use1-az2", "ami-theirs", None)
    assert (claim.first_seen_at, claim.last_seen_at) == (first_at, clock.now())


def test_a_refused_one_goes_on_being_refused(story: Story) -> None:
    comes(story)
    decide(story, Verdict.REFUSED)

    again = comes(story)

    assert isinstance(again, Turned)
    assert isinstance(again.error, UnexpectedInstance)
    assert claims(story)[0].verdict is Verdict.REFUSED
    assert story.roles == {"i-1": "PRIMARY"}


def test_an_approved_one_is_let_in_as_a_standby_and_does_not_serve(story: Story) -> None:
    joins(story)

    assert story.roles == {"i-1": "PRIMARY", STRANGER: "REPLICA"}
    assert (story.region.serving, story.agent.epoch) == (["i-1"], 1)
    assert not story.fleet.instance(story.agent, STRANGER).launched_by_server
    assert story.region.kinds(CommandKind.LAUNCH_INSTANCE) == []


def test_the_ordinary_handover_makes_it_the_primary_once_the_old_one_has_stopped(story: Story) -> None:
    joins(story)

    switch = story.promote(story.replicas()[0].replica_id)
    story.passes(120, until=lambda: story.active() is None)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.region.serving == [STRANGER]
    assert story.region.violations == []


def test_of_an_agent_with_state_everything_counts_as_lost_with_it_because_its_disk_is_unknown(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce")
    joins(story)

    with pytest.raises(MoveRefused, match="would be lost"):
        story.promote(story.replicas()[0].replica_id)


def test_one_that_lacks_our_tags_is_never_ended_by_us_however_its_replica_ends(story: Story) -> None:
    joins(story)
    retire = partial(replica_service.retire_replica, user_id="tester", reason="a test")
    replica_id = story.replicas()[0].replica_id
    story.database.write(lambda tx: retire(tx, story.fleet.client_id, story.agent_id, replica_id))

    story.passes(120)

    assert story.region.kinds(CommandKind.TERMINATE_INSTANCE) != []
    assert story.region.machines[STRANGER].state == "running"


def test_the_same_decision_again_changes_nothing_and_another_may_follow(story: Story) -> None:
    comes(story)
    first, again = decide(story, Verdict.REFUSED), decide(story, Verdict.REFUSED)
    with pytest.raises(RequestIdReused):
        decide(story, Verdict.APPROVED)
    changed = decide(story, Verdict.APPROVED, "decision-2")

    rows = story.fleet.scalars(select(audit_logs.c.action).where(audit_logs.c.action.like("unexpected_instance.%")))
    assert first.decided_at == again.decided_at
    assert changed.verdict is Verdict.APPROVED
    assert sorted(rows) == ["unexpected_instance.approved", "unexpected_instance.refused"]


def test_once_it_is_in_nothing_is_decided_about_it_any_more(story: Story) -> None:
    joins(story)

    with pytest.raises(StateConflict, match="was let in and is REPLICA now"):
        decide(story, Verdict.REFUSED, "decision-2")


def test_what_never_claimed_anything_and_what_is_another_clients_is_unknown(story: Story) -> None:
    comes(story)
    act = partial(service.decide, verdict=Verdict.APPROVED, request_id="decision-1", user_id="tester")

    with pytest.raises(NotFound):
        decide(story, Verdict.APPROVED, instance_id="i-99")
    with pytest.raises(NotFound):
        story.database.write(lambda tx: act(tx, "another", story.agent_id, STRANGER))


def test_a_registration_whose_answer_was_lost_finds_the_standby_that_it_made(story: Story) -> None:
    comes(story)
    decide(story, Verdict.APPROVED)

    first, again = comes(story), comes(story)

    assert isinstance(first, Registered)
    assert isinstance(again, Registered)
    assert (first.is_new, again.is_new) == (True, False)
    assert len(story.replicas()) == 1


def test_two_people_who_decide_at_once_leave_one_verdict_and_both_in_the_audit_log(story: Story) -> None:
    comes(story)
    story.database = Database(story.database.engine, clock=story.clock, sleeper=SystemClock())

    at_once([lambda: decide(story, Verdict.APPROVED, "decision-1"), lambda: decide(story, Verdict.REFUSED, "decision-2")])

    rows = story.fleet.scalars(select(audit_logs.c.action).where(audit_logs.c.action.like("unexpected_instance.%")))
    assert sorted(rows) == ["unexpected_instance.approved", "unexpected_instance.refused"]
    assert claims(story)[0].verdict in set(Verdict)
