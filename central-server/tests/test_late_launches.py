"""A launch whose answer comes late, or after another took its place: its instance is adopted or terminated, never orphaned."""

from __future__ import annotations

import pytest

from server_support.clock import FakeClock
from server_support.slow_launches import carry_out, take_launch
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.replicas import queries, service
from spot_server.policy import MovePolicy
from spot_server.words import CommandKind, CommandStatus, ReplicaStatus, SwitchStatus

LAUNCH = CommandKind.LAUNCH_INSTANCE


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


def assert_nothing_is_orphaned(story: Story) -> None:
    owned = {replica.instance_id for replica in story.replicas()} | {"i-1"}
    assert set(story.region.machines) <= owned
    running = {key for key, machine in story.region.machines.items() if machine.state == "running"}
    assert running <= {key for key, role in story.roles.items() if role in {"PRIMARY", "REPLICA"}}


def test_a_launch_that_is_answered_after_its_deadline_is_adopted_by_the_replica_that_still_waits(story: Story) -> None:
    switch = story.switch()
    command = take_launch(story)
    story.region.fail(LAUNCH, None, times=99)
    story.passes(126)
    story.region.failures.clear()

    status = carry_out(story, command)
    story.settles(300)

    assert status is CommandStatus.EXPIRED
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert len(story.region.launched_by_token) == 1
    assert_nothing_is_orphaned(story)


def test_a_launch_that_is_answered_after_its_switch_was_taken_back_is_terminated(story: Story) -> None:
    switch = story.switch()
    command = take_launch(story)
    story.cancel(switch)
    story.passes(10)

    carry_out(story, command)
    story.settles(100)

    assert story.reload(switch).status is SwitchStatus.CANCELLED
    assert story.region.machines["i-2"].state == "terminated"
    assert_nothing_is_orphaned(story)


def test_only_an_instance_that_never_registered_may_be_unknown_to_ec2_while_it_is_terminated(story: Story) -> None:
    unheard = story.switch("request-1")
    command = take_launch(story)
    story.cancel(unheard)
    carry_out(story, command)
    story.settles(100)
    heard = story.switch("request-2")
    story.passes(60, until=lambda: any(replica.registered_at is not None for replica in story.replicas()))
    story.cancel(heard)

    story.settles(100)

    asked = {payload["instance_id"]: payload.get("unknown_for_seconds") for payload in story.payloads("terminate_instance")}
    assert asked == {"i-2": 60.0, "i-3": None}
    assert_nothing_is_orphaned(story)


def test_a_launch_that_is_answered_long_after_anybody_waited_is_terminated(story: Story) -> None:
    switch = story.switch()
    command = take_launch(story)
    story.cancel(switch)
    story.passes(1000, step_seconds=30)
    ended_at = story.replicas()[0].ended_at

    carry_out(story, command)
    story.settles(100)

    assert ended_at is not None
    assert story.region.machines["i-2"].state == "terminated"
    assert_nothing_is_orphaned(story)


def test_a_launch_that_succeeds_after_the_replica_went_elsewhere_is_terminated_and_the_move_goes_on(story: Story) -> None:
    # A control plane hiccup: the first request is taken by a daemon that hangs, the repeat finds no capacity.
    switch = story.switch(mode="spot")
    command = take_launch(story)
    story.region.fail(LAUNCH, "capacity", times=1)
    story.passes(140, until=lambda: "i-2" in story.region.machines)

    carry_out(story, command)
    story.settles(400)

    reasons = [replica.status_reason for replica in story.replicas()]
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert len(story.region.launched_by_token) == 2
    assert any("needed it no more" in reason for reason in reasons)
    assert len(story.region.serving) == 1
    assert_nothing_is_orphaned(story)


def test_an_answer_that_leaves_open_whether_it_happened_makes_no_second_instance(story: Story) -> None:
    story.region.fail(LAUNCH, None, takes_effect=True)
    switch = story.switch()
    story.step()
    story.region.fail(LAUNCH, "unreachable")

    story.settles(300)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert len(story.region.launched_by_token) == 1
    assert_nothing_is_orphaned(story)


def test_an_unreachable_api_is_asked_again_under_the_same_token_and_with_the_same_nonce(story: Story) -> None:
    story.region.fail(LAUNCH, "unreachable", times=2)
    switch = story.switch()

    story.settles(300)

    asked = story.issued("launch_instance")
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert len(asked) == 3
    assert len({replica.client_token for replica in story.replicas()}) == 1


def test_a_launch_that_fails_just_before_everybody_is_gone_ends_and_says_so(story: Story) -> None:
    story.region.fail(LAUNCH, "refused", times=100)  # it came after its deadline, for one
    story.notice(lead_seconds=20)

    story.passes(2 * MovePolicy().boot_bound_seconds, until=lambda: story.switches()[0].status is SwitchStatus.FAILED, step_seconds=10)

    assert story.region.machines["i-1"].state == "terminated"
    assert story.switches()[0].status is SwitchStatus.FAILED
    assert story.replicas()[0].status is ReplicaStatus.FAILED


def test_no_secret_is_kept_of_a_launch_that_is_over(story: Story) -> None:
    story.region.fail(LAUNCH, "unreachable", times=1)
    story.region.fail(LAUNCH, "capacity", times=1)
    story.switch()

    story.settles(300)

    payloads = story.payloads("launch_instance")
    assert len(payloads) == 3
    assert all(payload["user_data"] == "removed" for payload in payloads)


def test_a_daemon_that_names_an_instance_for_a_replica_that_has_ended_has_it_terminated(story: Story) -> None:
    switch = story.switch()
    command = take_launch(story)
    story.cancel(switch)
    story.passes(1000, step_seconds=30)
    replica = story.replicas()[0]
    story.region.machines["i-1"].in_hand.clear()
    answer = story.region.answer(story.region.machines["i-1"], command, story.clock.now())
    assert answer is not None

    story.database.write(lambda tx: service.record_instance(tx, story.agent_id, "i-1", replica.replica_id, instance_id="i-2", status=None))
    story.settles(100)

    assert story.region.machines["i-2"].state == "terminated"
    assert_nothing_is_orphaned(story)


def test_a_dead_daemon_s_launch_is_given_to_another_and_one_instance_comes_of_it(story: Story) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.gets_ready()
    story.notice("i-2", lead_seconds=0.0)
    story.region.fail(LAUNCH, None, on="i-1", times=99, takes_effect=True)

    story.passes(400, until=lambda: any(replica.status is ReplicaStatus.READY for replica in story.replicas()))

    tokens = story.database.read(lambda tx: {replica.client_token for replica in queries.list_replicas(tx, story.agent_id)})
    assert len(story.region.launched_by_token) == len(tokens) == 2
